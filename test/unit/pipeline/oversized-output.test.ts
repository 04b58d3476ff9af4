import { describe, expect, it } from 'vitest';
import { createDecisionEncoder } from '../../../src/codec/decision-encoder.ts';
import { createAvroTransactionDecoder } from '../../../src/codec/transaction-decoder.ts';
import { createTransactionEncoder } from '../../../src/codec/transaction-encoder.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan } from '../../../src/features/plan.ts';
import { Engine } from '../../../src/pipeline/engine.ts';
import { PartitionWorker } from '../../../src/pipeline/partition-worker.ts';
import type { Observer } from '../../../src/pipeline/report.ts';
import { CacheBudget } from '../../../src/state/cache.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { PartitionHistories } from '../../../src/state/partition-histories.ts';
import { MemorySink } from '../../../src/transport/memory/memory-sink.ts';
import type { InputRecord } from '../../../src/transport/record.ts';
import { transaction } from '../../support/transaction.ts';

const TRUNCATED = 'fraudstream.payload.truncated';
const clock = { nowMs: () => 1_000, monotonicMs: () => 1_000 };
const observer: Observer = { batch() {}, published() {}, flushed() {}, folded() {}, failed() {} };
const tooLarge = (): FraudstreamError => new FraudstreamError('FS_OUTPUT_TOO_LARGE', 'dead-letter/0');

async function workerWith(sink: MemorySink, commits: number[]): Promise<PartitionWorker> {
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
  const store = await new MemoryStateStore().open({ topic: 'transactions', partition: 0 });
  const worker = new PartitionWorker(
    {
      topic: 'transactions',
      partition: 0,
      signal: new AbortController().signal,
      committed: () => Promise.resolve(commits.at(-1) ?? null),
      range: () => Promise.resolve({ start: 0, end: 10 }),
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
    { startPolicy: 'earliest', onUnavailable: 'stop', flushIntervalMs: 1_000, flushRecordsMax: 1_000 },
  );
  await worker.acquire();
  return worker;
}

function input(values: readonly Buffer[]): InputRecord[] {
  return values.map((value, offset) => ({
    topic: 'transactions',
    partition: 0,
    offset,
    timestampMs: Date.UTC(2026, 0, 15, 12),
    key: Buffer.from('u_1'),
    value,
    headers: { traceparent: Buffer.from('00-1') },
  }));
}

describe('an output that its topic refuses for its size', () => {
  const good = createTransactionEncoder().encode(transaction());
  const huge = Buffer.alloc(2_000_000, 7);
  const batch = { topic: 'transactions', partition: 0, records: input([good, huge]), highWatermark: 2 };

  it('is cut when it is a dead letter, and the others are written with it', async () => {
    const sink = new MemorySink();
    const commits: number[] = [];
    const worker = await workerWith(sink, commits);
    sink.failNext(tooLarge());
    await worker.handle(batch, 2);
    expect(commits).toEqual([2]);
    expect(sink.of('decisions')).toHaveLength(1);
    const [letter] = sink.of('dead-letter');
    expect(letter?.value?.equals(huge.subarray(0, 900_000))).toBe(true);
    expect(letter?.key).toEqual(Buffer.from('u_1'));
    expect(String(letter?.headers?.[TRUNCATED])).toBe('2000000');
    expect(String(letter?.headers?.['traceparent'])).toBe('00-1');
    expect(String(letter?.headers?.['fraudstream.error.code'])).toBe('FS_RECORD_TOO_LARGE');
  });

  it('is cut further where the topic allows less, and still says how many bytes came in', async () => {
    const sink = new MemorySink();
    const commits: number[] = [];
    const worker = await workerWith(sink, commits);
    for (let k = 0; k < 3; k++) sink.failNext(tooLarge());
    await worker.handle(batch, 2);
    const [letter] = sink.of('dead-letter');
    expect(letter?.value).toHaveLength(0);
    expect(String(letter?.headers?.[TRUNCATED])).toBe('2000000');
    expect(commits).toEqual([2]);
  });

  it('is an error when cutting does not help, and nothing is committed', async () => {
    const sink = new MemorySink();
    const commits: number[] = [];
    const worker = await workerWith(sink, commits);
    for (let k = 0; k < 4; k++) sink.failNext(tooLarge());
    await expect(worker.handle(batch, 2)).rejects.toMatchObject({ code: 'FS_OUTPUT_TOO_LARGE' });
    expect(commits).toEqual([]);
  });

  it('is not cut when it fits', async () => {
    const sink = new MemorySink();
    const worker = await workerWith(sink, []);
    await worker.handle(batch, 2);
    const [letter] = sink.of('dead-letter');
    expect(letter?.value?.equals(huge)).toBe(true);
    expect(Object.keys(letter?.headers ?? {})).not.toContain(TRUNCATED);
  });
});
