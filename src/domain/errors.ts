/**
 * Every error that fraudstream can report: code → what it means and what to do.
 * `stage` is where it leaves the event's way. `retriable` errors wait and try again; the others on an
 * input record end in the dead letter, on configuration in exit code 2.
 */
export const ERRORS = {
  FS_INPUT_TOMBSTONE: { stage: 'decode', retriable: false, text: 'the record has no value (null)' },
  FS_INPUT_EMPTY: { stage: 'decode', retriable: false, text: 'the record has an empty value' },
  FS_RECORD_TOO_LARGE: { stage: 'decode', retriable: false, text: 'the record is larger than record.max-bytes' },
  FS_WIRE_MAGIC: {
    stage: 'decode',
    retriable: false,
    text: 'the first byte is not the magic byte 0 of the wire format',
  },
  FS_WIRE_TRUNCATED: { stage: 'decode', retriable: false, text: 'too short for the wire format header' },
  FS_SCHEMA_UNKNOWN: { stage: 'decode', retriable: false, text: 'the registry does not know this schema id' },
  FS_SCHEMA_INCOMPATIBLE: {
    stage: 'decode',
    retriable: false,
    text: 'the writer schema cannot be read as a Transaction',
  },
  FS_REGISTRY_UNAVAILABLE: { stage: 'decode', retriable: true, text: 'the schema registry does not answer' },
  FS_AVRO_TRUNCATED: { stage: 'decode', retriable: false, text: 'the Avro data ends before the record does' },
  FS_AVRO_TRAILING: { stage: 'decode', retriable: false, text: 'bytes are left after the Avro record' },
  FS_AVRO_INVALID: { stage: 'decode', retriable: false, text: 'the bytes are not a record of the writer schema' },
  FS_AVRO_LIMIT: { stage: 'decode', retriable: false, text: 'a count or length in the Avro data is beyond the limits' },
  FS_LONG_UNSAFE: {
    stage: 'decode',
    retriable: false,
    text: 'a long is outside ±(2^53 - 1) and cannot be read exactly',
  },
  FS_UTF8_INVALID: { stage: 'decode', retriable: false, text: 'a string is not valid UTF-8' },
  FS_FIELD_MISSING: { stage: 'validate', retriable: false, text: 'a required field is missing or empty' },
  FS_FIELD_TOO_LONG: { stage: 'validate', retriable: false, text: 'a field is longer than its limit' },
  FS_FIELD_INVALID: { stage: 'validate', retriable: false, text: 'a field has a value that it cannot have' },
  FS_AMOUNT_INVALID: { stage: 'validate', retriable: false, text: 'the amount is negative or not a safe integer' },
  FS_CURRENCY_UNKNOWN: { stage: 'validate', retriable: false, text: 'the currency is not an ISO 4217 code' },
  FS_COORDINATES_INVALID: { stage: 'validate', retriable: false, text: 'lat/lon are not both present and on Earth' },
  FS_EVENT_TIME_INVALID: {
    stage: 'validate',
    retriable: false,
    text: 'the event time is before 1970 or after year 9999',
  },
  FS_CARD_NUMBER: { stage: 'validate', retriable: false, text: 'an id looks like a card number; send a token' },
  FS_BATCH_EXPANSION: { stage: 'fetch', retriable: false, text: 'a compressed batch expands beyond the limit' },
  FS_BATCH_CORRUPT: { stage: 'fetch', retriable: false, text: 'a record batch cannot be read' },
  FS_OUTPUT_TOO_LARGE: { stage: 'publish', retriable: false, text: 'an output record is larger than the topic allows' },
  FS_KAFKA_UNAVAILABLE: { stage: 'fetch', retriable: true, text: 'Kafka does not answer' },
  FS_KAFKA_TOPIC_MISSING: { stage: 'fetch', retriable: true, text: 'a topic does not exist' },
  FS_KAFKA_REFUSED: {
    stage: 'fetch',
    retriable: false,
    text: 'Kafka refused the request (authorization or configuration)',
  },
  FS_KAFKA_FENCED: { stage: 'commit', retriable: true, text: 'another member of the group owns this partition now' },
  FS_KAFKA_BUSY: {
    stage: 'commit',
    retriable: true,
    text: 'an earlier transaction of this partition is still being completed',
  },
  FS_INPUT_COMPACTED: {
    stage: 'fetch',
    retriable: false,
    text: 'the input topic is compacted: state could not be rebuilt from it',
  },
  FS_INPUT_PARTITIONER: {
    stage: 'fetch',
    retriable: false,
    text: 'the record is not in the partition of its key: users would be spread over partitions',
  },
  FS_INPUT_POISON: {
    stage: 'decode',
    retriable: false,
    text: 'the record has ended the process three times: it is put aside',
  },
  FS_POSITION_FOREIGN: {
    stage: 'fetch',
    retriable: false,
    text: 'the committed position was not written by this application',
  },
  FS_POSITION_LOST: {
    stage: 'fetch',
    retriable: false,
    text: 'there is state or output, but no committed position',
  },
  FS_LOG_CHANGED: { stage: 'fetch', retriable: false, text: 'the input log is not the one that was decided before' },
  FS_PARTITIONS_CHANGED: {
    stage: 'fetch',
    retriable: false,
    text: 'the number of partitions has changed: users have moved away from their history',
  },
  FS_DELIVERY_CHANGED: {
    stage: 'fetch',
    retriable: false,
    text: 'the position was committed with another delivery mode',
  },
  FS_OUTPUT_MISMATCH: {
    stage: 'fetch',
    retriable: false,
    text: 'the last decision in the output is not that of the committed position',
  },
  FS_OFFSET_OUT_OF_RANGE: { stage: 'fetch', retriable: false, text: 'the position is no longer in the log' },
  FS_STATE_UNAVAILABLE: { stage: 'load', retriable: true, text: 'the state store does not answer' },
  FS_STATE_CONFLICT: {
    stage: 'flush',
    retriable: true,
    text: 'another owner has moved the watermark of this partition',
  },
  FS_STATE_CORRUPT: { stage: 'load', retriable: false, text: 'a state blob cannot be read' },
  FS_STATE_LAYOUT: { stage: 'load', retriable: false, text: 'the stored state has another event layout' },
  FS_STATE_AHEAD: { stage: 'load', retriable: false, text: 'the state is ahead of the committed input position' },
  FS_MODEL_HASH: { stage: 'score', retriable: false, text: 'model.onnx does not have the sha256 of its manifest' },
  FS_MODEL_INPUTS: {
    stage: 'score',
    retriable: false,
    text: 'the model needs a feature that the catalogue does not have',
  },
  FS_MODEL_VECTORS: { stage: 'score', retriable: false, text: 'the model does not reproduce its test vectors' },
  FS_MODEL_INVALID: { stage: 'score', retriable: false, text: 'the model or its manifest cannot be read' },
  FS_MODEL_FAILED: { stage: 'score', retriable: true, text: 'the model failed at run time' },
  FS_CONFIG_INVALID: { stage: 'config', retriable: false, text: 'the configuration is not valid' },
  FS_CATALOGUE_INVALID: { stage: 'config', retriable: false, text: 'the feature catalogue is not valid' },
  FS_MAPPING_INVALID: { stage: 'config', retriable: false, text: 'the mapping of columns to payments is not valid' },
  FS_ROW_UNMAPPED: { stage: 'decode', retriable: false, text: 'a row of a file cannot be made a payment' },
  FS_FILE_INVALID: { stage: 'fetch', retriable: false, text: 'a file cannot be read or written' },
  FS_GROUP_ACTIVE: {
    stage: 'config',
    retriable: false,
    text: 'members of the group are running: stop them first',
  },
  FS_STALLED: { stage: 'fetch', retriable: false, text: 'there is lag and no offset has moved' },
  FS_INTERNAL: { stage: 'internal', retriable: false, text: 'a bug: please report it' },
} as const satisfies Record<string, { stage: string; retriable: boolean; text: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** `where` holds the place in the input: topic, partition, offset, field. Never a value from a payload. */
export interface ErrorPlace {
  topic?: string;
  partition?: number;
  offset?: number;
  field?: string;
}

/** The one error class. `message` says what was wrong, where, and what to do; it never holds payload or secrets. */
export class FraudstreamError extends Error {
  readonly code: ErrorCode;
  readonly place: ErrorPlace;

  constructor(code: ErrorCode, detail: string, place: ErrorPlace = {}, options?: { cause?: unknown }) {
    super(detail === '' ? ERRORS[code].text : `${ERRORS[code].text}: ${detail}`, options);
    this.name = 'FraudstreamError';
    this.code = code;
    this.place = place;
  }

  get retriable(): boolean {
    return ERRORS[this.code].retriable;
  }

  get stage(): string {
    return ERRORS[this.code].stage;
  }
}

/** Whatever was thrown, as one of ours. */
export function toFraudstreamError(thrown: unknown, code: ErrorCode = 'FS_INTERNAL'): FraudstreamError {
  if (thrown instanceof FraudstreamError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new FraudstreamError(code, detail, {}, { cause: thrown });
}
