import { afterAll, describe, expect, it } from 'vitest';
import type { PartitionStore } from '../../src/state/store.ts';
import { storeSuite } from '../conformance/store-suite.ts';
import { Life } from './life.ts';
import { ModelRedisStore } from './model-redis-store.ts';
import { ModelRedis, type RedisFate } from './model-redis.ts';
import { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';

const HOUR_MS = 3_600_000;

/** A model whose time goes on by itself, as fast as it can. */
class RunningModel {
  readonly scheduler = new Scheduler(new Random(7));
  readonly redis = new ModelRedis(this.scheduler, new Random(8));
  private stopped = false;
  private clients = 0;

  constructor() {
    void this.run();
  }

  store(app: string, sliceKeys: number): ModelRedisStore {
    return new ModelRedisStore(this.redis, app, new Life(`client-${this.clients++}`, this.scheduler), sliceKeys);
  }

  stop(): void {
    this.stopped = true;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      await this.scheduler.runUntil(this.scheduler.elapsedMs + 10);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const model = new RunningModel();
afterAll(() => model.stop());

storeSuite('model of Redis', (app) => Promise.resolve(model.store(app, 300)));

describe('what the model of Redis may do', () => {
  const flushOf = (from: number | null, to: number, keys: readonly string[], mark = to) => ({
    expectedWatermark: from,
    watermark: to,
    fingerprint: 'layout',
    note: `note ${to}`,
    keys,
    blobs: keys.map(() => Uint8Array.of(mark)),
  });

  async function open(sliceKeys = 2): Promise<{ model: RunningModel; store: PartitionStore; other: PartitionStore }> {
    const own = new RunningModel();
    own.stop();
    const place = { topic: 'transactions', partition: 0 };
    const store = await own.store('app', sliceKeys).open(place);
    return { model: own, store, other: await own.store('app', sliceKeys).open(place) };
  }

  /** Lets time go on until the promise settles. */
  async function settle<T>({ scheduler }: RunningModel, promise: Promise<T>): Promise<T> {
    let done = false;
    promise.then(
      () => (done = true),
      () => (done = true),
    );
    await scheduler.runUntil(scheduler.elapsedMs + HOUR_MS, () => done);
    return promise;
  }

  it('loses the last commands at a failover, whole commands', async () => {
    const { model, store } = await open(100);
    await settle(model, store.flush(flushOf(null, 5, ['a', 'b'])));
    await settle(model, store.flush(flushOf(5, 9, ['b', 'c'])));
    model.redis.failover(1, 0);
    expect(await settle(model, store.load(['a', 'b', 'c']))).toMatchObject({ watermark: 5 });
    const { blobs } = await settle(model, store.load(['a', 'b', 'c']));
    expect(blobs.map((blob) => blob?.[0] ?? null)).toEqual([5, 5, null]);
    await expect(settle(model, store.flush(flushOf(9, 12, ['a'])))).rejects.toMatchObject({
      code: 'FS_STATE_CONFLICT',
    });
  });

  it('can lose the end of a flush in slices: blobs are ahead then, the watermark is not', async () => {
    const { model, store } = await open(1);
    await settle(model, store.flush(flushOf(null, 5, ['a', 'b', 'c'])));
    await settle(model, store.flush(flushOf(5, 9, ['a', 'b', 'c'])));
    model.redis.failover(1, 0);
    const { watermark, blobs } = await settle(model, store.load(['a', 'b', 'c']));
    expect({ watermark, marks: blobs.map((blob) => blob?.[0]) }).toEqual({ watermark: 5, marks: [9, 9, 5] });
  });

  it('lets a deposed master answer for a while', async () => {
    const { model, store, other } = await open(100);
    await settle(model, store.flush(flushOf(null, 5, ['a'])));
    await settle(model, store.flush(flushOf(5, 9, ['a'])));
    const states = new Set<number | null>();
    for (let attempt = 0; attempt < 20 && states.size < 2; attempt++) {
      model.redis.failover(attempt === 0 ? 1 : 0, 500);
      for (const client of [store, other]) states.add((await settle(model, client.readState())).watermark);
    }
    expect(states).toEqual(new Set([5, 9]));
    await model.scheduler.runUntil(model.scheduler.elapsedMs + 10_000);
    for (const client of [store, other]) expect((await settle(model, client.readState())).watermark).toBe(5);
  });

  it.each([
    ['lost', null],
    ['answer lost', 5],
    ['late', null],
  ] as const)('does not say what became of a command that is %s', async (fate: RedisFate, watermark) => {
    const { model, store } = await open(100);
    let first = true;
    model.redis.fateOf = () => {
      const now = first ? fate : 'well';
      first = false;
      return now;
    };
    await expect(settle(model, store.flush(flushOf(null, 5, ['a'])))).rejects.toMatchObject({
      code: 'FS_STATE_UNAVAILABLE',
    });
    expect((await settle(model, store.readState())).watermark).toBe(watermark);
    await model.scheduler.runUntil(model.scheduler.elapsedMs + HOUR_MS);
    expect((await settle(model, store.readState())).watermark).toBe(fate === 'lost' ? null : 5);
  });

  it('refuses a late slice of a flush that another has overtaken', async () => {
    const { model, store, other } = await open(1);
    await settle(model, store.flush(flushOf(null, 5, ['a', 'b', 'c'])));
    model.redis.fateOf = (label) => (label.startsWith('flush middle') ? 'late' : 'well');
    await expect(settle(model, store.flush(flushOf(5, 7, ['a', 'b', 'c'])))).rejects.toMatchObject({
      code: 'FS_STATE_UNAVAILABLE',
    });
    model.redis.fateOf = () => 'well';
    await settle(model, other.flush(flushOf(5, 9, ['a', 'b', 'c'])));
    await model.scheduler.runUntil(model.scheduler.elapsedMs + HOUR_MS);
    const { watermark, blobs } = await settle(model, other.load(['a', 'b', 'c']));
    expect({ watermark, marks: blobs.map((blob) => blob?.[0]) }).toEqual({ watermark: 9, marks: [9, 9, 9] });
  });

  it('refuses a late step of a drop when another has begun to write', async () => {
    const { model, store, other } = await open(2);
    const keys = ['a', 'b', 'c', 'd', 'e'];
    await settle(model, store.flush(flushOf(null, 5, keys)));
    model.redis.fateOf = (label) => (label.startsWith('drop more') ? 'late' : 'well');
    await expect(settle(model, store.drop())).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    model.redis.fateOf = () => 'well';
    await settle(model, other.flush(flushOf(null, 9, keys)));
    await model.scheduler.runUntil(model.scheduler.elapsedMs + HOUR_MS);
    const { watermark, blobs } = await settle(model, other.load(keys));
    expect({ watermark, marks: blobs.map((blob) => blob?.[0]) }).toEqual({ watermark: 9, marks: [9, 9, 9, 9, 9] });
  });

  it('comes back from a restart with what it kept, or with nothing', async () => {
    const { model, store } = await open(100);
    await settle(model, store.flush(flushOf(null, 5, ['a'])));
    model.redis.restart(100, { lostCommands: 0 });
    await expect(settle(model, store.readState())).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    expect((await settle(model, store.readState())).watermark).toBe(5);
    model.redis.restart(0, 'nothing');
    expect((await settle(model, store.readState())).watermark).toBeNull();
  });
});
