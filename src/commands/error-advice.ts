import type { ErrorCode } from '../domain/errors.ts';

/** What to do about each error, for docs/errors.md. A test asks for a line per code. */
export const ERROR_ADVICE: Readonly<Partial<Record<ErrorCode, string>>> = {
  FS_INPUT_TOMBSTONE: 'The transactions topic is a log of events: a producer must not send deletions.',
  FS_INPUT_EMPTY: 'Fix the producer: it sent a key without a payment.',
  FS_RECORD_TOO_LARGE: 'Fix the producer, or raise `record.max-bytes`.',
  FS_WIRE_MAGIC: 'The producer does not use the schema registry: fix it, or set `wire.format` to `avro`.',
  FS_WIRE_TRUNCATED: 'The producer does not use the schema registry: fix it, or set `wire.format` to `avro`.',
  FS_SCHEMA_UNKNOWN:
    'Check `registry.url`; register the schema; then `fraudstream dlq replay --code FS_SCHEMA_UNKNOWN`.',
  FS_SCHEMA_INCOMPATIBLE: 'Give the writer schema the required fields of `schemas/transaction.avsc`.',
  FS_REGISTRY_UNAVAILABLE: 'Check `registry.url`, its login and the network; `fraudstream doctor` says more.',
  FS_AVRO_TRUNCATED: 'Fix the producer, or what cut the record.',
  FS_AVRO_TRAILING: 'Fix the producer; often the record was written with another schema.',
  FS_AVRO_INVALID: 'Fix the producer; often the record was written with another schema.',
  FS_AVRO_LIMIT: 'Fix the producer. A forged count is an attack on decoders.',
  FS_LONG_UNSAFE: 'Send smaller numbers: JavaScript keeps integers exactly up to 2^53 - 1.',
  FS_UTF8_INVALID: 'Encode strings as UTF-8.',
  FS_FIELD_MISSING: 'Fill the field that the message names.',
  FS_FIELD_TOO_LONG: 'Shorten the field that the message names; the limits are in `src/domain/limits.ts`.',
  FS_FIELD_INVALID: 'Correct the field that the message names.',
  FS_AMOUNT_INVALID: 'Send the amount in minor units, as an integer that is not negative.',
  FS_CURRENCY_UNKNOWN: 'Send an ISO 4217 code in capitals, such as EUR.',
  FS_COORDINATES_INVALID: 'Send both, latitude −90 … 90 and longitude −180 … 180, or neither.',
  FS_EVENT_TIME_INVALID: 'Send milliseconds since 1970, not seconds or microseconds.',
  FS_CARD_NUMBER:
    'Send a token. The dead letter of this code carries no payload. `guard.card-numbers` switches the check off.',
  FS_BATCH_EXPANSION: 'Send smaller batches. A small batch that expands without end is an attack.',
  FS_BATCH_CORRUPT: 'Check the disks of the brokers and what lies between; the position is in the log.',
  FS_OUTPUT_TOO_LARGE: 'Raise `max.message.bytes` of the output topic that the message names.',
  FS_KAFKA_UNAVAILABLE: 'Check `kafka.brokers`, TLS, login and the network; `fraudstream doctor` says more.',
  FS_KAFKA_TOPIC_MISSING: 'Create the topic, or start once with `--create-topics`.',
  FS_KAFKA_REFUSED: 'Grant the rights, or correct the configuration, that the message names.',
  FS_KAFKA_FENCED: 'Nothing: the partition has moved to another process, which goes on with it.',
  FS_OFFSET_OUT_OF_RANGE: 'The log was cut: lengthen the retention; then run the command that the message names.',
  FS_STATE_UNAVAILABLE: 'Check `redis.url`, login and the network; `fraudstream doctor` says more.',
  FS_STATE_CONFLICT: 'Nothing: the partition is acquired anew. If it goes on, two applications share one `app.id`.',
  FS_STATE_CORRUPT: '`fraudstream state drop --partition N`: the state is rebuilt from the log.',
  FS_STATE_LAYOUT: 'Run the version that wrote it; or `fraudstream state drop`: the state is rebuilt from the log.',
  FS_STATE_AHEAD:
    'Run the command that the message names, `fraudstream state drop`: the state is rebuilt from the log.',
  FS_MODEL_HASH: 'Copy the whole model directory again.',
  FS_MODEL_INPUTS: 'Add the feature to the catalogue, or choose a model that was trained on it.',
  FS_MODEL_VECTORS: 'Train or export the model again; do not use it.',
  FS_MODEL_INVALID: 'Correct what the message names; `training/` makes complete model directories.',
  FS_MODEL_FAILED: 'Decisions fall back and say so in `degraded`; if it goes on, go back to the former model.',
  FS_CONFIG_INVALID: 'Correct the option that the message names; `fraudstream validate` reports all at once.',
  FS_CATALOGUE_INVALID: 'Correct the lines that the message names; `fraudstream validate` reports all at once.',
  FS_MAPPING_INVALID:
    'Correct the lines that the message names; `fraudstream validate --mapping FILE` reports all at once.',
  FS_ROW_UNMAPPED:
    'Correct the mapping (`docs/your-data.md`) or the row; the message names file, line, column and reason, never the value.',
  FS_FILE_INVALID: 'Check path, rights, free space and format of the file that the message names.',
  FS_INPUT_COMPACTED:
    'Set `cleanup.policy` of the input to `delete`; for the records that are gone already, nothing helps.',
  FS_INPUT_PARTITIONER:
    'Let producers use murmur2 of the key (`partitioner=murmur2_random` of librdkafka); or `kafka.partitioner: count`.',
  FS_INPUT_POISON:
    'Report it, with the record. When a version is out that survives it: `fraudstream dlq replay --code FS_INPUT_POISON`.',
  FS_KAFKA_BUSY:
    'Nothing: it is tried again. If it goes on, look for hanging transactions: `kafka-transactions.sh find-hanging`.',
  FS_POSITION_FOREIGN: 'Run the command that the message names: `fraudstream state accept --skip` or `--redecide`.',
  FS_POSITION_LOST:
    'Run the command that the message names. Positions are in the group `<group>.ledger`: do not delete it.',
  FS_LOG_CHANGED:
    'Run the command that the message names: `fraudstream state accept --log`, or `state rebase` to keep the histories.',
  FS_PARTITIONS_CHANGED:
    'Decide what is left with `run --kafka-partitions <old count>`, then `fraudstream state repartition`.',
  FS_DELIVERY_CHANGED: 'Stop all members of the group, then `fraudstream state accept --delivery <mode>`.',
  FS_OUTPUT_MISMATCH: 'Look what became of the output topic; then run the command that the message names.',
  FS_GROUP_ACTIVE: 'Stop all instances, wait for the session time-out, and repeat the command.',
  FS_STALLED: 'The supervisor should start it again. If it goes on: `fraudstream doctor`, and report it with the log.',
  FS_INTERNAL: 'Report it, with the code and stack from the log.',
};
