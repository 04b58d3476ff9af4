import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../src/domain/errors.ts';
import { compilePlan } from '../../src/features/plan.ts';
import { parseCatalogue } from '../../src/features/parse.ts';
import { CacheBudget } from '../../src/state/cache.ts';
import { EventView } from '../../src/state/event-view.ts';
import { MemoryStateStore } from '../../src/state/memory-store.ts';
import { PartitionHistories } from '../../src/state/partition-histories.ts';
import type { FlushRequest, LoadResult, PartitionState, PartitionStore } from '../../src/state/store.ts';
import { seeded } from '../support/random.ts';

const plan = compilePlan(
  parseCatalogue('version: 1\nfeatures:\n  - { name: n, aggregate: count, window: 1d }', 'c.yaml'),
  86_400_000,
);

/** A store whose next flush can be lost before or after it was written. */
class FaultyStore implements PartitionStore {
  next: 'ok' | 'lost' | 'written-but-unanswered' = 'ok';
  /** what is loaded in place of what is there */
  instead: LoadResult | null = null;
  private readonly inner: PartitionStore;

  constructor(inner: PartitionStore) {
    this.inner = inner;
  }

  static async open(): Promise<FaultyStore> {
    return new FaultyStore(await new MemoryStateStore().open({ topic: 't', partition: 0 }));
  }

  readState(): Promise<PartitionState> {
    return this.inner.readState();
  }

  load(keys: readonly string[]): Promise<LoadResult> {
    if (this.instead !== null) return Promise.resolve(this.instead);
    return this.inner.load(keys);
  }

  async flush(request: FlushRequest): Promise<void> {
    const { next } = this;
    this.next = 'ok';
    if (next !== 'lost') await this.inner.flush(request);
    if (next !== 'ok') throw new FraudstreamError('FS_STATE_UNAVAILABLE', 'no answer');
  }

  drop(): Promise<void> {
    return this.inner.drop();
  }

  readAttempt(): Promise<string | null> {
    return this.inner.readAttempt();
  }

  writeAttempt(text: string | null): Promise<void> {
    return this.inner.writeAttempt(text);
  }

  scan(): ReturnType<PartitionStore['scan']> {
    return this.inner.scan();
  }
}

function fold(
  histories: PartitionHistories,
  entry: Awaited<ReturnType<PartitionHistories['load']>>[number],
  offset: number,
): void {
  const view = new EventView(plan.layout);
  view.timeMs = 1_770_000_000_000 + offset;
  view.offset = offset;
  entry.history.fold(view);
  histories.markDirty(entry);
  histories.position = offset + 1;
}

async function foldOne(histories: PartitionHistories, key: string, offset: number): Promise<void> {
  fold(histories, (await histories.load([key]))[0]!, offset);
}

function make(store: PartitionStore, bytesMax = 1e9): { histories: PartitionHistories; budget: CacheBudget } {
  const budget = new CacheBudget(bytesMax);
  const histories = new PartitionHistories(plan.layout, store, budget);
  histories.restart(null);
  return { histories, budget };
}

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: FraudstreamError) => error.code,
  );

