import { FraudstreamError, type ErrorCode, type ErrorPlace } from '../../domain/errors.ts';
import { errorFromCode } from './kafkajs-internals.ts';

/** What KafkaJS and brokers report, in our codes. */

/** As KafkaJS's errors are: protocol errors have a type, connection errors a system code. */
interface KafkaErrorShape {
  readonly name?: string;
  readonly message?: string;
  readonly type?: string;
  readonly code?: number | string;
  readonly retriable?: boolean;
  readonly cause?: unknown;
}

const REFUSED = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'SECURITY_DISABLED',
  'POLICY_VIOLATION',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'INCONSISTENT_GROUP_PROTOCOL',
  'GROUP_MAX_SIZE_REACHED',
  'INVALID_REPLICATION_FACTOR',
  'INVALID_PARTITIONS',
  'INVALID_CONFIG',
  'INVALID_REQUEST',
  'INVALID_TIMESTAMP',
  'INVALID_RECORD',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
]);
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
const MISSING = new Set(['UNKNOWN_TOPIC_OR_PARTITION']);
/** Another generation, or none, knows this member. */
const FENCED = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID', 'REBALANCE_IN_PROGRESS']);
/** The coordinator is elsewhere or not ready: ask who it is and try again. KafkaJS itself retries other names. */
const COORDINATOR = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
]);
const TRANSPORT = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSLockTimeout',
  'KafkaJSTimeout',
  'KafkaJSBrokerNotFound',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSNoBrokerAvailableError',
]);

/** KafkaJS wraps an error when it gives up on it: the innermost one that says something. */
function innermost(thrown: unknown): KafkaErrorShape {
  let error = thrown as KafkaErrorShape;
  for (let depth = 0; depth < 8; depth++) {
    if (typeof error !== 'object' || error === null) return { message: String(thrown) };
    if (error.type !== undefined || TRANSPORT.has(error.name ?? '')) return error;
    const cause = error.cause as KafkaErrorShape | undefined;
    if (typeof cause !== 'object' || cause === null || cause === error) return error;
    error = cause;
  }
  return error;
}

/** The broker's name of the error, or that of KafkaJS, or a system code; 'UNKNOWN' if it has none. */
export function kafkaErrorType(thrown: unknown): string {
  const error = innermost(thrown);
  return error.type ?? error.name ?? 'UNKNOWN';
}

export const isFenced = (thrown: unknown): boolean => FENCED.has(kafkaErrorType(thrown));
export const isCoordinatorMoved = (thrown: unknown): boolean => COORDINATOR.has(kafkaErrorType(thrown));
export const isTransport = (thrown: unknown): boolean => TRANSPORT.has(kafkaErrorType(thrown));

function codeOf(error: KafkaErrorShape): ErrorCode {
  const type = error.type ?? error.name ?? '';
  if (REFUSED.has(type) || error.name === 'KafkaJSSASLAuthenticationError') return 'FS_KAFKA_REFUSED';
  if (TOO_LARGE.has(type)) return 'FS_OUTPUT_TOO_LARGE';
  if (MISSING.has(type)) return 'FS_KAFKA_TOPIC_MISSING';
  if (FENCED.has(type)) return 'FS_KAFKA_FENCED';
  if (type === 'OFFSET_OUT_OF_RANGE') return 'FS_OFFSET_OUT_OF_RANGE';
  return 'FS_KAFKA_UNAVAILABLE';
}

/** Whatever was thrown while talking to Kafka, as one of ours. `doing` says what was tried. */
export function fromKafka(thrown: unknown, doing: string, place: ErrorPlace = {}): FraudstreamError {
  if (thrown instanceof FraudstreamError) return thrown;
  const error = innermost(thrown);
  const type = error.type === undefined ? '' : ` (${error.type})`;
  const message = error.message ?? String(thrown);
  return new FraudstreamError(codeOf(error), `${doing}: ${message}${type}`, place, { cause: thrown });
}

/** The same for an error code inside a response. */
export function fromKafkaCode(code: number, doing: string, place: ErrorPlace = {}): FraudstreamError {
  return fromKafka(errorFromCode(code), doing, place);
}
