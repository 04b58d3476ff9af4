import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { decodeNote } from '../../../src/delivery/state-note.ts';
import { settle, undisturbed, World } from '../../support/pipeline-world.ts';

describe('a batch that does not follow what was handled', () => {
  it('is refused when it begins before, and nothing of it is decided', async () => {
    const world = await World.of(20);
    const worker = world.worker();
    await world.run(worker, 10);
    await expect(world.handle(worker, 5, 12)).rejects.toMatchObject({
      code: 'FS_KAFKA_FENCED',
      message: expect.stringMatching(/stale batch begins at 5, 10 comes next/) as string,
      place: { topic: 'transactions', partition: 0, offset: 5 },
    });
    expect(world.committedAt).toBe(10);
    expect(await world.run(worker, 20)).toBe(0);
    expect(world.visible()).toEqual(await undisturbed(20));
  });

  it('is refused before the partition is acquired', async () => {
    const world = await World.of(20);
    await expect(world.handle(world.worker(), 0, 5)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    expect(world.broker.calls).toEqual([]);
  });

  it('passes over a gap: what lies in it was aborted, or is no record', async () => {
    const world = await World.of(20);
    world.log.splice(5, 4);
    const worker = world.worker();
    await worker.acquire();
    await world.handle(worker, 0, 5);
    await world.handle(worker, 9, 14);
    expect(world.committedAt).toBe(14);
    expect(world.sink.of('decisions')).toHaveLength(10);
  });
});

describe('markers behind the last record', () => {
  it('are committed with it, and the state reaches as far, never farther', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await worker.acquire();
    await worker.handle(world.batch(0, 10), 13);
    expect(world.committedAt).toBe(13);
    await worker.release(true);
    const { watermark, note } = await world.store.readState();
    expect(watermark).toBe(13);
    expect(decodeNote(note!)?.mark.lastOffset).toBe(9);
    expect(world.position).toMatchObject({ lastDecision: 9, mark: { lastOffset: 9 } });
  });

  it('that were not committed are not in the watermark of what is only folded', async () => {
    const world = await World.of(10);
    const first = world.worker();
    await world.run(first, 10);
    await first.release(false);
    const worker = world.worker();
    expect(await worker.acquire()).toBe(0);
    // Folded silently, with the markers that came behind it since.
    await worker.handle(world.batch(0, 10), 13);
    expect(world.folded).toEqual([10]);
    await worker.release(true);
    expect(world.committedAt).toBe(10);
    expect((await world.store.readState()).watermark).toBe(10);
  });

  it('a batch without records changes nothing', async () => {
    const world = await World.of(10);
    const worker = world.worker();
    await world.run(worker, 5);
    const calls = world.broker.calls.length;
    await worker.handle(world.batch(5, 5), 9);
    expect(world.broker.calls).toHaveLength(calls);
    await world.handle(worker, 5, 10);
    expect(world.committedAt).toBe(10);
  });
});

describe('an idle partition', () => {
  const HOUR_MS = 3_600_000;

  async function idle() {
    const world = await World.of(20);
    const worker = world.worker({ keepAliveMs: 12 * HOUR_MS });
    await world.run(worker, 10);
    return { world, worker };
  }

  it('commits its position again after 12 h, and again', async () => {
    const { world, worker } = await idle();
    const before = world.broker.committed;
    world.clock.advance(12 * HOUR_MS - 1);
    worker.tick();
    await settle();
    expect(world.commits).toEqual([0, 5, 10]);
    world.clock.advance(1);
    worker.tick();
    worker.tick();
    await settle();
    worker.tick();
    await settle();
    expect(world.commits).toEqual([0, 5, 10, 10]);
    expect(world.broker.committed).toEqual(before);
    world.clock.advance(12 * HOUR_MS);
    worker.tick();
    await settle();
    expect(world.commits).toEqual([0, 5, 10, 10, 10]);
    await world.handle(worker, 10, 20);
    expect(world.visible()).toEqual(await undisturbed(20));
  });

  it('a batch waits for it: one transaction at a time', async () => {
    const { world, worker } = await idle();
    world.clock.advance(12 * HOUR_MS);
    world.broker.hold('end');
    worker.tick();
    await settle();
    const handled = world.handle(worker, 10, 20);
    await settle();
    expect(world.broker.count('addPartitions')).toBe(3);
    world.broker.release();
    await handled;
    expect(world.commits).toEqual([0, 5, 10, 10, 20]);
    expect(world.visible()).toEqual(await undisturbed(20));
  });

  it('when that fails, the next batch has the partition acquired anew', async () => {
    const { world, worker } = await idle();
    world.clock.advance(12 * HOUR_MS);
    world.broker.fail('commitOffset', 'before', new FraudstreamError('FS_KAFKA_FENCED', 'another owner'));
    worker.tick();
    await settle();
    // Once: it does not go on with an identity that is gone.
    world.clock.advance(12 * HOUR_MS);
    worker.tick();
    await settle();
    expect(world.broker.count('commitOffset')).toBe(4);
    expect(world.failed).toEqual(['FS_KAFKA_FENCED']);
    await expect(world.handle(worker, 10, 20)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    expect(await world.run(worker, 20)).toBe(0);
    expect(world.visible()).toEqual(await undisturbed(20));
  });

  it('makes its last output visible when the brokers may have forgotten its markers, once', async () => {
    const { world, worker } = await idle();
    world.broker.forgetMarkers();
    await world.handle(worker, 10, 15);
    expect(world.committedAt).toBe(10);
    worker.tick();
    await settle();
    expect(world.committedAt).toBe(10);
    world.broker.breakConnections();
    const before = world.broker.count('end');
    for (let k = 0; k < 3; k++) {
      worker.tick();
      await settle();
    }
    expect(world.broker.count('end')).toBe(before + 1);
    expect(world.broker.count('init')).toBe(1);
    expect(world.committedAt).toBe(15);
    expect(world.visible()).toEqual(await undisturbed(15));
    await world.handle(worker, 15, 20);
    expect(world.visible()).toEqual(await undisturbed(20));
  });

  it('a batch waits for that too; when it fails the partition is acquired anew', async () => {
    const { world, worker } = await idle();
    world.broker.breakConnections();
    world.broker.hold('end');
    world.broker.fail('end', 'before', new FraudstreamError('FS_KAFKA_FENCED', 'another owner'));
    worker.tick();
    await settle();
    const handled = world.handle(worker, 10, 20);
    await settle();
    expect(world.broker.count('produce')).toBe(2);
    world.broker.release();
    await expect(handled).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    expect(world.failed).toEqual(['FS_KAFKA_FENCED']);
    expect(await world.run(worker, 20)).toBe(0);
    expect(world.visible()).toEqual(await undisturbed(20));
  });

  it('that was given back commits nothing', async () => {
    const { world, worker } = await idle();
    await worker.release(true);
    world.clock.advance(12 * HOUR_MS);
    worker.tick();
    await settle();
    expect(world.commits).toEqual([0, 5, 10]);
  });
});

describe('a partition that is being taken away', () => {
  it('finishes the batch in hand', async () => {
    const world = await World.of(20);
    const worker = world.worker();
    await world.run(worker, 10);
    world.broker.hold('end');
    const handled = world.handle(worker, 10, 20);
    await settle();
    world.stop.abort();
    world.broker.release();
    await handled;
    await worker.release(true);
    expect(world.committedAt).toBe(20);
    expect((await world.store.readState()).watermark).toBe(20);
  });
});
