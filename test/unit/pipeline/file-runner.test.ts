import { describe, expect, it } from 'vitest';
import { makeRoom, runFile } from '../../../src/pipeline/file-runner.ts';
import type { BatchReport } from '../../../src/pipeline/report.ts';
import { CacheBudget } from '../../../src/state/cache.ts';
import { PartitionHistories } from '../../../src/state/partition-histories.ts';
import { MemorySink } from '../../../src/transport/memory/memory-sink.ts';
import { MemorySource } from '../../../src/transport/memory/memory-source.ts';
import { comparable, engineOf, ManualClock, smallPlan } from '../../support/pipeline-engine.ts';
import { ScriptedStore } from '../../support/pipeline-store.ts';
import { recordOf } from '../../support/pipeline-world.ts';

const RECORDS = 200;

/** 200 payments of 40 users, in batches of 10. */
async function setUp(bytesMax = 1e9) {
  const plan = smallPlan();
  const store = await ScriptedStore.open();
  const budget = new CacheBudget(bytesMax);
  const histories = new PartitionHistories(plan.layout, store, budget);
  histories.restart(null);
  const records = Array.from({ length: RECORDS }, (_, k) => recordOf(k, { user_id: `u_${(k * 7) % 40}` }));
  const batches = Array.from({ length: RECORDS / 10 }, (_, k) => ({
    topic: 'transactions',
    partition: 0,
    records: records.slice(k * 10, k * 10 + 10),
    highWatermark: -1,
  }));
  const source = new MemorySource(batches);
  source.end();
  const stop = new AbortController();
  const reports: BatchReport[] = [];
  const progress: [number, number][] = [];
  const ports = {
    source,
    sink: new MemorySink(),
    engine: engineOf(plan, new ManualClock()),
    histories,
    budget,
    observer: {
      batch: (report: BatchReport) => reports.push(report),
      published() {},
      flushed() {},
      folded() {},
      misplaced() {},
      failed() {},
    },
    progress: (done: number, count: number) => progress.push([done, count]),
    signal: stop.signal,
  };
  return { ports, store, budget, stop, reports, progress };
}

describe('a file', () => {
  it('is decided from end to end', async () => {
    const { ports, reports, progress } = await setUp();
    expect(await runFile(ports)).toBe(RECORDS);
    expect(ports.sink.of('decisions')).toHaveLength(RECORDS);
    expect(reports).toHaveLength(20);
    expect(progress.at(0)).toEqual([0.05, 10]);
    expect(progress.at(-1)).toEqual([1, RECORDS]);
  });

  it('gives the same however little memory there is', async () => {
    const plenty = await setUp();
    await runFile(plenty.ports);
    expect(plenty.store.count('flush')).toBe(0);
    const little = await setUp(Math.floor(plenty.budget.bytes / 4));
    await runFile(little.ports);
    // Histories went to the store and came back.
    expect(little.store.count('flush')).toBeGreaterThan(0);
    expect(little.reports.slice(4).some((report) => report.cacheMisses > 0)).toBe(true);
    expect(little.budget.bytes).toBeLessThanOrEqual(plenty.budget.bytes / 2);
    expect(comparable(little.ports.sink.records)).toEqual(comparable(plenty.ports.sink.records));
  });

  it('ends between two batches when told to', async () => {
    const { ports, stop } = await setUp();
    const progress = (_: number, count: number): void => {
      if (count === 30) stop.abort();
    };
    expect(await runFile({ ...ports, progress })).toBe(30);
    expect(ports.sink.of('decisions')).toHaveLength(30);
  });

  it('ends with the error of a sink that cannot write, and counts nothing that was not written', async () => {
    const { ports, reports } = await setUp();
    ports.sink.failNext(new Error('disk full'));
    await expect(runFile(ports)).rejects.toThrow('disk full');
    expect(reports).toEqual([]);
  });
});

describe('room in the cache', () => {
  it('is made when the cache is full', async () => {
    const { ports, store } = await setUp();
    await runFile(ports);
    const { bytes } = ports.budget;
    const budgetOf = (share: number): CacheBudget =>
      Object.assign(new CacheBudget(Math.ceil(bytes / share)), { bytes });
    await makeRoom(ports.histories, budgetOf(0.99));
    expect(store.count('flush')).toBe(0);
    await makeRoom(ports.histories, budgetOf(1.01));
    expect(store.requests.map((one) => one.watermark)).toEqual([RECORDS]);
    expect(store.requests[0]!.keys).toHaveLength(40);
    expect(ports.histories.dirtyCount).toBe(0);
  });
});
