import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { settle, undisturbed, World } from '../../support/pipeline-world.ts';

describe('state is written', () => {
  it('never while a batch is in hand', async () => {
    const world = await World.of(20);
    const worker = world.worker({ flushIntervalMs: 1_000 });
    await world.run(worker, 10);
    world.clock.advance(5_000);
    world.broker.hold('end');
    const handled = world.handle(worker, 10, 20);
    await settle();
    worker.tick();
    await settle();
    expect(world.store.count('flush')).toBe(0);
    world.broker.release();
    await handled;
    await settle();
    expect(world.store.requests.map((one) => one.watermark)).toEqual([20]);
  });

  it('never of a batch that failed: it was folded, and is not committed', async () => {
    const world = await World.of(20);
    const worker = world.worker({ flushIntervalMs: 1_000 });
    await world.run(worker, 10);
    world.broker.fail('produce', 'before', new FraudstreamError('FS_KAFKA_REFUSED', 'not allowed'));
    await expect(world.handle(worker, 10, 20)).rejects.toMatchObject({ code: 'FS_KAFKA_REFUSED' });
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
    world.broker.hold('end');
    const handled = world.handle(worker, 10, 20);
    await settle();
    await worker.release(true);
    world.broker.release();
    await handled;
    worker.tick();
    await settle();
    // Its histories are gone from memory: a watermark without them would lose what they held.
    expect(world.store.requests.map((one) => one.watermark)).toEqual([]);
    expect(world.budget).toMatchObject({ bytes: 0, entries: 0 });
    await world.run(world.worker(), 20);
    expect(world.visible()).toEqual(await undisturbed(20));
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
