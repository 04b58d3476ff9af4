import type { FraudstreamError } from '../../src/domain/errors.ts';
import type { ConsumerHandler } from '../../src/transport/kafka/consumer-options.ts';
import type { AssignedPartition, KafkaBatch } from '../../src/transport/kafka/partition-task.ts';
import type { BadBatch } from '../../src/transport/kafka/record-stream.ts';
import { sleep } from './process.ts';

/** A handler that keeps what it was given, and checks what must always hold: one call at a time, in order, while owned. */
export class CollectingHandler implements ConsumerHandler {
  readonly values = new Map<number, string[]>();
  readonly bad: BadBatch[] = [];
  readonly assignedLog: string[] = [];
  readonly revokedLog: string[] = [];
  /** what must never happen, in words */
  readonly faults: string[] = [];
  readonly owned = new Map<number, AssignedPartition>();
  private readonly busy = new Set<number>();
  private readonly next = new Map<number, number>();
  private readonly start: (partition: AssignedPartition) => Promise<number>;
  private readonly work: (batch: KafkaBatch, partition: AssignedPartition) => Promise<void>;

  constructor(
    start: (partition: AssignedPartition) => Promise<number>,
    work: (batch: KafkaBatch, partition: AssignedPartition) => Promise<void> = () => Promise.resolve(),
  ) {
    this.start = start;
    this.work = work;
  }

  get count(): number {
    return [...this.values.values()].reduce((sum, list) => sum + list.length, 0);
  }

  async onAssigned(partition: AssignedPartition): Promise<number> {
    this.assignedLog.push(`${partition.partition}@${partition.generation}`);
    this.owned.set(partition.partition, partition);
    const offset = await this.start(partition);
    this.next.set(partition.partition, offset);
    return offset;
  }

  async onBatch(batch: KafkaBatch, partition: AssignedPartition): Promise<void> {
    await this.alone(partition, async () => {
      const first = batch.records[0]?.offset ?? -1;
      const expected = this.next.get(batch.partition) ?? -1;
      if (first < expected) this.faults.push(`partition ${batch.partition}: ${first} after ${expected}`);
      await this.work(batch, partition);
      const list = this.values.get(batch.partition) ?? [];
      this.values.set(batch.partition, list);
      for (const record of batch.records) list.push(String(record.value));
      this.next.set(batch.partition, batch.nextOffset);
    });
  }

  async onBadBatch(batch: BadBatch, partition: AssignedPartition): Promise<void> {
    await this.alone(partition, async () => {
      this.bad.push(batch);
      this.next.set(batch.partition, batch.nextOffset);
      await Promise.resolve();
    });
  }

  onRevoked(partitions: readonly AssignedPartition[]): Promise<void> {
    for (const { partition, generation } of partitions) {
      this.revokedLog.push(`${partition}@${generation}`);
      if (this.busy.has(partition)) this.faults.push(`partition ${partition} was busy when revoked`);
      this.owned.delete(partition);
    }
    return Promise.resolve();
  }

  private async alone({ partition, generation }: AssignedPartition, run: () => Promise<void>): Promise<void> {
    if (this.busy.has(partition)) this.faults.push(`partition ${partition}: two batches at once`);
    if (this.owned.get(partition)?.generation !== generation) this.faults.push(`partition ${partition} is not owned`);
    this.busy.add(partition);
    try {
      await run();
    } finally {
      this.busy.delete(partition);
    }
  }
}

/** Waits for a condition; what it was is in the error. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (Date.now() < deadlineMs) {
    if (await holds()) return;
    await sleep(20);
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return (error as FraudstreamError).code ?? String(error);
  }
}
