import { createTransactionEncoder } from '../../src/codec/transaction-encoder.ts';
import { decodePosition, type Position } from '../../src/delivery/position.ts';
import { AtLeastOncePublisher, ExactlyOncePublisher, type Publisher } from '../../src/delivery/publisher.ts';
import { TransactionalProducer } from '../../src/delivery/transactional-producer.ts';
import type { Delivery } from '../../src/domain/log-mark.ts';
import type { ErrorCode } from '../../src/domain/errors.ts';
import type { Logger } from '../../src/domain/logger.ts';
import type { Transaction } from '../../src/domain/transaction.ts';
import { PartitionWorker } from '../../src/pipeline/partition-worker.ts';
import type { BatchReport, Observer } from '../../src/pipeline/report.ts';
import type { WorkerOptions, WorkerPorts } from '../../src/pipeline/worker-ports.ts';
import { CacheBudget } from '../../src/state/cache.ts';
import { PartitionHistories } from '../../src/state/partition-histories.ts';
import type { InputIdentity, InputLog } from '../../src/transport/input-log.ts';
import type { InputBatch, InputRecord } from '../../src/transport/record.ts';
import type { MemorySink } from '../../src/transport/memory/memory-sink.ts';
import { PRODUCER_OPTIONS, ScriptedBroker } from './pipeline-broker.ts';
import { comparable, engineOf, ManualClock, smallPlan } from './pipeline-engine.ts';
import { ScriptedStore } from './pipeline-store.ts';
import { transaction } from './transaction.ts';

/** Noon of the first payment, ms. */
export const NOON_MS = Date.UTC(2026, 0, 15, 12);
export const FUTURE_SKEW_MS = 300_000;
export const APP = 'app';

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

export const WORKER_OPTIONS: WorkerOptions = {
  delivery: 'exactly-once',
  startPolicy: 'earliest',
  onUnavailable: 'stop',
  futureSkewMs: FUTURE_SKEW_MS,
  keepAliveMs: 1e12,
  flushIntervalMs: 1e9,
  flushRecordsMax: 1e9,
  flushBytesMax: 1e12,
};

/** A log, a store, output topics and a ledger that outlive the workers: each worker is one life of the process. */
export class World implements InputLog {
  readonly topic = 'transactions';
  readonly partition = 0;
  readonly log: InputRecord[];
  readonly store: ScriptedStore;
  readonly broker = new ScriptedBroker();
  readonly clock = new ManualClock();
  readonly budget = new CacheBudget(100_000_000);
  readonly stop = new AbortController();
  readonly pauses: number[] = [];
  readonly failed: ErrorCode[] = [];
  /** errors with which a worker asked to be acquired anew */
  readonly begunAnew: ErrorCode[] = [];
  readonly folded: number[] = [];
  readonly batches: BatchReport[] = [];
  readonly warnings: string[] = [];
  readonly errors: string[] = [];
  /** what the next questions to the group are answered with; null = still ours */
  readonly confirmations: (Error | null)[] = [];
  plan = smallPlan();
  about: InputIdentity = { clusterId: 'cluster-1', topicId: 'topic-1', partitions: 4, compacted: false };
  /** the first offset that retention has left */
  start = 0;
  /** called in each pause, with how many there were */
  onPause: (count: number) => void = () => {};
  /** the histories of the last worker */
  histories!: PartitionHistories;
  private lives = 0;

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

  get sink(): MemorySink {
    return this.broker.sink;
  }

  get commits(): number[] {
    return this.broker.commits;
  }

  get committedAt(): number | null {
    return this.broker.committed?.offset ?? null;
  }

  /** What readers see, stream by stream. */
  visible(): string[] {
    return (['decisions', 'flagged', 'dead-letter'] as const).flatMap((stream) => comparable(this.sink.of(stream)));
  }

  /** What is committed, as its reader understands it. */
  get position(): Position | 'foreign' | 'newer' | null {
    const { topic, partition, broker } = this;
    return broker.committed && decodePosition({ app: APP, topic, partition }, broker.committed);
  }

  confirm(): Promise<void> {
    const refusal = this.confirmations.shift() ?? null;
    return refusal === null ? Promise.resolve() : Promise.reject(refusal);
  }

  range(): Promise<{ start: number; end: number }> {
    return Promise.resolve({ start: this.start, end: (this.log.at(-1)?.offset ?? -1) + 1 });
  }

  identity(): Promise<InputIdentity> {
    return Promise.resolve(this.about);
  }

  readRecord(offset: number): Promise<InputRecord | null> {
    return Promise.resolve(this.log.find((one) => one.offset >= offset) ?? null);
  }

  /** Another process each time. */
  worker(options: Partial<WorkerOptions> = {}, more: Partial<WorkerPorts> = {}): PartitionWorker {
    const used = { ...WORKER_OPTIONS, ...options };
    const { plan, store, clock, budget, broker } = this;
    this.histories = new PartitionHistories(plan.layout, store, budget);
    return new PartitionWorker(
      this,
      {
        app: APP,
        processId: `process-${++this.lives}`,
        engine: engineOf(plan, clock),
        histories: this.histories,
        store,
        publisher: this.publisher(used.delivery),
        ledger: broker,
        outputLog: broker,
        clock,
        log: this.logger(),
        observer: this.observer(),
        beginAnew: (error) => this.begunAnew.push(error.code),
        pause: (ms) => this.pause(ms),
        ...more,
      },
      used,
    );
  }

  publisher(delivery: Delivery = 'exactly-once'): Publisher {
    const { topic, partition, broker, clock } = this;
    const pause = (ms: number): Promise<void> => this.pause(ms);
    const producer = new TransactionalProducer({ requests: broker, clock, pause }, PRODUCER_OPTIONS);
    const ports = { key: { app: APP, topic, partition }, producer };
    return delivery === 'exactly-once'
      ? new ExactlyOncePublisher(ports, (stream, to) => ({ topic: stream, partition: to }))
      : new AtLeastOncePublisher(ports, broker.sink, pause);
  }

  observer(): Observer {
    return {
      batch: (report) => this.batches.push(report),
      published() {},
      flushed() {},
      misplaced() {},
      folded: (records) => this.folded.push(records),
      failed: (code) => this.failed.push(code),
    };
  }

  logger(): Logger {
    return {
      debug() {},
      info() {},
      warn: (message) => this.warnings.push(message),
      error: (message) => this.errors.push(message),
    };
  }

  /** @param to offset behind the batch */
  batch(from: number, to: number): InputBatch {
    const records = this.log.filter(({ offset }) => offset >= from && offset < to);
    return { topic: this.topic, partition: 0, records, highWatermark: this.log.length };
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

  async pause(ms: number): Promise<void> {
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

/** What a process that never died says to the first records. */
export async function undisturbed(records: number): Promise<string[]> {
  const world = await World.of(records);
  await world.run(world.worker(), records);
  return world.visible();
}
