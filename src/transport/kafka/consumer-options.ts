import type { FraudstreamError } from '../../domain/errors.ts';
import type { AssignedPartition, PartitionHandler, PartitionProgress } from './partition-task.ts';
import type { ProcessMark } from './process-mark.ts';

export interface ConsumerHandler extends PartitionHandler {
  /**
   * After the last batch of these partitions: on rebalance, stop, or (`lost`) when the group went on without us.
   * Batches in hand have ended, or have been waited for in vain: their commits are refused then.
   */
  onRevoked(partitions: readonly AssignedPartition[], lost: boolean): Promise<void>;
}

export interface ConsumerOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly readCommitted?: boolean;
  /** how long a fetch may wait at the broker when nothing is there; default 30 */
  readonly waitMsMax?: number;
  /** default 8 MiB */
  readonly bytesMax?: number;
  /** per fetch and partition; up to twice this lies ready in memory; default 1 MiB */
  readonly partitionBytesMax?: number;
  /** per batch handed over; default 2,000 records and 4 MiB of values */
  readonly batchRecordsMax?: number;
  readonly batchValueBytesMax?: number;
  /** default 10,000 */
  readonly sessionTimeoutMs?: number;
  /** default 1,000 */
  readonly heartbeatMs?: number;
  /** how long the group waits for a member to finish its batch and join again; default 60,000 */
  readonly rebalanceTimeoutMs?: number;
  /** only the first so many partitions of each topic; default all */
  readonly partitionsMax?: number;
  /** of this process: told to the group, and members whose process has died are not waited for; default null */
  readonly mark?: ProcessMark | null;
}

export interface ConsumerProgress {
  /** 'joining' also while Kafka is away */
  readonly state: 'stopped' | 'joining' | 'joined' | 'revoking';
  readonly memberId: string;
  readonly generation: number;
  readonly partitions: readonly PartitionProgress[];
  /** of the consumer as a whole; a partition has its own */
  readonly error: FraudstreamError | null;
}
