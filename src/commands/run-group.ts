import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { Engine } from '../pipeline/engine.ts';
import type { PartitionInput } from '../pipeline/acquisition.ts';
import { PartitionWorker, type WorkerOptions } from '../pipeline/partition-worker.ts';
import type { Observer } from '../pipeline/report.ts';
import type { CacheBudget } from '../state/cache.ts';
import { PartitionHistories } from '../state/partition-histories.ts';
import type { StateStore } from '../state/store.ts';
import type { InputRecord } from '../transport/record.ts';
import type { Sink } from '../transport/sink.ts';
import type { KafkaConsumer } from '../transport/kafka/consumer.ts';
import type { ConsumerHandler } from '../transport/kafka/consumer-options.ts';
import type { GroupOffsets } from '../transport/kafka/offsets.ts';
import type { AssignedPartition, KafkaBatch } from '../transport/kafka/partition-task.ts';
import type { BadBatch } from '../transport/kafka/record-stream.ts';
import { pauseFor } from '../transport/kafka/backoff.ts';

export interface GroupPorts {
  /** one per partition: an engine has buffers of its own */
  readonly engine: () => Engine;
  readonly store: StateStore;
  readonly budget: CacheBudget;
  readonly sink: Sink;
  readonly offsets: GroupOffsets;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer: Observer;
  readonly onAssignment: (partitions: readonly number[]) => void;
}

/** A partition's worker, and the generation of the group that gave it to us. */
interface Held {
  readonly worker: PartitionWorker;
  readonly assigned: AssignedPartition;
}

/** The consumer's calls, one worker per partition that this member owns. */
export class RunGroup implements ConsumerHandler {
  private readonly ports: GroupPorts;
  private readonly options: WorkerOptions;
  private readonly held = new Map<string, Held>();
  private consumer: KafkaConsumer | null = null;

  constructor(ports: GroupPorts, options: WorkerOptions) {
    this.ports = ports;
    this.options = options;
  }

  attach(consumer: KafkaConsumer): void {
    this.consumer = consumer;
  }

  get partitions(): number[] {
    return [...this.held.values()].map(({ assigned }) => assigned.partition).sort((a, b) => a - b);
  }

  /** State does not wait for the next batch to be flushed. */
  tick(): void {
    for (const { worker } of this.held.values()) worker.tick();
  }

  async onAssigned(assigned: AssignedPartition): Promise<number> {
    const key = keyOf(assigned);
    let held = this.held.get(key);
    if (held?.assigned !== assigned) {
      held = { worker: await this.makeWorker(assigned), assigned };
      this.held.set(key, held);
      this.ports.onAssignment(this.partitions);
    }
    return held.worker.acquire();
  }

  async onBatch(batch: KafkaBatch, assigned: AssignedPartition): Promise<void> {
    await this.workerOf(assigned).handle(batch, batch.nextOffset);
  }

  /** A batch that cannot be read is one record, whose value is its bytes. */
  async onBadBatch(bad: BadBatch, assigned: AssignedPartition): Promise<void> {
    const record: InputRecord = {
      topic: bad.topic,
      partition: bad.partition,
      offset: bad.firstOffset,
      timestampMs: bad.timestampMs,
      key: null,
      value: bad.bytes,
      headers: null,
      failure: bad.error,
    };
    const { topic, partition } = bad;
    await this.workerOf(assigned).handle({ topic, partition, records: [record], highWatermark: -1 }, bad.nextOffset);
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

  private workerOf(assigned: AssignedPartition): PartitionWorker {
    const held = this.held.get(keyOf(assigned));
    if (!held) throw new Error(`no worker for ${keyOf(assigned)}`);
    return held.worker;
  }

  private async makeWorker(assigned: AssignedPartition): Promise<PartitionWorker> {
    const { store, budget, sink, clock, log, observer } = this.ports;
    const partitionStore = await store.open(assigned);
    const engine = this.ports.engine();
    const histories = new PartitionHistories(engine.plan.layout, partitionStore, budget);
    const ports = { engine, histories, store: partitionStore, sink, clock, log, observer, pause: pauseFor };
    return new PartitionWorker(this.inputOf(assigned), ports, this.options);
  }

  private inputOf(assigned: AssignedPartition): PartitionInput {
    const { topic, partition, signal } = assigned;
    return {
      topic,
      partition,
      signal,
      committed: async () => (await this.ports.offsets.read(topic, partition))?.offset ?? null,
      range: () => this.consumer!.logRange(topic, partition),
      commit: (offset) => assigned.commit(offset),
    };
  }
}

function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}
