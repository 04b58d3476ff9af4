import { createDecisionEncoder } from '../../../src/codec/decision-encoder.ts';
import { createAvroTransactionDecoder } from '../../../src/codec/transaction-decoder.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan } from '../../../src/features/plan.ts';
import { Engine } from '../../../src/pipeline/engine.ts';
import { PartitionWorker, type WorkerOptions } from '../../../src/pipeline/partition-worker.ts';
import type { Observer } from '../../../src/pipeline/report.ts';
import { CacheBudget } from '../../../src/state/cache.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { PartitionHistories } from '../../../src/state/partition-histories.ts';
import type { MemorySink } from '../../../src/transport/memory/memory-sink.ts';
import type { InputRecord } from '../../../src/transport/record.ts';
import type { PartitionStore } from '../../../src/state/store.ts';
import { createTransactionEncoder } from '../../../src/codec/transaction-encoder.ts';
import { transaction } from '../../support/transaction.ts';

/** A partition worker with everything around it in memory. */

const clock = { nowMs: () => 1_000, monotonicMs: () => 1_000 };
const observer: Observer = { batch() {}, published() {}, flushed() {}, folded() {}, failed() {} };
export const good = createTransactionEncoder().encode(transaction());

export interface Harness {
  readonly around?: (store: PartitionStore) => PartitionStore;
  readonly options?: Partial<WorkerOptions>;
}

export async function workerWith(
  sink: MemorySink,
  commits: number[],
  { around = (store) => store, options = {} }: Harness = {},
): Promise<PartitionWorker> {
  const catalogue = parseCatalogue('version: 1\nfeatures:\n  - { name: amount, aggregate: amount }\n', 'small.yaml');
  const plan = compilePlan(catalogue, 0);
  const thresholds = { flag: 0.5, block: 0.9 };
  const engine = new Engine(
    plan,
    {
      decoder: createAvroTransactionDecoder({ recordBytesMax: 1_048_576, cardNumberGuard: true }),
      encoder: createDecisionEncoder(null),
      scorer: {
        modelVersion: 'none',
        featureNames: ['amount'],
        columns: Int32Array.of(0),
        thresholds,
        score: (_rows, count, out) => {
          out.fill(0, 0, count);
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      },
      policy: { version: 'p', thresholds },
      clock,
    },
    { futureSkewMs: 300_000 },
  );
  const store = around(await new MemoryStateStore().open({ topic: 'transactions', partition: 0 }));
  const worker = new PartitionWorker(
    {
      topic: 'transactions',
      partition: 0,
      signal: new AbortController().signal,
      committed: () => Promise.resolve(commits.at(-1) ?? null),
      range: () => Promise.resolve({ start: 0, end: 1_000 }),
      commit: (offset) => {
        commits.push(offset);
        return Promise.resolve();
      },
    },
    {
      engine,
      histories: new PartitionHistories(plan.layout, store, new CacheBudget(10_000_000)),
      store,
      sink,
      clock,
      log: SILENT_LOGGER,
      observer,
      pause: () => Promise.resolve(),
    },
    { startPolicy: 'earliest', onUnavailable: 'stop', flushIntervalMs: 1_000, flushRecordsMax: 1_000, ...options },
  );
  await worker.acquire();
  return worker;
}

export function input(values: readonly Buffer[], from = 0): InputRecord[] {
  return values.map((value, k) => ({
    topic: 'transactions',
    partition: 0,
    offset: from + k,
    timestampMs: Date.UTC(2026, 0, 15, 12),
    key: Buffer.from('u_1'),
    value,
    headers: { traceparent: Buffer.from('00-1') },
  }));
}
