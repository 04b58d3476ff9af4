import { createTransactionEncoder } from '../../src/codec/transaction-encoder.ts';
import type { ErrorCode } from '../../src/domain/errors.ts';
import type { Logger } from '../../src/domain/logger.ts';
import type { Transaction } from '../../src/domain/transaction.ts';
import type { PartitionInput } from '../../src/pipeline/acquisition.ts';
import { PartitionWorker, type WorkerOptions } from '../../src/pipeline/partition-worker.ts';
import type { BatchReport } from '../../src/pipeline/report.ts';
import { CacheBudget } from '../../src/state/cache.ts';
import { PartitionHistories } from '../../src/state/partition-histories.ts';
import type { InputBatch, InputRecord } from '../../src/transport/record.ts';
import { MemorySink } from '../../src/transport/memory/memory-sink.ts';
import { engineOf, ManualClock, smallPlan } from './pipeline-engine.ts';
import { ScriptedStore } from './pipeline-store.ts';
import { transaction } from './transaction.ts';

/** Noon of the first payment, ms. */
export const NOON_MS = Date.UTC(2026, 0, 15, 12);

const encoder = createTransactionEncoder();

export function recordOf(offset: number, change: Partial<Transaction> = {}): InputRecord {
  const payment = transaction({
    transaction_id: `t_${offset}`,
    user_id: `u_${offset % 3}`,
    event_time: NOON_MS + offset * 1_000,
    amount_minor: 1_000 + (offset % 7) * 1_000,
    merchant_id: `m_${offset % 4}`,
    ...change,
  });
  return {
    topic: 'transactions',
    partition: 0,
    offset,
    timestampMs: payment.event_time,
    key: Buffer.from(payment.user_id),
    value: encoder.encode(payment),
    headers: null,
  };
}

/** A log, a group's offset, a store and a sink that outlive the workers: each worker is one life of the process. */
export class World implements PartitionInput {
  readonly topic = 'transactions';
  readonly partition = 0;
  readonly log: InputRecord[];
  readonly store: ScriptedStore;
  readonly sink = new MemorySink();
  readonly clock = new ManualClock();
  readonly plan = smallPlan();
  readonly budget = new CacheBudget(100_000_000);
  readonly stop = new AbortController();
  readonly commits: number[] = [];
  readonly pauses: number[] = [];
  readonly failed: ErrorCode[] = [];
  readonly folded: number[] = [];
  readonly batches: BatchReport[] = [];
  readonly warnings: string[] = [];
  committedAt: number | null = null;
  /** the first offset that retention has left */
  start = 0;
  /** the next commit rejects with this */
  commitFailure: Error | null = null;
  /** called in each pause, with how many there were */
  onPause: (count: number) => void = () => {};
  /** the histories of the last worker */
  histories!: PartitionHistories;

  private constructor(store: ScriptedStore, records: number) {
    this.store = store;
    this.log = Array.from({ length: records }, (_, offset) => recordOf(offset));
  }

  static async of(records: number): Promise<World> {
    return new World(await ScriptedStore.open(), records);
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  committed(): Promise<number | null> {
    return Promise.resolve(this.committedAt);
  }

  range(): Promise<{ start: number; end: number }> {
    return Promise.resolve({ start: this.start, end: this.log.length });
  }

  async commit(offset: number): Promise<void> {
    const failure = this.commitFailure;
    this.commitFailure = null;
    if (failure) throw failure;
    this.commits.push(offset);
    this.committedAt = offset;
  }

  worker(options: Partial<WorkerOptions> = {}): PartitionWorker {
    const { plan, store, sink, clock, budget } = this;
    this.histories = new PartitionHistories(plan.layout, store, budget);
    const logger: Logger = { debug() {}, info() {}, warn: (message) => this.warnings.push(message), error() {} };
    return new PartitionWorker(
      this,
      {
        engine: engineOf(plan, clock),
        histories: this.histories,
        store,
        sink,
        clock,
        log: logger,
        observer: {
          batch: (report) => this.batches.push(report),
          published() {},
          flushed() {},
          folded: (records) => this.folded.push(records),
          failed: (code) => this.failed.push(code),
        },
        pause: (ms) => this.pause(ms),
      },
      { startPolicy: 'earliest', onUnavailable: 'stop', flushIntervalMs: 1e9, flushRecordsMax: 1e9, ...options },
    );
  }

  /** @param to offset behind the batch */
  batch(from: number, to: number): InputBatch {
    return { topic: this.topic, partition: 0, records: this.log.slice(from, to), highWatermark: this.log.length };
  }

  handle(worker: PartitionWorker, from: number, to: number): Promise<void> {
    return worker.handle(this.batch(from, to), to);
  }

  /** From where the worker begins to an end of the log, `size` records at a time. */
  async run(worker: PartitionWorker, to: number, size = 5): Promise<number> {
    const from = await worker.acquire();
    for (let at = from; at < to; at += size) await this.handle(worker, at, Math.min(to, at + size));
    return from;
  }

  private async pause(ms: number): Promise<void> {
    this.pauses.push(ms);
    if (this.pauses.length > 1_000) throw new Error('waits for ever');
    this.clock.advance(ms);
    this.onPause(this.pauses.length);
    // What runs in the background comes forward, as it would while time passes.
    await settle();
  }
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
