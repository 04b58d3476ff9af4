import { describe, expect, it } from 'vitest';
import { RunGroup, type GroupOptions } from '../../../src/commands/run-group.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import type { AssignedPartition } from '../../../src/transport/kafka/partition-task.ts';
import type { BadBatch } from '../../../src/transport/kafka/record-stream.ts';
import { partitionOf } from '../../../src/transport/kafka/murmur2.ts';
import { decisionOf, engineOf } from '../../support/pipeline-engine.ts';
import { APP, settle, undisturbed, WORKER_OPTIONS, World } from '../../support/pipeline-world.ts';

const PARTITIONS = 3;

async function setUp(options: Partial<GroupOptions> = {}) {
  const world = await World.of(10);
  const assignments: (readonly number[])[] = [];
  const misplaced: number[] = [];
  const group = new RunGroup(
    {
      app: APP,
      processId: 'p1',
      engine: () => engineOf(world.plan, world.clock),
      store: {
        open: () => Promise.resolve(world.store),
        ping: () => Promise.resolve(),
        close: () => Promise.resolve(),
      },
      budget: world.budget,
      inputOf: () => world,
      publisherOf: () => world.publisher(),
      ledger: world.broker,
      outputLog: world.broker,
      clock: world.clock,
      log: world.logger(),
      observer: { ...world.observer(), misplaced: (records) => misplaced.push(records) },
      pause: (ms) => world.pause(ms),
      onAssignment: (partitions) => assignments.push(partitions),
      partitionCount: () => PARTITIONS,
    },
    { ...WORKER_OPTIONS, partitioner: 'off', ...options },
  );
  const assign = (generation = 1): AssignedPartition => ({
    topic: 'transactions',
    partition: 0,
    generation,
    signal: new AbortController().signal,
    confirm: () => Promise.resolve(),
    beginAnew: () => undefined,
  });
  const handle = (assigned: AssignedPartition, from: number, to: number): Promise<void> =>
    group.onBatch({ ...world.batch(from, to), nextOffset: to }, assigned);
  return { world, group, assignments, misplaced, assign, handle };
}

describe('the partitions of a member', () => {
  it('have a worker each, from assignment to revocation', async () => {
    const { world, group, assignments, assign, handle } = await setUp();
    const assigned = assign();
    expect(await group.onAssigned(assigned)).toBe(0);
    expect(group.partitions).toEqual([0]);
    expect(group.stores).toEqual([{ topic: 'transactions', partition: 0, store: world.store }]);
    await handle(assigned, 0, 10);
    expect(world.visible()).toEqual(await undisturbed(10));
    await group.onRevoked([assigned], false);
    expect(group.partitions).toEqual([]);
    expect(assignments).toEqual([[0], []]);
    expect((await world.store.readState()).watermark).toBe(10);
    await expect(handle(assigned, 10, 10)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
  });

  it('keep their worker when they are acquired anew', async () => {
    const { world, group, assignments, assign, handle } = await setUp();
    const assigned = assign();
    await group.onAssigned(assigned);
    world.broker.fail('end', 'before');
    await expect(handle(assigned, 0, 10)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    expect(await group.onAssigned(assigned)).toBe(0);
    expect(assignments).toEqual([[0]]);
    await handle(assigned, 0, 10);
    expect(world.committedAt).toBe(10);
  });

  it('that were lost are not flushed', async () => {
    const { world, group, assign, handle } = await setUp();
    const assigned = assign();
    await group.onAssigned(assigned);
    await handle(assigned, 0, 10);
    await group.onRevoked([assigned], true);
    expect(world.store.count('flush')).toBe(0);
  });

  it('a flush that fails at revocation is said, and stops nothing', async () => {
    const { world, group, assign, handle } = await setUp();
    const assigned = assign();
    await group.onAssigned(assigned);
    await handle(assigned, 0, 10);
    world.store.fail('flush', 'conflict');
    await group.onRevoked([assigned], false);
    expect(world.warnings).toContain('state was not flushed at release');
  });

  it('of an earlier generation take nothing from the present one', async () => {
    const { world, group, assign, handle } = await setUp();
    const [old, present] = [assign(1), assign(2)];
    await group.onAssigned(old);
    await group.onAssigned(present);
    await expect(handle(old, 0, 5)).rejects.toMatchObject({ code: 'FS_KAFKA_FENCED' });
    await group.onRevoked([old], true);
    expect(group.partitions).toEqual([0]);
    await handle(present, 0, 5);
    expect(world.committedAt).toBe(5);
  });

  it('are flushed by the timer', async () => {
    const { world, group, assign, handle } = await setUp({ flushIntervalMs: 1_000 });
    const assigned = assign();
    await group.onAssigned(assigned);
    await handle(assigned, 0, 5);
    world.clock.advance(2_000);
    group.tick();
    await settle();
    expect((await world.store.readState()).watermark).toBe(5);
  });
});

describe('a record in another partition than that of its key', () => {
  async function decided(partitioner: GroupOptions['partitioner']) {
    const set = await setUp({ partitioner });
    set.world.log[0] = { ...set.world.log[0]!, key: null };
    const assigned = set.assign();
    await set.group.onAssigned(assigned);
    await set.handle(assigned, 0, 10);
    const wrong = set.world.log.filter(({ key }) => key !== null && partitionOf(key, PARTITIONS) !== 0);
    return { ...set, wrong };
  }

  it('is counted, and decided', async () => {
    const { world, misplaced, wrong } = await decided('count');
    expect(wrong.length).toBeGreaterThan(0);
    expect(wrong.length).toBeLessThan(9);
    expect(misplaced).toEqual([wrong.length]);
    expect(world.sink.of('decisions')).toHaveLength(10);
  });

  it('strictly, is a dead letter; one without a key is decided', async () => {
    const { world, misplaced, wrong } = await decided('strict');
    expect(misplaced).toEqual([wrong.length]);
    const codes = world.sink.of('dead-letter').map(({ headers }) => String(headers!['fraudstream.error.code']));
    expect(codes).toEqual(wrong.map(() => 'FS_INPUT_PARTITIONER'));
    const offsets = world.sink.of('decisions').map((one) => decisionOf(one).input_offset);
    expect(offsets).toHaveLength(10 - wrong.length);
    expect(offsets).toContain(0);
  });

  it('is not looked for when that is off', async () => {
    const { world, misplaced } = await decided('off');
    expect(misplaced).toEqual([]);
    expect(world.sink.of('decisions')).toHaveLength(10);
  });
});

it('a batch that cannot be read is one dead letter, and is passed', async () => {
  const { world, group, assign, handle } = await setUp();
  const assigned = assign();
  await group.onAssigned(assigned);
  await handle(assigned, 0, 5);
  const bad: BadBatch = {
    kind: 'bad',
    topic: 'transactions',
    partition: 0,
    firstOffset: 5,
    lastOffset: 7,
    nextOffset: 8,
    timestampMs: -1,
    error: new FraudstreamError('FS_BATCH_CORRUPT', 'crc'),
    bytes: Buffer.from('broken'),
    truncated: false,
  };
  await group.onBadBatch(bad, assigned);
  const [letter] = world.sink.of('dead-letter');
  expect(String(letter!.headers!['fraudstream.error.code'])).toBe('FS_BATCH_CORRUPT');
  expect(letter!.value!.toString()).toBe('broken');
  expect(world.position).toMatchObject({ offset: 8, lastDecision: 4, mark: { lastOffset: -1 } });
  await handle(assigned, 8, 10);
  expect(world.committedAt).toBe(10);
});
