import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { comparable, decisionOf } from '../../support/pipeline-engine.ts';
import { settle, undisturbed, World } from '../../support/pipeline-world.ts';

const kafkaAway = (): FraudstreamError => new FraudstreamError('FS_KAFKA_UNAVAILABLE', 'away');
const kafkaRefuses = (): FraudstreamError => new FraudstreamError('FS_KAFKA_REFUSED', 'not allowed');

const offsetsOf = (world: World): number[] => world.sink.of('decisions').map((one) => decisionOf(one).input_offset);
const upTo = (end: number): number[] => Array.from({ length: end }, (_, offset) => offset);

describe('a crash', () => {
  it.each(['produce', 'commitOffset', 'end'] as const)(
    'before %s is done: nothing is seen, and the next life decides the same',
    async (call) => {
      const world = await World.of(10);
      const first = world.worker();
      await world.run(first, 5);
      world.broker.fail(call, 'before');
      await expect(world.handle(first, 5, 10)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
      await first.release(false);
      expect(world.committedAt).toBe(5);
      expect(offsetsOf(world)).toEqual(upTo(5));
      world.clock.advance(60_000);
      expect(await world.run(world.worker(), 10)).toBe(0);
      expect(offsetsOf(world)).toEqual(upTo(10));
      expect(world.visible()).toEqual(await undisturbed(10));
      expect(decisionOf(world.sink.of('decisions')[9]!).decision_time).toBe(world.clock.wallMs);
      expect(world.committedAt).toBe(10);
    },
  );

  it.each(['addPartitions', 'addOffsets'] as const)(
    'before %s is done, of the brokers alone: the transaction before is ended again, and the batch is decided',
    async (call) => {
      const world = await World.of(10);
      const first = world.worker();
      await world.run(first, 5);
      world.broker.forgetMarkers();
      await world.handle(first, 5, 7);
      expect(world.committedAt).toBe(5);
      world.broker.fail(call, 'before');
      await world.handle(first, 7, 10);
      expect(world.broker.count('init')).toBe(1);
      expect(world.committedAt).toBe(10);
      expect(world.visible()).toEqual(await undisturbed(10));
    },
  );

  it('after a commit that was not answered: it is found, and nothing is decided twice', async () => {
    const world = await World.of(15);
    const first = world.worker();
    await world.run(first, 5);
    world.broker.fail('end', 'after');
    await expect(world.handle(first, 5, 10)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    expect(world.committedAt).toBe(10);
    expect(await world.run(first, 15)).toBe(0);
    expect(offsetsOf(world)).toEqual(upTo(15));
    expect(world.visible()).toEqual(await undisturbed(15));
  });

  it('at-least-once, between output and commit: the same batch gives the same bytes', async () => {
    const world = await World.of(10);
    const delivery = 'at-least-once' as const;
    const first = world.worker({ delivery });
    await world.run(first, 5);
    world.broker.fail('end', 'before');
    await expect(world.handle(first, 5, 10)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    expect(world.committedAt).toBe(5);
    const written = world.sink.of('decisions');
    expect(written).toHaveLength(10);
    world.clock.advance(60_000);
    expect(await world.run(world.worker({ delivery }), 10)).toBe(0);
    const again = world.sink.of('decisions').slice(10);
    expect(comparable(again)).toEqual(comparable(written.slice(5)));
    expect(again.map((one) => decisionOf(one).input_offset)).toEqual([5, 6, 7, 8, 9]);
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
    expect(world.visible()).toEqual(await undisturbed(30));
  });

  it('a batch on both sides of what was decided is folded up to there, and decided from there', async () => {
    const world = await World.of(12);
    await world.run(world.worker(), 7);
    const worker = world.worker();
    expect(await worker.acquire()).toBe(0);
    await world.handle(worker, 0, 12);
    expect(world.folded).toEqual([7]);
    expect(offsetsOf(world)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(world.visible()).toEqual(await undisturbed(12));
    expect(world.commits).toEqual([0, 5, 7, 7, 12]);
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
    expect(world.visible()).toEqual(await undisturbed(20));
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
    expect(world.visible()).toEqual(await undisturbed(25));
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
    expect(world.visible()).toEqual(await undisturbed(10));
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
    expect(world.visible()).toEqual(await undisturbed(10));
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
    expect(world.commits).toEqual([0]);
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

describe('Kafka is away', () => {
  it('at-least-once: the same outputs are written again, never others', async () => {
    const world = await World.of(10);
    const worker = world.worker({ delivery: 'at-least-once' });
    await worker.acquire();
    world.sink.failNext(kafkaAway(), 0);
    world.sink.failNext(kafkaAway(), 3);
    await world.handle(worker, 0, 10);
    expect(world.pauses).toEqual([50, 100]);
    const written = world.sink.records.map(({ value }) => value!.toString('hex'));
    // Three of the second attempt, then all. The time of the decision is in the bytes: nothing was decided anew.
    expect(written.slice(0, 3)).toEqual(written.slice(3, 6));
    world.sink.records.splice(0, 3);
    expect(world.visible()).toEqual(await undisturbed(10));
    expect(world.batches).toHaveLength(1);
    expect(world.commits).toEqual([0, 10]);
  });

  it('at-least-once: nothing is committed before all is written', async () => {
    const world = await World.of(10);
    const worker = world.worker({ delivery: 'at-least-once' });
    await worker.acquire();
    world.sink.hold();
    const handled = world.handle(worker, 0, 10);
    await settle();
    expect(world.commits).toEqual([0]);
    world.sink.release();
    await handled;
    expect(world.commits).toEqual([0, 10]);
  });

  it('a refusal ends the batch: no commit, no waiting, and only an acquisition helps', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await worker.acquire();
    world.broker.fail('produce', 'before', kafkaRefuses());
    await expect(world.handle(worker, 0, 5)).rejects.toMatchObject({ code: 'FS_KAFKA_REFUSED' });
    expect(world.pauses).toEqual([]);
    expect(world.commits).toEqual([0]);
    expect(world.budget.entries).toBe(0);
    const calls = world.broker.calls.length;
    await expect(world.handle(worker, 0, 5)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    expect(world.broker.calls).toHaveLength(calls);
    expect(await world.run(worker, 10)).toBe(0);
    expect(world.visible()).toEqual(await undisturbed(10));
  });

  it('the fence waits for it', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    for (let k = 0; k < 3; k++) world.broker.fail('init', 'before');
    expect(await worker.acquire()).toBe(0);
    expect(world.pauses).toEqual([50, 100, 200]);
  });
});
