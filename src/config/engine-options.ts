import { LIMITS } from '../domain/limits.ts';
import type { CommandName } from './command-table.ts';
import type { OptionSpec } from './option-types.ts';

const RUN: readonly CommandName[] = ['run', 'validate'];
/** the commands that run the pipeline or a part of it */
const PIPELINE: readonly CommandName[] = ['run', 'replay', 'export-features', 'validate', 'demo'];
const ALL: readonly CommandName[] = [...PIPELINE, 'simulate', 'flagged', 'dlq', 'doctor', 'state'];
/** what decides how a record is folded */
const FOLD: readonly CommandName[] = [...PIPELINE, 'state'];

/** How payments are decided, state is kept, and the process shows itself. */
export const ENGINE_OPTIONS = {
  'app.id': {
    type: 'string',
    default: 'fraudstream',
    description: 'name of this application: prefix of Redis keys, default of group and client id',
    commands: ALL,
    pattern: /^[a-zA-Z0-9._-]{1,100}$/,
    patternText: '1–100 of a–z A–Z 0–9 . _ -',
  },
  delivery: {
    type: 'enum',
    values: ['exactly-once', 'at-least-once'],
    default: 'exactly-once',
    description:
      'exactly-once: output and position in one Kafka transaction; at-least-once: output is visible sooner, and after a crash it may ' +
      'repeat, equal to the first. Change it only while no member runs, see `fraudstream state accept --delivery`',
    commands: ['run', 'validate', 'state'],
  },
  'catalogue.file': {
    type: 'path',
    default: 'config/features.yaml',
    description: 'feature catalogue',
    commands: [...FOLD, 'doctor'],
  },
  'mapping.file': {
    type: 'path',
    default: null,
    flag: '--mapping',
    description:
      'how rows of CSV, JSONL or Avro files of any making become payments and labels (docs/your-data.md); not set: the files ' +
      'hold records of our own schema',
    commands: ['replay', 'export-features', 'validate'],
  },
  'model.dir': {
    type: 'path',
    default: 'models/default',
    description: 'directory with model.onnx, manifest.json and vectors.json',
    commands: ['run', 'replay', 'validate', 'demo', 'model'],
  },
  'policy.version': {
    type: 'string',
    default: null,
    description: 'version that decisions carry; not set: derived from the thresholds',
    commands: ['run', 'replay', 'validate', 'demo'],
    pattern: /^[\x21-\x7e]{1,64}$/,
    patternText: '1–64 printable ASCII characters, no spaces',
  },
  'policy.block-threshold': {
    type: 'number',
    default: null,
    min: 0,
    max: 1,
    description: 'a score at or above it blocks; not set: that of the model manifest',
    commands: ['run', 'replay', 'validate', 'demo'],
  },
  'policy.flag-threshold': {
    type: 'number',
    default: null,
    min: 0,
    max: 1,
    description: 'a score at or above it is flagged for an analyst; not set: that of the model manifest',
    commands: ['run', 'replay', 'validate', 'demo'],
  },
  'wire.format': {
    type: 'enum',
    values: ['auto', 'avro', 'confluent'],
    default: 'auto',
    description: 'bare Avro, or the Confluent wire format; auto: Confluent when registry.url is set',
    commands: ['run', 'simulate', 'validate', 'flagged', 'dlq', 'doctor', 'state'],
  },
  'event.allowed-lateness': {
    type: 'duration',
    default: '1d',
    min: 0,
    max: 31_536_000_000,
    description: 'a payment later than this behind its user is decided and marked late, but kept out of the state',
    commands: FOLD,
  },
  'event.future-skew': {
    type: 'duration',
    default: '5m',
    min: 0,
    max: 86_400_000,
    description: 'a payment further ahead of its record timestamp is decided and marked, but kept out of the state',
    commands: FOLD,
  },
  'record.max-bytes': {
    type: 'bytes',
    default: '1MiB',
    min: 1_024,
    max: LIMITS.batchBytesMax,
    description: 'a larger input record goes to the dead letter',
    commands: FOLD,
  },
  'guard.card-numbers': {
    type: 'bool',
    default: 'true',
    description: 'refuse payments with what looks like a card number in an id; their dead letter carries no payload',
    commands: FOLD,
  },
  'batch.records-max': {
    type: 'int',
    default: '2000',
    min: 1,
    max: 100_000,
    description: 'most records decided at a time',
    commands: PIPELINE,
  },
  'batch.bytes-max': {
    type: 'bytes',
    default: '8MiB',
    min: 1_024,
    max: 268_435_456,
    description: 'most input bytes decided at a time',
    commands: PIPELINE,
  },
  'state.store': {
    type: 'enum',
    values: ['redis', 'memory'],
    default: 'redis',
    description: 'where `run` keeps state; memory is lost at exit and is for trials only',
    commands: RUN,
  },
  'state.cache-bytes': {
    type: 'bytes',
    default: null,
    min: 1_048_576,
    max: 68_719_476_736,
    description:
      'most memory for the histories of recently seen users, over all partitions; not set: 64MiB with Redis, 1GiB with files',
    commands: PIPELINE,
  },
  'state.flush-interval': {
    type: 'duration',
    default: '2s',
    min: 10,
    max: 60_000,
    description: 'state is written at least this often; bounds what a restart folds again',
    commands: PIPELINE,
  },
  'state.flush-records-max': {
    type: 'int',
    default: '20000',
    min: 1,
    max: 1_000_000,
    description: 'state is written after at most this many records of a partition',
    commands: PIPELINE,
  },
  'state.flush-bytes-max': {
    type: 'bytes',
    default: '64MiB',
    min: 1_048_576,
    max: 1_073_741_824,
    description: 'state is written when this much of a partition waits',
    commands: PIPELINE,
  },
  'state.ttl-slack': {
    type: 'duration',
    default: '14d',
    min: 0,
    max: 31_536_000_000,
    description:
      'histories expire in Redis this long after the longest window and the allowed lateness have passed; not below the retention of the ' +
      'input, since Redis counts wall clock and windows count event time',
    commands: ['run', 'validate', 'doctor'],
  },
  'state.on-unavailable': {
    type: 'enum',
    values: ['stop', 'decide-without-history'],
    default: 'stop',
    description: 'when Redis is away: wait, or decide at once and say so in `degraded`',
    commands: RUN,
  },
  'state.snapshot-dir': {
    type: 'path',
    default: null,
    description:
      'folder for copies of the state, so that what is older than the input log survives a lost Redis; not set: none',
    commands: ['run', 'validate'],
  },
  'state.snapshot-interval': {
    type: 'duration',
    default: '1h',
    min: 1_000,
    max: 2_592_000_000,
    description: 'a partition is copied this often; the last two copies are kept',
    commands: ['run', 'validate'],
  },
  'log.level': {
    type: 'enum',
    values: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    description: 'least level that is logged',
    commands: ALL,
  },
  'log.pretty': {
    type: 'enum',
    values: ['auto', 'always', 'never'],
    default: 'auto',
    description: 'readable log lines instead of JSON; auto: on a terminal',
    commands: ALL,
  },
  'http.enabled': {
    type: 'bool',
    default: 'true',
    description: 'serve /metrics, /healthz and /readyz',
    commands: RUN,
  },
  'http.host': {
    type: 'string',
    default: '127.0.0.1',
    description: 'address to listen on; 0.0.0.0 for all: there is no authentication',
    commands: RUN,
    pattern: /^[a-zA-Z0-9.:_-]{1,253}$/,
    patternText: 'an address or host name',
  },
  'http.port': {
    type: 'int',
    default: '9464',
    min: 0,
    max: 65_535,
    description: 'port to listen on; 0: any free one, named in the log',
    commands: RUN,
  },
  'health.stall-timeout': {
    type: 'duration',
    default: '60s',
    min: 1_000,
    max: 3_600_000,
    description: '/healthz fails, and the consumer is restarted, when there is lag and no offset moves for this time',
    commands: RUN,
  },
  'shutdown.deadline': {
    type: 'duration',
    default: '25s',
    min: 0,
    max: 600_000,
    description: 'longest time to finish, commit and flush after SIGTERM; keep it below the grace time of the platform',
    commands: RUN,
  },
} as const satisfies Record<string, OptionSpec>;
