import { describe, expect, inject, it } from 'vitest';
import { rebase } from '../../src/commands/state-rebase.ts';
import { repartition } from '../../src/commands/state-repartition.ts';
import type { StateSession } from '../../src/commands/state-session.ts';
import type { EventRow } from '../../src/commands/state-view.ts';
import type { PartitionStore } from '../../src/state/store.ts';
import { partitionOf } from '../../src/transport/kafka/murmur2.ts';
import { jsonLines, StateWorld, type Answer } from './state-commands-world.ts';

/** Histories that change their log or their partition, also when that is cut short. */

const USERS = 60;

function good(answer: Answer): Answer {
  expect(answer.exitCode, `${answer.stdout}\n${answer.stderr}`).toBe(0);
  return answer;
}

async function openWorld(name: string, partitions: number, payments: number): Promise<StateWorld> {
  const world = new StateWorld(name, { kafka: inject('kafka'), redis: inject('redis') });
  await world.open(partitions);
  await world.pay(payments);
  await world.decideAll();
  return world;
}

/** What is stored of each user: event times and amounts, without offsets. */
async function historiesOf(world: StateWorld): Promise<Map<string, { partition: number; events: EventRow[] }>> {
  const found = new Map<string, { partition: number; events: EventRow[] }>();
  for (let k = 0; k < USERS; k++) {
    const user = `u_${k}`;
    for (const line of jsonLines(await world.state('inspect', '--json', '--user', user))) {
      const events = line['user_events'] as EventRow[] | null;
      if (events === null) continue;
      expect(found.has(user), `${user} is in two partitions`).toBe(false);
      found.set(user, { partition: line['partition'] as number, events });
    }
  }
  return found;
}

const withoutOffsets = (events: readonly EventRow[]): string[] =>
  events.map(({ event_time, amount_minor, merchant_hash }) => `${event_time} ${amount_minor} ${merchant_hash}`);

const halted = async (world: StateWorld): Promise<unknown[]> =>
  jsonLines(await world.state('inspect', '--json')).map(({ verdict }) => (verdict as { code?: string }).code ?? 'ok');

/** Lets a command die at its n-th write to a real partition, or before its n-th commit. */
function dying(session: StateSession, at: 'flush' | 'commit', n: number): void {
  let count = 0;
  const die = (): void => {
    if (++count >= n) throw new Error('killed');
  };
  if (at === 'commit') {
    const commit = session.commit.bind(session);
    session.commit = async (partition, position) => {
      die();
      await commit(partition, position);
    };
    return;
  }
  const storeOf = session.storeOf.bind(session);
  session.storeOf = async (partition): Promise<PartitionStore> => {
    const store = await storeOf(partition);
    const flush = store.flush.bind(store);
    store.flush = async (request) => {
      die();
      await flush(request);
    };
    return store;
  };
}

async function anew(world: StateWorld): Promise<void> {
  const { admin } = world.kafka;
  const { transactions } = world.topics;
  await admin.deleteTopics({ topics: [transactions] });
  await expect.poll(async () => (await admin.listTopics()).includes(transactions), { timeout: 20_000 }).toBe(false);
  await world.settled(() => world.kafka.create([transactions], world.partitions));
}

async function grow(world: StateWorld, partitions: number): Promise<void> {
  const { transactions, decisions, flagged, deadLetter } = world.topics;
  await world.kafka.admin.createPartitions({
    topicPartitions: [transactions, decisions, flagged, deadLetter].map((topic) => ({ topic, count: partitions })),
  });
  world.partitions = partitions;
  await world.reconnect();
  await expect
    .poll(async () => (await world.kafka.admin.fetchTopicOffsets(transactions).catch(() => [])).length, {
      timeout: 20_000,
    })
    .toBe(partitions);
}

describe('rebase', () => {
  it.each([
    ['at one go', null],
    ['also when it died half-way through the new state', ['flush', 2]],
    ['also when it died before the position was written', ['commit', 1]],
  ] as const)('keeps the histories in a topic that was made anew: %s', async (_, death) => {
    const world = await openWorld('rebase', 1, 400);
    const before = await historiesOf(world);
    await anew(world);
    await world.pay(40);
    const [code] = await halted(world);
    expect(['FS_LOG_CHANGED']).toContain(code);
    const dry = good(await world.state('rebase', '--from', 'earliest'));
    expect(dry.stdout).toContain('Nothing was changed');
    expect(await halted(world)).toEqual([code]);
    if (death !== null) {
      const { session, report } = await world.session('rebase', '--from', 'earliest');
      dying(session, death[0], death[1]);
      await expect(rebase(session, report)).rejects.toThrow('killed');
      await session.close();
      expect((await halted(world))[0]).not.toBe('ok');
    }
    good(await world.state('rebase', '--from', 'earliest', '--apply'));
    expect(good(await world.state('rebase', '--from', 'earliest', '--apply')).stdout).toContain('of this log already');
    const after = await historiesOf(world);
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    for (const [user, { events }] of after) {
      expect(withoutOffsets(events)).toEqual(withoutOffsets(before.get(user)!.events));
      expect(events.every(({ offset }) => offset !== null && offset < 0)).toBe(true);
    }
    expect(await halted(world)).toEqual(['ok']);
    await world.decideAll({ 'policy.flag-threshold': 0 });
    const decisions = await world.decisions();
    expect(decisions.slice(400).map((one) => one.input_offset)).toEqual(Array.from({ length: 40 }, (_one, k) => k));
    let events = 0;
    for (const { events: some } of (await historiesOf(world)).values()) events += some.length;
    expect(events).toBe(440);
    // what the fold of this log alone can tell is compared
    good(await world.state('verify'));
    await world.close();
  });
});

