/** What a broker's answer means for an idempotent batch. Pure. Numbers: https://kafka.apache.org/protocol#protocol_error_codes */
export type ProduceOutcome =
  /** it is in the log, now or since an earlier try */
  | 'stored'
  | 'too-large'
  /** the producer id, its epoch or its sequence is not accepted any more: refused, and so would be all after it */
  | 'identity-lost'
  /** it may be in the log or not */
  | 'unknown'
  /** not in the log, and a later try may succeed */
  | 'passing'
  | 'refused';

const OUTCOMES = new Map<number, ProduceOutcome>([
  [0, 'stored'],
  [46, 'stored'], // DUPLICATE_SEQUENCE_NUMBER
  [10, 'too-large'], // MESSAGE_TOO_LARGE
  [18, 'too-large'], // RECORD_LIST_TOO_LARGE
  [45, 'identity-lost'], // OUT_OF_ORDER_SEQUENCE_NUMBER
  [47, 'identity-lost'], // INVALID_PRODUCER_EPOCH
  [49, 'identity-lost'], // INVALID_PRODUCER_ID_MAPPING
  [59, 'identity-lost'], // UNKNOWN_PRODUCER_ID
  [7, 'unknown'], // REQUEST_TIMED_OUT
  [13, 'unknown'], // NETWORK_EXCEPTION
  [20, 'unknown'], // NOT_ENOUGH_REPLICAS_AFTER_APPEND
  [-1, 'unknown'], // UNKNOWN_SERVER_ERROR
  [2, 'passing'], // CORRUPT_MESSAGE: on its way
  [3, 'passing'], // UNKNOWN_TOPIC_OR_PARTITION
  [5, 'passing'], // LEADER_NOT_AVAILABLE
  [6, 'passing'], // NOT_LEADER_OR_FOLLOWER
  [8, 'passing'], // BROKER_NOT_AVAILABLE
  [9, 'passing'], // REPLICA_NOT_AVAILABLE
  [19, 'passing'], // NOT_ENOUGH_REPLICAS
  [56, 'passing'], // KAFKA_STORAGE_ERROR
  [72, 'passing'], // LISTENER_NOT_FOUND
  [74, 'passing'], // FENCED_LEADER_EPOCH
  [75, 'passing'], // UNKNOWN_LEADER_EPOCH
  [89, 'passing'], // THROTTLING_QUOTA_EXCEEDED
]);

export function produceOutcome(errorCode: number): ProduceOutcome {
  return OUTCOMES.get(errorCode) ?? 'refused';
}
