import type { RecordHeaders } from './record.ts';

/**
 * What a transactional producer asks of the brokers: one call is one request (to each broker concerned), never tried again
 * below this port, because only the protocol above knows which repetition is safe. Adapters: Kafka, and the model of the simulation.
 *
 * All throw, as FraudstreamError:
 * - FS_KAFKA_BUSY: refused without effect, an earlier transaction is still being completed; the same call may be repeated;
 * - FS_KAFKA_FENCED: the identity is not, or no longer, the one that may write;
 * - FS_KAFKA_UNAVAILABLE: it may have had its effect, or not, or may still have it later;
 * - FS_KAFKA_REFUSED, FS_KAFKA_TOPIC_MISSING, FS_OUTPUT_TOO_LARGE: refused.
 */
export interface TransactionRequests {
  /** Fences all earlier identities of this id, and aborts what they left open (FS_KAFKA_BUSY while that takes its time). */
  init(transactionalId: string, timeoutMs: number): Promise<ProducerIdentity>;
  addPartitions(transaction: Transaction, partitions: readonly TopicPartition[]): Promise<void>;
  /** Lets the transaction commit offsets of this group. */
  addOffsets(transaction: Transaction, group: string): Promise<void>;
  /** Each partition at most once per call. Resolves when all are stored. */
  produce(transaction: Transaction, batches: readonly ProduceBatch[]): Promise<void>;
  commitOffset(transaction: Transaction, group: string, position: OffsetToCommit): Promise<void>;
  end(transaction: Transaction, commit: boolean): Promise<void>;
  /**
   * The coordinator that answered the last `end` of this id, or its `init`, is known to have lived on since. False: it may have
   * died, and with it the markers of what it acknowledged. A connection that was closed for want of use makes it false too.
   */
  isSteady(transactionalId: string): boolean;
}

export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly epoch: number;
}

export interface Transaction {
  readonly transactionalId: string;
  readonly identity: ProducerIdentity;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** One record batch of one partition. */
export interface ProduceBatch extends TopicPartition {
  /** of its first record, counted per partition since `init` */
  readonly sequence: number;
  readonly records: readonly RecordToProduce[];
}

export interface RecordToProduce {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders | null;
  /** ms */
  readonly timestampMs: number;
}

export interface OffsetToCommit extends TopicPartition {
  readonly offset: number;
  readonly metadata: string;
}
