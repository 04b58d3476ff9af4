import { describe, expect, it } from 'vitest';
import { compilePlan } from '../../../src/features/plan.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { CacheBudget, HistoryCache } from '../../../src/state/cache.ts';
import { UserHistory } from '../../../src/state/history.ts';

const { layout } = compilePlan(
  parseCatalogue('version: 1\nfeatures:\n  - { name: n, aggregate: count, window: 1d }', 'c.yaml'),
  0,
);

describe('the cache', () => {
  it('never evicts what is dirty or on its way to the store', () => {
    const budget = new CacheBudget(0);
    const cache = new HistoryCache(budget);
    const [dirty, flying] = ['dirty', 'flying'].map((key) => cache.add(key, new UserHistory(layout)));
    cache.add('clean', new UserHistory(layout));
    cache.markDirty(flying!);
    cache.takeDirty();
    cache.markDirty(dirty!);
    for (let k = 0; k < 3; k++) cache.trim();
    expect([cache.get('dirty'), cache.get('flying'), cache.get('clean')]).toEqual([dirty, flying, undefined]);
    cache.flushed(cache.takeDirty());
    cache.flushed([flying!]);
    for (let k = 0; k < 3; k++) cache.trim();
    expect(budget).toMatchObject({ bytes: 0, entries: 0 });
  });

  it('keeps within its budget, the used ones last', () => {
    const one = new UserHistory(layout).bytes + 6;
    const budget = new CacheBudget(one * 10);
    const cache = new HistoryCache(budget);
    for (let k = 0; k < 30; k++) {
      cache.add(`u_${String(k).padStart(1)}`.slice(0, 3).padEnd(3, '_') + k, new UserHistory(layout));
      cache.trim();
      expect(budget.bytes).toBeLessThanOrEqual(one * 11);
    }
    expect(cache.size).toBe(budget.entries);
    cache.clear();
    expect(budget).toMatchObject({ bytes: 0, entries: 0 });
  });
});
