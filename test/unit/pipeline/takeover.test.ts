import { describe, expect, it } from 'vitest';
import type { Position } from '../../../src/delivery/position.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { decisionOf, smallPlan } from '../../support/pipeline-engine.ts';
import { FUTURE_SKEW_MS, NOON_MS, recordOf, settle, undisturbed, World } from '../../support/pipeline-world.ts';

const fenced = (): FraudstreamError => new FraudstreamError('FS_KAFKA_FENCED', 'generation 4');

/** A world whose first owner decided up to an offset, and gave the partition back in order. */
async function decidedTo(records: number, to: number): Promise<World> {
  const world = await World.of(records);
  const worker = world.worker();
  await world.run(worker, to);
  await worker.release(true);
  return world;
}

const exactness = (world: World): boolean[] => world.sink.of('decisions').map((one) => decisionOf(one).exact);

describe('becoming the owner', () => {
  it('commits a position before the first decision', async () => {
    const world = await World.of(10);
    await world.worker().acquire();
    expect(world.sink.records).toEqual([]);
    expect(world.position).toMatchObject<Partial<Position>>({
      offset: 0,
      origin: 0,
      lastDecision: -1,
      fingerprint: world.plan.layout.fingerprint,
      mark: expect.objectContaining({
        clusterId: 'cluster-1',
        topicId: 'topic-1',
        partitions: 4,
        lastOffset: -1,
      }) as never,
    });
  });

  it('is not complete without that commit: it is tried again, the fence first', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    world.broker.fail('end', 'before');
    await expect(worker.acquire()).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    await expect(world.handle(worker, 0, 5)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    expect(world.sink.records).toEqual([]);
    expect(await world.run(worker, 10)).toBe(0);
    expect(world.broker.count('init')).toBe(2);
    expect(world.visible()).toEqual(await undisturbed(10));
  });

  it.each([
    ['before the fence', [fenced()], 0],
    ['after it, when the fence has hit the right owner', [null, fenced()], 1],
  ])('gives way when the group says so %s', async (_, confirmations, fences) => {
    const world = await decidedTo(10, 5);
    const { commits, calls } = world.broker;
    const before = { commits: commits.length, fences: calls.filter((one) => one === 'init').length };
    world.confirmations.push(...confirmations);
    await expect(world.worker().acquire()).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    expect(commits).toHaveLength(before.commits);
    expect(world.broker.count('init')).toBe(before.fences + fences);
    expect((await world.store.readState()).watermark).toBe(5);
  });

  it('fences the owner before: what it still has in hand is refused', async () => {
    const world = await World.of(10);
    const zombie = world.worker();
    await world.run(zombie, 5);
    const owner = world.worker();
    expect(await owner.acquire()).toBe(0);
    await expect(world.handle(zombie, 5, 10)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    expect(world.committedAt).toBe(5);
    await world.handle(owner, 0, 10);
    expect(world.visible()).toEqual(await undisturbed(10));
  });
});

describe('a commit whose markers the coordinator forgot', () => {
  it('is committed to its end when the state knows of it, and nothing is decided again', async () => {
    const world = await World.of(20);
    const worker = world.worker();
    await world.run(worker, 10);
    world.broker.forgetMarkers();
    await world.handle(worker, 10, 20);
    await worker.release(true);
    expect([world.committedAt, (await world.store.readState()).watermark]).toEqual([10, 20]);
    expect(await world.worker().acquire()).toBe(20);
    expect(world.visible()).toEqual(await undisturbed(20));
    expect(world.committedAt).toBe(20);
  });

  it('is aborted when nobody has seen anything of it: decided again, and seen once', async () => {
    const world = await World.of(20);
    const worker = world.worker();
    await world.run(worker, 10);
    await worker.release(true);
    const next = world.worker();
    await next.acquire();
    world.broker.forgetMarkers();
    await world.handle(next, 10, 20);
    expect(await world.run(world.worker(), 20)).toBe(10);
    expect(world.visible()).toEqual(await undisturbed(20));
  });

  it('halts as before when there was none: the state is ahead all the same', async () => {
    const world = await decidedTo(20, 20);
    const { broker, sink } = world;
    broker.committed = null;
    sink.records.splice(0);
    const ends = broker.ends.length;
    await expect(world.worker().acquire()).rejects.toMatchObject({ code: 'FS_POSITION_LOST' });
    expect(broker.ends.slice(ends)).toEqual([true]);
  });

  it('gives way when the group has moved on meanwhile', async () => {
    const world = await decidedTo(20, 20);
    world.broker.committed = null;
    world.confirmations.push(null, null, fenced());
    await expect(world.worker().acquire()).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
  });
});

describe('what was decided', () => {
  it('is folded silently: no output, and the commit does not move', async () => {
    const world = await decidedTo(20, 10);
    await world.run(world.worker(), 20);
    const outputs = world.sink.records.length;
    // the state is of offset 10, the position at 20
    expect(await world.run(world.worker(), 20)).toBe(10);
    expect(world.sink.records).toHaveLength(outputs);
    expect(world.commits.slice(-2)).toEqual([20, 20]);
    expect(world.folded).toEqual([5, 5]);
  });

  it.each([
    [8, /records 8 to 19 would be decided again.*--redecide/],
    [20, /where the output ends.*--skip/],
  ])('a position that somebody set to %i halts the partition', async (offset, message) => {
    const world = await decidedTo(20, 20);
    world.broker.committed = { offset, metadata: '' };
    const outputs = world.sink.records.length;
    await expect(world.worker().acquire()).rejects.toMatchObject({
      code: 'FS_POSITION_FOREIGN',
      message: expect.stringMatching(message) as string,
    });
    expect(world.sink.records).toHaveLength(outputs);
    expect((await world.store.readState()).watermark).toBe(20);
  });

  it('a position that is older than the state and the output halts the partition', async () => {
    const world = await World.of(20);
    const worker = world.worker();
    await world.run(worker, 10);
    const old = world.broker.committed;
    await world.handle(worker, 10, 20);
    await worker.release(true);
    world.broker.committed = old;
    await expect(world.worker().acquire()).rejects.toMatchObject({ code: 'FS_OUTPUT_MISMATCH' });
    world.sink.records.splice(0, Infinity, ...world.sink.of('decisions').slice(0, 10));
    await expect(world.worker().acquire()).rejects.toMatchObject({ code: 'FS_STATE_AHEAD' });
  });

  it('by a catalogue with other fields: the state is rebuilt, and only what is new is decided', async () => {
    const world = await decidedTo(20, 15);
    world.sink.records.splice(0, 14);
    world.plan = smallPlan('  - { name: devices_1d, aggregate: distinct, of: device_id, window: 1d }\n');
    const before = world.sink.of('decisions').length;
    expect(await world.run(world.worker(), 20)).toBe(0);
    expect(world.folded).toEqual([5, 5, 5]);
    expect(world.sink.of('decisions').length - before).toBe(5);
    expect(world.warnings).toContain('state is rebuilt');
    expect(exactness(world).slice(-5)).toEqual(Array(5).fill(true));
  });
});

describe('a removal that was cut short', () => {
  it('is finished before anything is folded', async () => {
    const world = await decidedTo(20, 10);
    await world.store.halfDrop();
    expect((await world.store.load(['u_1'])).blobs[0]).not.toBeNull();
    expect(await world.worker().acquire()).toBe(0);
    expect((await world.store.load(['u_1'])).blobs[0]).toBeNull();
  });

  it('is finished also where nothing was ever committed', async () => {
    const world = await decidedTo(20, 10);
    await world.store.halfDrop();
    world.broker.committed = null;
    world.sink.records.length = 0;
    expect(await world.worker({ startPolicy: 'latest' }).acquire()).toBe(20);
    expect((await world.store.load(['u_1'])).blobs[0]).toBeNull();
  });

  it('fails the acquisition when it fails again', async () => {
    const world = await decidedTo(20, 10);
    await world.store.lose();
    world.store.fail('drop', 'before');
    await expect(world.worker().acquire()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
  });
});

describe('a snapshot', () => {
  it('fills an empty store, and the log is folded from it on', async () => {
    const world = await decidedTo(20, 10);
    const saved = world.store.requests.at(-1)!;
    await world.store.lose();
    const asked: number[] = [];
    const restore = async ({ offset }: Position): Promise<boolean> => {
      asked.push(offset);
      await world.store.flush({ ...saved, expectedWatermark: null });
      return true;
    };
    expect(await world.run(world.worker({}, { restore }), 20)).toBe(10);
    expect(asked).toEqual([10]);
    expect(world.visible()).toEqual(await undisturbed(20));
  });

  it('that is not there leaves the log', async () => {
    const world = await decidedTo(20, 10);
    await world.store.lose();
    expect(await world.run(world.worker({}, { restore: () => Promise.resolve(false) }), 20)).toBe(0);
    expect(world.visible()).toEqual(await undisturbed(20));
  });
});

describe('histories that do not reach back to the beginning', () => {
  it('say so in every decision, from the first record that is left on, also for the next owner', async () => {
    const world = await World.of(20);
    world.start = 4;
    const first = world.worker();
    expect(await first.acquire()).toBe(4);
    await world.handle(first, 4, 10);
    expect(world.histories.knownSinceMs).toBe(NOON_MS + 4_000 + FUTURE_SKEW_MS);
    await first.release(true);
    await world.run(world.worker(), 20);
    expect(world.histories.knownSinceMs).toBe(NOON_MS + 4_000 + FUTURE_SKEW_MS);
    expect(exactness(world)).toEqual(Array(16).fill(false));
    expect(world.batches.reduce((sum, report) => sum + report.inexact, 0)).toBe(16);
  });

  it('are exact again for windows that begin behind it', async () => {
    const world = await World.of(6);
    world.start = 2;
    const worker = world.worker();
    await worker.acquire();
    await world.handle(worker, 2, 6);
    const later = NOON_MS + FUTURE_SKEW_MS + 26 * 3_600_000;
    world.log.push({ ...recordOf(6, { event_time: later }), timestampMs: later });
    await world.handle(worker, 6, 7);
    expect(exactness(world)).toEqual([false, false, false, false, true]);
  });

  it('when retention has passed the state: the records between are said to be missing', async () => {
    const world = await decidedTo(20, 10);
    await world.run(world.worker(), 20);
    world.start = 15;
    world.log.push(recordOf(20));
    const worker = world.worker();
    expect(await worker.acquire()).toBe(15);
    expect(world.warnings).toContainEqual(expect.stringMatching(/records 10 to 14 .*gone before they were folded/));
    await world.handle(worker, 15, 21);
    expect(exactness(world).at(-1)).toBe(false);
  });

  it('a partition that begins at its end and is given back at once is not rebuilt', async () => {
    const world = await World.of(20);
    const first = world.worker({ startPolicy: 'latest' });
    expect(await first.acquire()).toBe(20);
    await first.release(true);
    world.log.push(recordOf(20), recordOf(21));
    const second = world.worker();
    expect(await second.acquire()).toBe(20);
    expect(world.warnings).toEqual([]);
    await world.handle(second, 20, 22);
    expect(exactness(world)).toEqual([false, false]);
  });

  it('before any record came, are not written: the note could not say since when they are complete', async () => {
    const world = await decidedTo(20, 10);
    await world.run(world.worker(), 20);
    world.start = 15;
    const idle = world.worker({ flushIntervalMs: 1_000 });
    expect(await idle.acquire()).toBe(15);
    world.clock.advance(2_000);
    idle.tick();
    await settle();
    await idle.release(true);
    const { watermark } = await world.store.readState();
    expect(watermark).toBe(10);
    const next = world.worker();
    expect(await next.acquire()).toBe(15);
    expect(world.warnings).not.toContain('state is rebuilt');
    expect(world.store.count('drop')).toBe(1);
  });
});
