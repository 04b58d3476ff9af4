import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { comparable, decisionOf } from '../../support/pipeline-engine.ts';
import { settle, World } from '../../support/pipeline-world.ts';

const kafkaAway = (): FraudstreamError => new FraudstreamError('FS_KAFKA_UNAVAILABLE', 'away');
const kafkaRefuses = (): FraudstreamError => new FraudstreamError('FS_KAFKA_REFUSED', 'not allowed');

/** What a process that never died says to the first records. */
async function undisturbed(records: number): Promise<string[]> {
  const world = await World.of(records);
  await world.run(world.worker(), records);
  return comparable(world.sink.records);
}

const offsetsOf = (world: World): number[] => world.sink.of('decisions').map((one) => decisionOf(one).input_offset);

describe('a crash', () => {
  it('between output and commit: the same batch gives the same bytes', async () => {
    const world = await World.of(10);
    const first = world.worker();
    await world.run(first, 5);
    world.commitFailure = kafkaRefuses();
    await expect(world.handle(first, 5, 10)).rejects.toMatchObject({ code: 'FS_KAFKA_REFUSED' });
    await first.release(false);
    const written = world.sink.records.splice(0);
    expect(world.committedAt).toBe(5);
    world.clock.advance(60_000);

    const second = world.worker();
    expect(await second.acquire()).toBe(0);
    await world.handle(second, 0, 10);
    expect(comparable(world.sink.records)).toEqual(comparable(written.slice(-world.sink.records.length)));
    expect(comparable(written)).toEqual(await undisturbed(10));
    expect(offsetsOf(world)).toEqual([5, 6, 7, 8, 9]);
    expect(decisionOf(world.sink.of('decisions')[0]!).decision_time).toBe(world.clock.wallMs);
    expect(world.committedAt).toBe(10);
  });

  it('between commit and flush: folded silently, then the decisions are those of a run without a crash', async () => {
    const world = await World.of(30);
    const first = world.worker();
    await world.run(first, 10);
    await first.release(true);
    await world.run(world.worker(), 20);
    // The state is of offset 10: nothing was flushed since.
    expect((await world.store.readState()).watermark).toBe(10);
    expect(await world.run(world.worker(), 30)).toBe(10);
    expect(world.folded).toEqual([5, 5]);
    expect(comparable(world.sink.records)).toEqual(await undisturbed(30));
  });

  it('a batch on both sides of what was decided is folded up to there, and decided from there', async () => {
    const world = await World.of(12);
    await world.run(world.worker(), 7);
    const worker = world.worker();
    expect(await worker.acquire()).toBe(0);
    await world.handle(worker, 0, 12);
    expect(world.folded).toEqual([7]);
    expect(offsetsOf(world)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(comparable(world.sink.records)).toEqual(await undisturbed(12));
    expect(world.commits).toEqual([5, 7, 12]);
  });

  it('an end of the log without records of its own is committed', async () => {
    const world = await World.of(5);
    const worker = world.worker();
    await world.run(worker, 5);
    await worker.handle(world.batch(5, 5), 9);
    expect(world.commits).toEqual([5, 9]);
    await worker.release(true);
    expect((await world.store.readState()).watermark).toBe(9);
  });

  it('the store has lost everything: the partition is taken up anew, and every decision is as it should be', async () => {
    const world = await World.of(20);
    const first = world.worker();
    await world.run(first, 10);
    await first.release(true);
    const second = world.worker();
    await second.acquire();
    await world.store.lose();
    await expect(world.handle(second, 10, 15)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    expect(world.committedAt).toBe(10);
    expect(await world.run(second, 20)).toBe(0);
    expect(comparable(world.sink.records)).toEqual(await undisturbed(20));
  });

  it('the store has lost its last flush: the same', async () => {
    const world = await World.of(25);
    for (const to of [5, 10]) {
      const worker = world.worker();
      await world.run(worker, to);
      await worker.release(true);
    }
    const worker = world.worker();
    await worker.acquire();
    await world.store.rollBack(1);
    await expect(world.handle(worker, 10, 15)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    expect(await world.run(worker, 25)).toBe(5);
    expect(comparable(world.sink.records)).toEqual(await undisturbed(25));
  });
});

describe('the store is away', () => {
  it('waits, longer each time up to 5 s, and loses nothing', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await worker.acquire();
    world.store.away = true;
    world.onPause = (count) => (world.store.away = count < 9);
    await world.handle(worker, 0, 10);
    expect(world.pauses).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(world.failed).toEqual(Array(9).fill('FS_STATE_UNAVAILABLE'));
    expect(comparable(world.sink.records)).toEqual(await undisturbed(10));
    expect(world.committedAt).toBe(10);
  });

  it('waits while it folds silently as well', async () => {
    const world = await World.of(10);
    await world.run(world.worker(), 5);
    const worker = world.worker();
    await worker.acquire();
    world.store.fail('load', 'before', 'after');
    await world.handle(worker, 0, 10);
    expect(world.pauses).toEqual([50, 100]);
    expect(comparable(world.sink.records)).toEqual(await undisturbed(10));
  });

  it('gives up when the partition is taken away, with nothing written', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await worker.acquire();
    world.store.away = true;
    // Back at the same moment: too late, the partition is another's.
    world.onPause = () => {
      world.stop.abort();
      world.store.away = false;
    };
    await expect(world.handle(worker, 0, 10)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    expect(world.pauses).toEqual([50]);
    expect(world.sink.records).toEqual([]);
    expect(world.commits).toEqual([]);
  });

  it('fails the acquisition, which is tried again from outside', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    world.store.away = true;
    await expect(worker.acquire()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    world.store.away = false;
    expect(await worker.acquire()).toBe(0);
  });
});

describe('the sink is away', () => {
  it('the same outputs are written again, never others', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await worker.acquire();
    world.sink.failNext(kafkaAway(), 0);
    world.sink.failNext(kafkaAway(), 3);
    await world.handle(worker, 0, 10);
    expect(world.pauses).toEqual([50, 100]);
    const written = world.sink.records.map(({ value }) => value!.toString('hex'));
    // Three of the second attempt, then all. The time of the decision is in the bytes: nothing was decided anew.
    expect(written.slice(0, 3)).toEqual(written.slice(3, 6));
    expect(comparable(world.sink.records.slice(3))).toEqual(await undisturbed(10));
    expect(world.batches).toHaveLength(1);
    expect(world.commits).toEqual([10]);
  });

  it('nothing is committed before all is written', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await worker.acquire();
    world.sink.hold();
    const handled = world.handle(worker, 0, 10);
    await settle();
    expect(world.commits).toEqual([]);
    world.sink.release();
    await handled;
    expect(world.commits).toEqual([10]);
  });

  it('a refusal ends the batch: no commit, no waiting', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await worker.acquire();
    world.sink.failNext(kafkaRefuses());
    await expect(world.handle(worker, 0, 10)).rejects.toMatchObject({ code: 'FS_KAFKA_REFUSED' });
    expect(world.pauses).toEqual([]);
    expect(world.commits).toEqual([]);
  });

  it('a commit that is not answered is tried again, and nothing is written twice', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await worker.acquire();
    world.commitFailure = kafkaAway();
    await world.handle(worker, 0, 10);
    expect(world.commits).toEqual([10]);
    expect(offsetsOf(world)).toHaveLength(10);
  });
});