describe('rebase to a copy of the log', () => {
  it('goes on behind the record that was folded last, wherever the copy has it', async () => {
    const world = new StateWorld('copied', { kafka: inject('kafka'), redis: inject('redis') });
    await world.open(1);
    const all = await world.pay(300);
    await world.decideAll();
    await anew(world);
    // retention has taken the first ones before they were copied; others came after the fail-over
    await world.resend(all.slice(120));
    await world.pay(25);
    const dry = good(await world.state('rebase', '--from', 'matching'));
    expect(dry.stdout).toContain('records 0 to 179 of it are copies of what was folded before');
    good(await world.state('rebase', '--from', 'matching', '--apply'));
    expect(good(await world.state('rebase', '--from', 'matching')).stdout).toContain('of this log already');
    await world.decideAll();
    const decisions = await world.decisions();
    expect(decisions.slice(300).map((one) => one.input_offset)).toEqual(
      Array.from({ length: 25 }, (_one, k) => 180 + k),
    );
    let events = 0;
    for (const { events: some } of (await historiesOf(world)).values()) events += some.length;
    expect(events).toBe(325);
    await anew(world);
    await world.pay(5);
    const strange = await world.state('rebase', '--from', 'matching');
    expect(strange.exitCode).toBe(2);
    expect(strange.stderr).toContain('does not hold the record');
    await world.close();
  });
});

describe('repartition', () => {
  it.each([
    ['at one go', null],
    ['also when it died half-way through a new state', ['flush', 4]],
    ['also when it died before a position was written', ['commit', 3]],
  ] as const)('moves histories to where their users are now: %s', async (_, death) => {
    const world = await openWorld('repartition', 2, 900);
    const before = await historiesOf(world);
    expect(good(await world.state('repartition')).stdout).toContain('have 2 partitions already');
    await grow(world, 5);
    expect(await world.runUntil('FS_PARTITIONS_CHANGED')).toContain('fraudstream state repartition');
    const dry = good(await world.state('repartition'));
    expect(dry.stdout).toContain('had 2 partitions and has 5');
    expect(dry.stdout).toContain('Nothing was changed');
    if (death !== null) {
      const { session, report } = await world.session('repartition');
      dying(session, death[0], death[1]);
      await expect(repartition(session, report)).rejects.toThrow('killed');
      await session.close();
      expect(await halted(world)).toContain('FS_PARTITIONS_CHANGED');
    }
    const done = good(await world.state('repartition', '--apply'));
    if (death !== null) expect(done.stdout).toContain('goes on where it was cut short');
    expect(await halted(world)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    const after = await historiesOf(world);
    expect(after.size).toBe(USERS);
    for (const [user, { partition, events }] of after) {
      expect(partition).toBe(partitionOf(Buffer.from(user), 5));
      const was = before.get(user)!;
      expect(withoutOffsets(events)).toEqual(withoutOffsets(was.events));
      if (was.partition === partition) expect(events).toEqual(was.events);
      else expect(events.every(({ offset }) => offset !== null && offset < 0)).toBe(true);
    }
    await world.pay(300);
    await world.decideAll({ 'policy.flag-threshold': 0 });
    expect((await world.decisions()).length).toBe(1_200);
    let events = 0;
    for (const { events: some } of (await historiesOf(world)).values()) events += some.length;
    expect(events).toBe(1_200);
    expect(good(await world.state('repartition', '--apply')).stdout).toContain('have 5 partitions already');
    await world.close();
  });

  it('refuses while payments wait in partitions that are not those of their users any more', async () => {
    const world = await openWorld('strays', 2, 200);
    await world.pay(50);
    await grow(world, 5);
    const refused = await world.state('repartition', '--apply');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/undecided records, from \d+ on, of users who are in other partitions now/);
    expect(await halted(world)).toContain('FS_PARTITIONS_CHANGED');
    await world.close();
  });

  it('leaves to the next start what waits where it belongs', async () => {
    const world = await openWorld('waiting', 2, 200);
    await grow(world, 5);
    await world.pay(100);
    good(await world.state('repartition', '--apply'));
    await world.decideAll();
    expect((await world.decisions()).length).toBe(300);
    await world.close();
  });
});
