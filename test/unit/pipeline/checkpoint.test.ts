import { describe, expect, it } from 'vitest';
import { settle, undisturbed, World } from '../../support/pipeline-world.ts';

const asked = (world: World): number[] => world.store.requests.map((one) => one.watermark);
const stored = async (world: World): Promise<number | null> => (await world.store.readState()).watermark;

describe('when state is flushed', () => {
  it('after so many records, all that changed in one call', async () => {
    const world = await World.of(30);
    await world.run(world.worker({ flushRecordsMax: 10 }), 30);
    await settle();
    expect(asked(world)).toEqual([10, 20, 30]);
    expect(world.store.requests.map((one) => [...one.keys].sort())).toEqual(Array(3).fill(['u_0', 'u_1', 'u_2']));
    expect(world.store.requests.map((one) => one.expectedWatermark)).toEqual([null, 10, 20]);
  });

  it('after so many bytes of histories, and too many hold up the batch', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushBytesMax: 1 });
    await worker.acquire();
    await world.handle(worker, 0, 10);
    await settle();
    expect(asked(world)).toEqual([10]);
    world.store.hold('flush');
    await world.handle(worker, 10, 12);
    expect(asked(world)).toEqual([10, 12]);
    let done = false;
    const handled = world.handle(worker, 12, 14).then(() => (done = true));
    await settle();
    expect([world.committedAt, done]).toEqual([14, false]);
    world.store.release();
    await handled;
    expect(asked(world)).toEqual([10, 12, 14]);
  });

  it('after so much time', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushIntervalMs: 2_000 });
    await world.run(worker, 10);
    world.clock.advance(1_999);
    await world.handle(worker, 10, 15);
    expect(asked(world)).toEqual([]);
    world.clock.advance(1);
    await world.handle(worker, 15, 20);
    expect(asked(world)).toEqual([20]);
  });

  it('one at a time, and the batch does not wait for it', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.store.hold('flush');
    await world.handle(worker, 0, 10);
    await world.handle(worker, 10, 15);
    worker.tick();
    expect(asked(world)).toEqual([10]);
    expect(world.committedAt).toBe(15);
    world.store.release();
    await settle();
    // What was folded while it was on its way is written by the next one.
    await world.handle(worker, 15, 20);
    await settle();
    expect(asked(world)).toEqual([10, 20]);
    const next = world.worker();
    expect(await world.run(next, 30)).toBe(20);
    expect(world.visible()).toEqual(await undisturbed(30));
  });

  it('too much waits for it: so does the batch', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.store.hold('flush');
    await world.handle(worker, 0, 10);
    let done = false;
    const handled = world.handle(worker, 10, 20).then(() => (done = true));
    await settle();
    expect(world.committedAt).toBe(20);
    expect(done).toBe(false);
    world.store.release();
    await handled;
    expect(world.pauses).toEqual([]);
    await settle();
    expect(asked(world)).toEqual([10, 20]);
  });

  it('a partition that is taken away waits for nothing', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.onPause = () => world.stop.abort();
    await world.handle(worker, 0, 10);
    await settle();
    world.store.fail('flush', ...Array<'before'>(100).fill('before'));
    await world.handle(worker, 10, 30);
    expect(world.pauses).toHaveLength(1);
    expect(world.committedAt).toBe(30);
  });
});