describe('deciding without history', () => {
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
    const degraded = world.sink.of('decisions').map((one) => decisionOf(one));
    expect(degraded.slice(10).map((one) => one.degraded)).toEqual(Array(10).fill(['no-history']));
    expect(degraded.slice(10).map((one) => one.exact)).toEqual(Array(10).fill(false));
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
    const expected = await undisturbed(30);
    const decided = comparable(world.sink.of('decisions')).slice(-8);
    expect(decided).toEqual(expected.filter((one) => one.startsWith('decisions')).slice(-8));
  });
});

describe('state is written', () => {
  it('never while a batch is in hand', async () => {
    const world = await World.of(20);
    const worker = world.worker({ flushIntervalMs: 1_000 });
    await world.run(worker, 10);
    world.clock.advance(5_000);
    world.sink.hold();
    const handled = world.handle(worker, 10, 20);
    await settle();
    worker.tick();
    await settle();
    expect(world.store.count('flush')).toBe(0);
    world.sink.release();
    await handled;
    await settle();
    expect(world.store.requests.map((one) => one.watermark)).toEqual([20]);
  });

  it('never of a batch that failed: it was folded, and is not committed', async () => {
    const world = await World.of(20);
    const worker = world.worker({ flushIntervalMs: 1_000 });
    await world.run(worker, 10);
    world.sink.failNext(kafkaRefuses());
    await expect(world.handle(worker, 10, 20)).rejects.toThrow();
    world.clock.advance(5_000);
    worker.tick();
    await settle();
    await worker.release(true);
    expect(world.store.requests.map((one) => one.watermark)).toEqual([]);
  });

  it('never before the partition was taken up', async () => {
    const world = await World.of(20);
    const worker = world.worker({ flushIntervalMs: 1_000, startPolicy: 'latest' });
    worker.tick();
    await settle();
    expect(world.store.requests.map((one) => one.watermark)).toEqual([]);
    expect(await worker.acquire()).toBe(20);
  });

  it('never with a watermark beyond what was folded', async () => {
    const world = await World.of(20);
    const first = world.worker();
    await world.run(first, 5);
    await first.release(true);
    await world.run(world.worker(), 20);
    const worker = world.worker({ flushIntervalMs: 1_000 });
    expect(await worker.acquire()).toBe(5);
    world.clock.advance(5_000);
    worker.tick();
    await settle();
    await worker.release(true);
    expect((await world.store.readState()).watermark).toBe(5);
  });

  it('never after it was given away, even if a batch ends after that', async () => {
    const world = await World.of(20);
    const worker = world.worker({ flushIntervalMs: 1_000 });
    await world.run(worker, 10);
    world.clock.advance(5_000);
    world.sink.hold();
    const handled = world.handle(worker, 10, 20);
    await settle();
    await worker.release(true);
    world.sink.release();
    await handled;
    worker.tick();
    await settle();
    // Its histories are gone from memory: a watermark without them would lose what they held.
    expect(world.store.requests.map((one) => one.watermark)).toEqual([]);
    expect(world.budget).toMatchObject({ bytes: 0, entries: 0 });
    await world.run(world.worker(), 20);
    expect(comparable(world.sink.records)).toEqual(await undisturbed(20));
  });

  it('between batches by a timer, and only when there is something', async () => {
    const world = await World.of(20);
    const worker = world.worker({ flushIntervalMs: 1_000 });
    await world.run(worker, 10);
    worker.tick();
    world.clock.advance(1_000);
    worker.tick();
    await settle();
    world.clock.advance(1_000);
    worker.tick();
    await settle();
    expect(world.store.requests.map((one) => one.watermark)).toEqual([10]);
  });

  it('at release when asked, and not when another may own the partition', async () => {
    const world = await World.of(10);
    const lost = world.worker();
    await world.run(lost, 5);
    await lost.release(false);
    expect(world.store.requests.map((one) => one.watermark)).toEqual([]);
    expect(world.budget.entries).toBe(0);
    const kept = world.worker();
    await world.run(kept, 10);
    await kept.release(true);
    expect(world.store.requests.map((one) => one.watermark)).toEqual([10]);
    expect(world.budget.entries).toBe(0);
  });

  it('a release that cannot write says so, and forgets what is in memory', async () => {
    const world = await World.of(5);
    const worker = world.worker();
    await world.run(worker, 5);
    world.store.fail('flush', 'conflict');
    await expect(worker.release(true)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    expect(world.budget.entries).toBe(0);
  });
});