describe('partition histories', () => {
  it('a key twice in one load is one history', async () => {
    const { histories } = make(await FaultyStore.open());
    const [a, b] = await histories.load(['u', 'u']);
    expect(a).toBe(b);
    expect(histories.misses + histories.hits).toBe(2);
  });

  it('a store that somebody else has written is a conflict, on flush and on load', async () => {
    const store = await FaultyStore.open();
    const mine = make(store).histories;
    const other = make(store).histories;
    await foldOne(mine, 'u', 0);
    await foldOne(other, 'u', 0);
    await other.flush();
    expect(await codeOf(mine.flush())).toBe('FS_STATE_CONFLICT');
    expect(await codeOf(mine.load(['v']))).toBe('FS_STATE_CONFLICT');
  });

  it('a watermark that went back is a conflict', async () => {
    const store = await FaultyStore.open();
    const { histories } = make(store);
    await foldOne(histories, 'u', 0);
    await histories.flush();
    await store.drop();
    expect(await codeOf(histories.load(['u']))).toBe('none'); // in memory
    expect(await codeOf(histories.load(['v']))).toBe('FS_STATE_CONFLICT');
  });

  it('a flush that failed leaves everything dirty, and nothing is evicted', async () => {
    const store = await FaultyStore.open();
    const { histories, budget } = make(store, 1);
    await foldOne(histories, 'u', 0);
    store.next = 'lost';
    expect(await codeOf(histories.flush())).toBe('FS_STATE_UNAVAILABLE');
    expect(histories.dirtyCount).toBe(1);
    histories.trim();
    expect(budget.entries).toBe(1);
    await histories.resolveFlush(1);
    expect(histories.watermark).toBe(null);
    expect((await histories.flush()).users).toBe(1);
    expect(histories.watermark).toBe(1);
    histories.trim();
    histories.trim();
    expect(budget).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('a flush that was written but not answered is found out', async () => {
    const store = await FaultyStore.open();
    const { histories } = make(store);
    await foldOne(histories, 'u', 0);
    store.next = 'written-but-unanswered';
    expect(await codeOf(histories.flush())).toBe('FS_STATE_UNAVAILABLE');
    await foldOne(histories, 'u', 1);
    await histories.resolveFlush(1);
    expect(histories.watermark).toBe(1);
    await histories.flush();
    expect((await store.readState()).watermark).toBe(2);
  });

  it('what is stored is what was folded up to the position, whatever fails and restarts', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seeded(seed);
      const store = await FaultyStore.open();
      let { histories } = make(store, 20_000);
      const log: string[] = [];
      let unresolved: number | null = null;
      for (let step = 0; step < 60; step++) {
        const dice = random();
        if (dice < 0.6) {
          const key = `u_${Math.floor(random() * 12)}`;
          // What the store may hold is not known: the worker finds out before it loads.
          if (unresolved !== null) await histories.resolveFlush(unresolved);
          unresolved = null;
          await foldOne(histories, key, log.length);
          log.push(key);
        } else if (dice < 0.85) {
          if (unresolved !== null) await histories.resolveFlush(unresolved);
          unresolved = null;
          store.next = random() < 0.6 ? 'ok' : random() < 0.5 ? 'lost' : 'written-but-unanswered';
          const attempted = histories.position;
          if ((await codeOf(histories.flush())) !== 'none') unresolved = attempted;
          store.next = 'ok';
          histories.trim();
        } else {
          // The process dies: a new one starts from what is stored, and folds the rest of the log again.
          const { watermark } = await store.readState();
          histories = make(store, 20_000).histories;
          histories.restart(watermark);
          unresolved = null;
          for (let offset = watermark ?? 0; offset < log.length; offset++)
            await foldOne(histories, log[offset]!, offset);
        }
      }
      if (unresolved !== null) await histories.resolveFlush(unresolved);
      for (const key of new Set(log)) {
        const [entry] = await histories.load([key]);
        expect(entry!.history.rows.length).toBe(log.filter((one) => one === key).length);
      }
    }
  });

  it('writes a blob again that was ahead of its watermark: the store may lose it and keep the watermark', async () => {
    const store = await FaultyStore.open();
    const first = make(store, 20_000).histories;
    first.restart(null);
    await foldOne(first, 'a', 0);
    await first.flush();
    // A flush of [1, 2) whose first slice is there, and whose last one a failover has lost.
    const ahead = await FaultyStore.open();
    const other = make(ahead, 20_000).histories;
    other.restart(null);
    for (const offset of [0, 1]) await foldOne(other, 'a', offset);
    await other.flush();
    const { blobs } = await ahead.load(['a']);
    store.instead = { watermark: 1, blobs };
    const next = make(store, 20_000).histories;
    next.restart(1);
    const [entry] = await next.load(['a']);
    expect(entry!.history.rows.length).toBe(2);
    // One more failover: the slice is gone as well, the watermark is the same.
    store.instead = null;
    next.position = 2;
    await next.flush();
    const last = make(store, 20_000).histories;
    last.restart(2);
    const [found] = await last.load(['a']);
    expect(found!.history.rows.length).toBe(2);
  });
});
