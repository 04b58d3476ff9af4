import { FraudstreamError, type ErrorCode, type ErrorPlace } from '../../src/domain/errors.ts';

/** What the model's brokers answer, by Kafka's names, and what the ports make of it. */
export type BrokerError =
  | 'INVALID_PRODUCER_EPOCH'
  | 'INVALID_PRODUCER_ID_MAPPING'
  | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
  | 'INVALID_TXN_STATE'
  | 'INVALID_TRANSACTION_TIMEOUT'
  | 'CONCURRENT_TRANSACTIONS'
  | 'UNKNOWN_TOPIC_OR_PARTITION'
  | 'NOT_ENOUGH_REPLICAS'
  | 'NOT_LEADER_OR_FOLLOWER'
  | 'NOT_COORDINATOR'
  | 'MESSAGE_TOO_LARGE'
  | 'OFFSET_OUT_OF_RANGE'
  | 'UNKNOWN_MEMBER_ID'
  | 'ILLEGAL_GENERATION'
  | 'REBALANCE_IN_PROGRESS'
  | 'NON_EMPTY_GROUP'
  | 'NO_ANSWER';

const CODES: Readonly<Record<BrokerError, ErrorCode>> = {
  INVALID_PRODUCER_EPOCH: 'FS_KAFKA_FENCED',
  INVALID_PRODUCER_ID_MAPPING: 'FS_KAFKA_FENCED',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'FS_KAFKA_FENCED',
  INVALID_TXN_STATE: 'FS_KAFKA_FENCED',
  INVALID_TRANSACTION_TIMEOUT: 'FS_KAFKA_REFUSED',
  CONCURRENT_TRANSACTIONS: 'FS_KAFKA_BUSY',
  UNKNOWN_TOPIC_OR_PARTITION: 'FS_KAFKA_TOPIC_MISSING',
  NOT_ENOUGH_REPLICAS: 'FS_KAFKA_UNAVAILABLE',
  NOT_LEADER_OR_FOLLOWER: 'FS_KAFKA_UNAVAILABLE',
  NOT_COORDINATOR: 'FS_KAFKA_UNAVAILABLE',
  MESSAGE_TOO_LARGE: 'FS_OUTPUT_TOO_LARGE',
  OFFSET_OUT_OF_RANGE: 'FS_OFFSET_OUT_OF_RANGE',
  UNKNOWN_MEMBER_ID: 'FS_KAFKA_FENCED',
  ILLEGAL_GENERATION: 'FS_KAFKA_FENCED',
  REBALANCE_IN_PROGRESS: 'FS_KAFKA_FENCED',
  NON_EMPTY_GROUP: 'FS_KAFKA_REFUSED',
  NO_ANSWER: 'FS_KAFKA_UNAVAILABLE',
};

/** A broker's refusal, or no answer at all: `broker` says which, for tests and traces. */
export class ModelKafkaError extends FraudstreamError {
  readonly broker: BrokerError;

  constructor(broker: BrokerError, detail: string, place: ErrorPlace = {}) {
    super(CODES[broker], `${detail} (${broker})`, place);
    this.broker = broker;
  }
}

/** What a client says when its request, or the response, was lost. */
export function noAnswer(kind: string): ModelKafkaError {
  return new ModelKafkaError('NO_ANSWER', `no answer to ${kind}`);
}
