import { describe, expect, it } from 'vitest';
import { decisionOf } from '../../support/pipeline-engine.ts';
import { recordOf, settle, undisturbed, World } from '../../support/pipeline-world.ts';

const degradedOf = (world: World): string[][] => world.sink.of('decisions').map((one) => [...decisionOf(one).degraded]);

/** All payments are of u_1, but those at `strangers`. */
async function setUp(strangers: readonly number[], flushRecordsMax = 1_000) {
  const world = await World.of(8);
  world.log.forEach(({ offset }, k) => {
    world.log[k] = recordOf(offset, { user_id: strangers.includes(offset) ? 'u_2' : 'u_1' });
  });
  const worker = world.worker({ onUnavailable: 'decide-without-history', flushRecordsMax });
  await worker.acquire();
  const handle = (offset: number): Promise<void> => world.handle(worker, offset, offset + 1);
  return { world, worker, handle };
}

describe('deciding without history', () => {
  it('goes on when the store stops to answer at all', async () => {
    const { world, worker, handle } = await setUp([1, 2]);
    await handle(0);
    world.store.away = true;
    await handle(1);
    world.store.silent = true;
    // Each would wait for ever if it waited for the store.
    await handle(2);
    await handle(3);
    expect(degradedOf(world)).toEqual([[], ['no-history'], ['no-history'], ['no-history']]);
    expect(world.committedAt).toBe(4);
    await worker.release(false);
  });

  it('asks for the partition anew when the store is back', async () => {
    const { world, worker, handle } = await setUp([0, 1, 2]);
    world.store.away = true;
    await handle(0);
    world.store.away = false;
    await handle(1);
    await settle();
    await expect(handle(2)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    // nothing of what was decided without history is in the state yet: it is read again, and folded
    expect(await worker.acquire()).toBe(0);
    expect(world.committedAt).toBe(2);
  });

  it('begins also when all users are in memory and only the flush fails', async () => {
    const { world, handle } = await setUp([], 1);
    await handle(0);
    world.store.away = true;
    for (let offset = 1; offset <= 4; offset++) await handle(offset);
    expect(degradedOf(world).at(-1)).toEqual(['no-history']);
  });

  it('is marked, not folded, and made up for when the store is back', async () => {
    const world = await World.of(30);
    const worker = world.worker({ onUnavailable: 'decide-without-history' });
    await world.run(worker, 10);
    await worker.release(true);
    await worker.acquire();
    world.store.away = true;
    await world.handle(worker, 10, 15);
    await world.handle(worker, 15, 20);
    expect(world.pauses).toEqual([]);
    expect(world.committedAt).toBe(20);
    expect(degradedOf(world).slice(10)).toEqual(Array(10).fill(['no-history']));
    const decisions = world.sink.of('decisions').map((one) => decisionOf(one));
    expect(decisions.slice(10).map((one) => one.exact)).toEqual(Array(10).fill(false));
    // Nothing of it may go to the store.
    world.store.away = false;
    world.clock.advance(1e10);
    worker.tick();
    await settle();
    expect((await world.store.readState()).watermark).toBe(10);

    await world.handle(worker, 20, 22);
    await settle();
    await expect(world.handle(worker, 22, 25)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    expect(await world.run(worker, 30)).toBe(10);
    expect(world.folded).toEqual([5, 5, 2]);
    const expected = (await undisturbed(30)).filter((one) => one.startsWith('decisions'));
    const decided = world.visible().filter((one) => one.startsWith('decisions'));
    expect(decided.slice(-8)).toEqual(expected.slice(-8));
  });
});