describe('a flush that is not answered', () => {
  it('and was not done: is made again, with what came in since', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.store.fail('flush', 'before');
    await world.handle(worker, 0, 10);
    await settle();
    expect(world.failed).toEqual(['FS_STATE_UNAVAILABLE']);
    expect(await stored(world)).toBeNull();
    // Not at once: a store in trouble is not pressed.
    const looks = world.store.count('readState');
    await world.handle(worker, 10, 12);
    await settle();
    expect(world.store.count('readState')).toBe(looks);
    world.clock.advance(500);
    await world.handle(worker, 12, 14);
    await settle();
    expect(asked(world)).toEqual([10]);
    await world.handle(worker, 14, 16);
    await settle();
    expect(asked(world)).toEqual([10, 16]);
    expect(world.store.requests[1]!.expectedWatermark).toBeNull();
    expect(await world.run(world.worker(), 30)).toBe(16);
    expect(world.visible()).toEqual(await undisturbed(30));
  });

  it('and was done: is known to be, and the next one builds on it', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.store.fail('flush', 'after');
    await world.handle(worker, 0, 10);
    await settle();
    world.clock.advance(500);
    await world.handle(worker, 10, 15);
    await settle();
    await world.handle(worker, 15, 20);
    await settle();
    expect(world.store.requests.map((one) => [one.expectedWatermark, one.watermark])).toEqual([
      [null, 10],
      [10, 20],
    ]);
    expect(await world.run(world.worker(), 30)).toBe(20);
    expect(world.visible()).toEqual(await undisturbed(30));
  });

  it.each(['before', 'after'] as const)('at release it is settled first: fault %s', async (fault) => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.store.fail('flush', fault);
    await world.handle(worker, 0, 10);
    await world.handle(worker, 10, 13);
    await worker.release(true);
    expect(await stored(world)).toBe(13);
    expect(await world.run(world.worker(), 30)).toBe(13);
    expect(world.visible()).toEqual(await undisturbed(30));
  });

  it('and the store holds neither: another owner has written', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.store.fail('flush', 'before');
    await world.handle(worker, 0, 10);
    await settle();
    const { fingerprint } = world.plan.layout;
    await world.store.flush({ expectedWatermark: null, watermark: 4, fingerprint, note: '', keys: [], blobs: [] });
    world.clock.advance(500);
    await world.handle(worker, 10, 12);
    await settle();
    await expect(world.handle(worker, 12, 14)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    expect(world.committedAt).toBe(12);
  });

  it('again and again, while too much waits: the batch waits as well, and nothing is lost', async () => {
    const world = await World.of(40);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    await world.handle(worker, 0, 10);
    await settle();
    world.store.away = true;
    world.onPause = (count) => (world.store.away = count < 6);
    // Everybody is in memory: only the flush needs the store.
    await world.handle(worker, 10, 20);
    await world.handle(worker, 20, 30);
    expect(world.pauses.length).toBeGreaterThanOrEqual(6);
    // Back, it is asked what it holds, and written to: no more than a few looks.
    expect(world.pauses.length).toBeLessThanOrEqual(9);
    expect(new Set(world.pauses)).toEqual(new Set([500]));
    await worker.release(true);
    expect(await stored(world)).toBe(30);
    expect(await world.run(world.worker(), 40)).toBe(30);
    expect(world.visible()).toEqual(await undisturbed(40));
  });
});

describe('a flush that is refused', () => {
  it('ends this owner: the next batch is not decided', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.store.fail('flush', 'conflict');
    await world.handle(worker, 0, 10);
    await settle();
    const outputs = world.sink.records.length;
    await expect(world.handle(worker, 10, 15)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    expect(world.sink.records).toHaveLength(outputs);
    expect(world.committedAt).toBe(10);
    world.clock.advance(1e10);
    worker.tick();
    await settle();
    expect(asked(world)).toEqual([10]);
    // Taken up anew it goes on as if nothing had been.
    expect(await world.run(worker, 30)).toBe(0);
    expect(world.visible()).toEqual(await undisturbed(30));
  });

  it('while the batch waits for it: the batch says so', async () => {
    const world = await World.of(30);
    const worker = world.worker({ flushRecordsMax: 10 });
    await worker.acquire();
    world.store.hold('flush');
    world.store.fail('flush', 'conflict');
    await world.handle(worker, 0, 10);
    const handled = expect(world.handle(worker, 10, 20)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    await settle();
    world.store.release();
    await handled;
    expect(world.pauses).toEqual([]);
  });
});
