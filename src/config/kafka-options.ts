import type { CommandName } from './command-table.ts';
import type { OptionSpec } from './option-types.ts';

const CLIENT: readonly CommandName[] = ['run', 'simulate', 'validate', 'flagged', 'dlq', 'doctor', 'state'];
const RUN: readonly CommandName[] = ['run', 'validate'];
const RUN_DOCTOR: readonly CommandName[] = ['run', 'validate', 'doctor', 'state'];
const RUN_STATE: readonly CommandName[] = ['run', 'validate', 'state'];

const TOPIC = {
  pattern: /^(?!\.\.?$)[a-zA-Z0-9._-]{1,249}$/,
  patternText: '1–249 of a–z A–Z 0–9 . _ -',
} as const;

/** Where Kafka is, how to speak with it, and its topics. */
export const KAFKA_OPTIONS = {
  'kafka.brokers': {
    type: 'list',
    default: 'localhost:9092',
    description: 'bootstrap brokers',
    commands: CLIENT,
    pattern: /^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+):[1-9]\d{0,4}$/,
    patternText: 'host:port',
  },
  'kafka.client-id': {
    type: 'string',
    default: null,
    description: 'client id in broker logs and quotas; not set: app.id',
    commands: CLIENT,
    pattern: /^[a-zA-Z0-9._-]{1,100}$/,
    patternText: '1–100 of a–z A–Z 0–9 . _ -',
  },
  'kafka.group-id': {
    type: 'string',
    default: null,
    description:
      'consumer group of the members; the positions are in the group of this name with .ledger behind it; not set: app.id',
    commands: RUN_DOCTOR,
    pattern: /^[^\p{Cc}]{1,249}$/u,
    patternText: '1–249 characters, no control characters',
  },
  'kafka.instance-id': {
    type: 'string',
    default: null,
    description:
      'a name that no other running member has, such as the name of a pod that keeps it: a process that starts with it takes the ' +
      'place of the one before at once. Without it that is so for a process on the same machine; in a new container it waits for ' +
      'kafka.session-timeout',
    commands: RUN,
    pattern: /^[a-zA-Z0-9._-]{1,249}$/,
    patternText: '1–249 of a–z A–Z 0–9 . _ -',
  },
  'kafka.from': {
    type: 'enum',
    values: ['earliest', 'latest', 'fail'],
    default: 'earliest',
    description: 'where to begin on a partition that was never decided',
    commands: RUN,
  },
  'kafka.transaction-timeout': {
    type: 'duration',
    default: '5s',
    min: 1_000,
    max: 900_000,
    description:
      'the brokers abort the transaction of a dead process after this time (and up to 10 s more); readers of the output wait so long',
    commands: RUN_STATE,
  },
  'kafka.partitions': {
    type: 'int',
    default: null,
    min: 1,
    max: 100_000,
    description:
      'work with the first N partitions of the input only: to decide what is left in the old ones after partitions were added, before ' +
      '`fraudstream state repartition`; not set: all',
    commands: RUN,
  },
  'kafka.partitioner': {
    type: 'enum',
    values: ['count', 'strict', 'off'],
    default: 'count',
    description:
      'records that are not in the partition of their key (murmur2, as the Java client): count them, send them to the dead letter, or do not look',
    commands: RUN_STATE,
  },
  'kafka.compression': {
    type: 'enum',
    values: ['none', 'gzip', 'snappy', 'lz4'],
    default: 'lz4',
    description: 'compression of what is produced; all codecs are read',
    commands: ['run', 'simulate', 'validate', 'dlq'],
  },
  'kafka.session-timeout': {
    type: 'duration',
    default: '6s',
    min: 1_000,
    max: 1_800_000,
    description: 'the group gives the partitions of a silent member to others after this time',
    commands: RUN,
  },
  'kafka.request-timeout': {
    type: 'duration',
    default: '30s',
    min: 100,
    max: 600_000,
    description: 'longest wait for the answer to one request',
    commands: CLIENT,
  },
  'kafka.connection-timeout': {
    type: 'duration',
    default: '3s',
    min: 100,
    max: 120_000,
    description: 'longest wait for a connection to a broker',
    commands: CLIENT,
  },
  'kafka.fetch-max-bytes': {
    type: 'bytes',
    default: '10MiB',
    min: 1_024,
    max: 268_435_456,
    description: 'most bytes in one fetch response',
    commands: RUN,
  },
  'kafka.fetch-partition-bytes': {
    type: 'bytes',
    default: '1MiB',
    min: 1_024,
    max: 67_108_864,
    description: 'most bytes of one partition in a fetch response; a larger first batch is still sent whole',
    commands: RUN,
  },
  'kafka.fetch-max-wait': {
    type: 'duration',
    default: '50ms',
    min: 1,
    max: 5_000,
    description:
      'longest time that a broker holds a fetch when there is nothing new; the price of an idle poll in latency',
    commands: RUN,
  },
  'kafka.ssl': {
    type: 'bool',
    default: 'false',
    description: 'TLS to the brokers',
    commands: CLIENT,
  },
  'kafka.ssl-ca-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the certificate authorities; not set: those of Node',
    commands: CLIENT,
  },
  'kafka.ssl-cert-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the client certificate',
    commands: CLIENT,
  },
  'kafka.ssl-key-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the private key of the client certificate',
    commands: CLIENT,
  },
  'kafka.sasl-mechanism': {
    type: 'enum',
    values: ['none', 'plain', 'scram-sha-256', 'scram-sha-512'],
    default: 'none',
    description: 'authentication with the brokers',
    commands: CLIENT,
  },
  'kafka.sasl-username': {
    type: 'string',
    default: null,
    description: 'user name for SASL',
    commands: CLIENT,
  },
  'kafka.sasl-password': {
    type: 'secret',
    default: null,
    description: 'password for SASL',
    commands: CLIENT,
  },
  'topics.transactions': {
    type: 'string',
    default: 'transactions',
    description: 'input: payments, keyed by user_id; in files, the topic name in decision ids',
    commands: ['run', 'replay', 'export-features', 'simulate', 'validate', 'dlq', 'doctor', 'demo', 'state'],
    ...TOPIC,
  },
  'topics.labels': {
    type: 'string',
    default: 'labels',
    description: 'verdicts on earlier payments',
    commands: ['simulate', 'validate', 'doctor'],
    ...TOPIC,
  },
  'topics.decisions': {
    type: 'string',
    default: 'decisions',
    description: 'output: one decision per payment',
    commands: RUN_DOCTOR,
    ...TOPIC,
  },
  'topics.flagged': {
    type: 'string',
    default: 'flagged',
    description: 'output: flagged payments with all that an analyst needs',
    commands: ['run', 'validate', 'flagged', 'doctor'],
    ...TOPIC,
  },
  'topics.dead-letter': {
    type: 'string',
    default: 'dead-letter',
    description: 'output: input records that could not be decided, as their original bytes',
    commands: ['run', 'validate', 'dlq', 'doctor', 'state'],
    ...TOPIC,
  },
  'topics.create': {
    type: 'bool',
    default: 'false',
    description: 'create missing topics at start',
    commands: ['run', 'simulate', 'validate'],
    flag: '--create-topics',
  },
  'topics.partitions': {
    type: 'int',
    default: '6',
    min: 1,
    max: 10_000,
    description: 'partitions of topics that are created; all have the same count',
    commands: ['run', 'simulate', 'validate', 'doctor'],
  },
  'topics.replication': {
    type: 'int',
    default: '1',
    min: 1,
    max: 32_767,
    description: 'replication factor of topics that are created; 3 in production',
    commands: ['run', 'simulate', 'validate', 'doctor'],
  },
} as const satisfies Record<string, OptionSpec>;
