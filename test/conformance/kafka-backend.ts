import type { InputIdentity } from '../../src/transport/input-log.ts';
import type { Ledger } from '../../src/transport/ledger.ts';
import type { AbortedTransaction } from '../../src/transport/kafka/read-committed.ts';
import type { InputRecord } from '../../src/transport/record.ts';
import type { TopicPartition, TransactionRequests } from '../../src/transport/transactions.ts';

/** A Kafka as the conformance suite needs it: the ports, what stands in the logs, and what an operator does. */
export interface KafkaBackend {
  /** a client of its own each time, as another process would have */
  requests(): TransactionRequests;
  ledger(group: string): Ledger & CommitsPlainly;
  /** an idempotent sink's way: a producer id without transactions, and batches under it */
  produceIdempotent(
    place: TopicPartition,
    sequence: number,
    values: readonly string[],
    id: IdempotentId,
  ): Promise<void>;
  newIdempotentId(): Promise<IdempotentId>;
  createTopic(name: string, partitions: number): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  addPartitions(name: string, count: number): Promise<void>;
  deleteRecords(place: TopicPartition, before: number): Promise<void>;
  deleteGroup(group: string): Promise<void>;
  identity(topic: string): Promise<InputIdentity>;
  /** committed records from this offset on */
  read(place: TopicPartition, from: number): Promise<readonly InputRecord[]>;
  /** one fetch, as it is answered. Throws FS_OFFSET_OUT_OF_RANGE. */
  fetch(place: TopicPartition, from: number): Promise<FetchAnswer>;
  range(place: TopicPartition): Promise<LogBounds>;
  member(group: string, topic: string, sessionTimeoutMs: number): GroupMemberClient;
  /** lets this time pass */
  wait(ms: number): Promise<void>;
  close(): Promise<void>;
}

export interface IdempotentId {
  readonly producerId: bigint;
  readonly epoch: number;
}

interface CommitsPlainly {
  commit(topic: string, partition: number, offset: number, metadata?: string): Promise<void>;
}

export interface FetchAnswer {
  readonly aborted: readonly AbortedTransaction[];
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
}

export interface LogBounds {
  readonly start: number;
  readonly end: number;
  /** last stable offset */
  readonly stable: number;
}

export interface MemberGeneration {
  readonly id: number;
  readonly memberId: string;
  readonly assigned: readonly TopicPartition[];
}

export interface GroupMemberClient {
  join(): Promise<MemberGeneration>;
  heartbeat(generation: MemberGeneration): Promise<'alive' | 'rebalance' | 'lost' | 'unreachable'>;
  confirm(generation: MemberGeneration): Promise<void>;
  commit(generation: MemberGeneration, place: TopicPartition, offset: number): Promise<void>;
  leave(): Promise<void>;
}
