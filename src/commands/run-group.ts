import type { Publisher } from '../delivery/publisher.ts';
import type { Position } from '../delivery/position.ts';
import type { Clock } from '../domain/clock.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { Engine } from '../pipeline/engine.ts';
import { PartitionWorker } from '../pipeline/partition-worker.ts';
import type { Observer } from '../pipeline/report.ts';
import { Turns } from '../pipeline/turns.ts';
import type { WorkerOptions } from '../pipeline/worker-ports.ts';
import type { CacheBudget } from '../state/cache.ts';
import { PartitionHistories } from '../state/partition-histories.ts';
import type { PartitionStore, StateStore } from '../state/store.ts';
import type { InputLog } from '../transport/input-log.ts';
import type { Ledger } from '../transport/ledger.ts';
import type { OutputLog } from '../transport/output-log.ts';
import type { InputRecord } from '../transport/record.ts';
import type { ConsumerHandler } from '../transport/kafka/consumer-options.ts';
import { partitionOf } from '../transport/kafka/murmur2.ts';
import type { AssignedPartition, KafkaBatch } from '../transport/kafka/partition-task.ts';
import { badBatchRecord, type BadBatch } from '../transport/kafka/record-stream.ts';

export interface GroupPorts {
  readonly app: string;
  readonly processId: string;
  /** one per partition: an engine has buffers of its own */
  readonly engine: () => Engine;
  readonly store: StateStore;
  readonly budget: CacheBudget;
  readonly inputOf: (assigned: AssignedPartition) => InputLog;
  readonly publisherOf: (topic: string, partition: number) => Publisher;
  readonly ledger: Ledger;
  readonly outputLog: OutputLog;
  /** puts a saved snapshot into an empty store */
  readonly restore?: (store: PartitionStore, input: InputLog, position: Position) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer: Observer;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onAssignment: (partitions: readonly number[]) => void;
  /** how many partitions the input topic has */
  readonly partitionCount: () => number;
}

export interface GroupOptions extends WorkerOptions {
  /** what becomes of a record that is not in the partition of its key */
  readonly partitioner: 'count' | 'strict' | 'off';
}

/** A partition's worker, and the generation of the group that gave it to us. */
interface Held {
  readonly worker: PartitionWorker;
  readonly store: PartitionStore;
  readonly assigned: AssignedPartition;
}

/** The consumer's calls, one worker per partition that this member owns. */
export class RunGroup implements ConsumerHandler {
  private readonly ports: GroupPorts;
  private readonly options: GroupOptions;
  private readonly held = new Map<string, Held>();
  private readonly turns = new Turns();

  constructor(ports: GroupPorts, options: GroupOptions) {
    this.ports = ports;
    this.options = options;
  }

  get partitions(): number[] {
    return [...this.held.values()].map(({ assigned }) => assigned.partition).sort((a, b) => a - b);
  }

  /** The stores of the partitions that this member owns, for snapshots. */
  get stores(): { topic: string; partition: number; store: PartitionStore }[] {
    return [...this.held.values()].map(({ store, assigned: { topic, partition } }) => ({ topic, partition, store }));
  }

  /** State does not wait for the next batch to be flushed. */
  tick(): void {
    for (const { worker } of this.held.values()) worker.tick();
  }

  async onAssigned(assigned: AssignedPartition): Promise<number> {
    const key = keyOf(assigned);
    let held = this.held.get(key);
    if (held?.assigned !== assigned) {
      held = await this.makeWorker(assigned);
      this.held.set(key, held);
      this.ports.onAssignment(this.partitions);
    }
    return held.worker.acquire();
  }

  async onBatch(batch: KafkaBatch, assigned: AssignedPartition): Promise<void> {
    const records = this.options.partitioner === 'off' ? batch.records : this.placed(batch.records);
    await this.workerOf(assigned).handle({ ...batch, records }, batch.nextOffset);
  }

  /** A batch that cannot be read is one record, whose value is its bytes. */
  async onBadBatch(bad: BadBatch, assigned: AssignedPartition): Promise<void> {
    const { topic, partition } = bad;
    const batch = { topic, partition, records: [badBatchRecord(bad)], highWatermark: -1 };
    await this.workerOf(assigned).handle(batch, bad.nextOffset);
  }

  async onRevoked(partitions: readonly AssignedPartition[], lost: boolean): Promise<void> {
    const released = partitions.flatMap((assigned) => {
      const held = this.held.get(keyOf(assigned));
      if (held?.assigned !== assigned) return [];
      this.held.delete(keyOf(assigned));
      return [held];
    });
    this.ports.onAssignment(this.partitions);
    await Promise.all(
      released.map(async ({ worker, assigned }) => {
        try {
          await worker.release(!lost);
        } catch (error) {
          // The next owner folds again what was not flushed.
          const { topic, partition } = assigned;
          this.ports.log.warn('state was not flushed at release', { topic, partition, reason: String(error) });
        }
      }),
    );
  }

  /**
   * Histories are kept per partition, so all payments of a user must be in one: the one that Kafka's own partitioner gives its
   * key. Producers with another partitioner (librdkafka's default) or with several show here.
   */
  private placed(records: readonly InputRecord[]): readonly InputRecord[] {
    const count = this.ports.partitionCount();
    let misplaced = 0;
    const strict = this.options.partitioner === 'strict';
    const result = records.map((record) => {
      if (record.key === null || record.failure || partitionOf(record.key, count) === record.partition) return record;
      misplaced++;
      if (!strict) return record;
      const { topic, partition, offset } = record;
      const failure = new FraudstreamError('FS_INPUT_PARTITIONER', '', { topic, partition, offset });
      return { ...record, failure };
    });
    if (misplaced === 0) return records;
    this.ports.observer.misplaced(misplaced);
    return result;
  }

  private workerOf(assigned: AssignedPartition): PartitionWorker {
    const held = this.held.get(keyOf(assigned));
    if (held?.assigned !== assigned) {
      throw new FraudstreamError('FS_KAFKA_FENCED', 'the partition was taken away', { ...placeOf(assigned) });
    }
    return held.worker;
  }

  private async makeWorker(assigned: AssignedPartition): Promise<Held> {
    const { budget, inputOf, publisherOf, restore, ...ports } = this.ports;
    const { topic, partition } = assigned;
    const store = await ports.store.open(assigned);
    const engine = ports.engine();
    const histories = new PartitionHistories(engine.plan.layout, store, budget);
    const input = inputOf(assigned);
    const worker = new PartitionWorker(
      input,
      {
        ...ports,
        engine,
        histories,
        store,
        publisher: publisherOf(topic, partition),
        beginAnew: (error) => assigned.beginAnew(error),
        turns: this.turns,
        ...(restore ? { restore: (position: Position) => restore(store, input, position) } : {}),
      },
      this.options,
    );
    return { worker, store, assigned };
  }
}

function placeOf({ topic, partition }: AssignedPartition): { topic: string; partition: number } {
  return { topic, partition };
}

function keyOf({ topic, partition }: AssignedPartition): string {
  return `${topic}/${partition}`;
}
