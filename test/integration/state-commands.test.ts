import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { RedisClient } from '../../src/state/redis/redis-client.ts';
import { inspected, jsonLines, StateWorld, type Answer, type Inspected } from './state-commands-world.ts';

const PARTITIONS = 3;

function good(answer: Answer): Answer {
  expect(answer.exitCode, `${answer.stdout}\n${answer.stderr}`).toBe(0);
  return answer;
}

async function redisCommand(...args: [string, ...string[]]): Promise<unknown> {
  const client = new RedisClient({ url: inject('redis'), commandTimeoutMs: 5_000, connectTimeoutMs: 5_000 });
  await client.ready();
  try {
    return await client.call(...args);
  } finally {
    await client.close();
  }
}

async function keysOf(app: string): Promise<string[]> {
  return ((await redisCommand('KEYS', `{${app}:*`)) as Buffer[]).map(String);
}

describe('state commands for a partition that is well', () => {
  const world = new StateWorld('state-well', { kafka: inject('kafka'), redis: inject('redis') });

  beforeAll(async () => {
    await world.open(PARTITIONS);
    await world.pay(3_000);
    await world.decideAll();
  });
  afterAll(() => world.close());

  it('inspect says where each stands, and that it would go on', async () => {
    good(await world.state('inspect', '--json'));
    let total = 0;
    for (const partition of await inspected(world)) {
      expect(partition).toMatchObject({ lag: 0, tail: 0, verdict: { ok: true, rebuilt: '' } });
      expect(partition.position.written_by).toBe('us');
      expect(partition.output.lastDecision).toBe(partition.position.offset - 1);
      total += partition.position.offset;
    }
    expect(total).toBe(3_000);
    const text = good(await world.state('inspect', '--partition', '1')).stdout;
    expect(text).toMatch(
      /\/1\n {2}log .*\n {2}position .*exactly-once.*\n {2}output .*\n {2}state .*complete from the beginning/,
    );
    expect(text).toContain('goes on at');
  });

  it('inspect shows the history of a user, without card or merchant in clear', async () => {
    const text = good(await world.state('inspect', '--user', 'u_5')).stdout;
    const rows = text.split('\n').filter((line) => line.includes('offset') && line.includes('merchant'));
    expect(rows.length).toBeGreaterThan(20);
    expect(text).not.toMatch(/c_5|m_\d/);
    const none = good(await world.state('inspect', '--user', 'nobody', '--partition', '0')).stdout;
    expect(none).toContain('history   none');
  });

  it('verify finds every history to be what the log says, and the one that is not', async () => {
    const lines = jsonLines(good(await world.state('verify', '--json')));
    expect(lines.map(({ ok, whole, differing, ahead }) => ({ ok, whole, differing, ahead }))).toEqual(
      Array.from({ length: PARTITIONS }, () => ({ ok: true, whole: true, differing: [], ahead: 0 })),
    );
    expect(lines.reduce((sum, { same }) => sum + (same as number), 0)).toBe(60);

    const keys = (await keysOf(world.topics.app)).filter((key) => key.includes(':u:'));
    const [victim, donor] = keys.filter((key) => key.startsWith(keys[0]!.split('}')[0]!));
    await redisCommand('COPY', donor!, victim!, 'REPLACE');
    const [missing] = keys.filter((key) => key !== victim && key !== donor);
    await redisCommand('DEL', missing!);
    const broken = await world.state('verify');
    expect(broken.exitCode).toBe(1);
    expect(broken.stdout).toContain(`user ${victim!.split(':u:')[1]} differs`);
    expect(broken.stdout).toContain(`user ${missing!.split(':u:')[1]} is missing`);
    expect(broken.stdout).toContain('fraudstream state rebuild');

    const dry = good(await world.state('rebuild'));
    expect(dry.stdout).toContain('Nothing was changed');
    expect((await world.state('verify')).exitCode).toBe(1);
    const done = good(await world.state('rebuild', '--apply'));
    expect(done.stdout).toMatch(/done: state at \d+, \d+ records folded/);
    good(await world.state('verify'));
    const [after] = await inspected(world, '--partition', '0');
    expect(after).toMatchObject({ tail: 0, verdict: { ok: true, rebuilt: '' } });
  });

  it('drop removes the state of the partitions that are named; the next start rebuilds it', async () => {
    good(await world.state('drop', '--partition', '2'));
    expect((await keysOf(world.topics.app)).some((key) => key.includes(':2}'))).toBe(true);
    good(await world.state('drop', '--partition', '2', '--apply'));
    expect((await keysOf(world.topics.app)).some((key) => key.includes(':2}'))).toBe(false);
    expect((await keysOf(world.topics.app)).some((key) => key.includes(':1}'))).toBe(true);
    await world.pay(60);
    await world.decideAll();
    good(await world.state('verify'));
    expect((await world.decisions()).length).toBe(3_060);
  });

  it('change nothing while the group has a member', async () => {
    const stop = new AbortController();
    const running = world.command(['run'], { 'http.enabled': false }, stop.signal);
    try {
      const deadline = Date.now() + 30_000;
      let answer = await world.state('drop', '--apply', '--partition', '0');
      while (answer.exitCode === 0 && Date.now() < deadline)
        answer = await world.state('drop', '--apply', '--partition', '0');
      expect(answer.exitCode).toBe(2);
      expect(answer.stderr).toContain('FS_GROUP_ACTIVE');
      for (const args of [['rebuild'], ['accept', '--skip'], ['rebase', '--from', 'latest'], ['repartition']]) {
        expect((await world.state(...args)).stderr).toContain('FS_GROUP_ACTIVE');
      }
      good(await world.state('inspect'));
    } finally {
      stop.abort('SIGTERM');
      await running;
    }
  });

  it('say what is wrong with how they are called', async () => {
    for (const [args, problem] of [
      [[], 'say what to do'],
      [['inspekt'], 'did you mean inspect'],
      [['accept'], 'say one of'],
      [['accept', '--skip', '--redecide'], 'say one of'],
      [['accept', '--skip', '--from', '7'], '--from goes with --log'],
      [['accept', '--log', '--to', '7'], '--to goes with'],
      [['accept', '--skip', '--to', '7'], 'one --partition'],
      [['accept', '--log', '--from', 'matching'], 'goes with rebase'],
      [['rebase'], '--from: is needed'],
      [['inspect', '--partition', '77'], 'there is no 77'],
      [['repartition', '--partition', '0'], 'takes all partitions'],
    ] as const) {
      const answer = await world.state(...args);
      expect([args, answer.exitCode]).toEqual([args, 2]);
      expect(answer.stderr).toContain(problem);
    }
  });
});

describe('accept', () => {
  let world: StateWorld;
  const newWorld = async (name: string): Promise<void> => {
    world = new StateWorld(name, { kafka: inject('kafka'), redis: inject('redis') });
    await world.open(1);
    await world.pay(200);
    await world.decideAll();
  };
  const verdict = async (): Promise<Inspected['verdict']> => (await inspected(world))[0]!.verdict;
  const decidedOffsets = async (): Promise<number[]> => (await world.decisions()).map((one) => one.input_offset);
  const upTo = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, k) => from + k);

  it('goes on where somebody set the position ahead: the records between stay undecided', async () => {
    await newWorld('accept-skip');
    await world.pay(50);
    await world.setOffset(0, 230);
    const stopped = await verdict();
    expect(stopped).toMatchObject({ ok: false, code: 'FS_POSITION_FOREIGN' });
    expect(stopped.reason).toContain('records 200 to 229');
    expect(await world.runUntil('FS_POSITION_FOREIGN')).toContain('FS_POSITION_FOREIGN');
    expect((await decidedOffsets()).length).toBe(200);

    const refused = await world.state('accept', '--redecide');
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('records 200 to 229 would be left undecided');
    const dry = good(await world.state('accept', '--skip'));
    expect(dry.stdout).toContain('records 200 to 229 are left undecided');
    expect(await verdict()).toMatchObject({ ok: false });
    good(await world.state('accept', '--skip', '--apply'));
    expect(await verdict()).toMatchObject({ ok: true, decides_from: 230 });
    await world.decideAll();
    expect(await decidedOffsets()).toEqual([...upTo(0, 200), ...upTo(230, 250)]);
    good(await world.state('verify'));
    await world.close();
  });

  it('decides again what somebody set the position back to, or goes on behind it', async () => {
    await newWorld('accept-redecide');
    await world.setOffset(0, 150);
    expect(await verdict()).toMatchObject({ ok: false, code: 'FS_POSITION_FOREIGN' });
    const refused = await world.state('accept', '--skip', '--apply');
    expect(refused.stderr).toContain('records 150 to 199 would be decided again');
    const done = good(await world.state('accept', '--redecide', '--apply'));
    expect(done.stdout).toContain('records 150 to 199 are decided again');
    expect(done.stdout).toContain('the state reaches 200: it is dropped');
    await world.decideAll();
    const decisions = await world.decisions();
    expect(decisions.map((one) => one.input_offset)).toEqual([...upTo(0, 200), ...upTo(150, 200)]);
    for (let k = 0; k < 50; k++) {
      const [first, again] = [decisions[150 + k]!, decisions[200 + k]!];
      expect({ ...again, decision_time: 0 }).toEqual({ ...first, decision_time: 0 });
    }
    good(await world.state('verify'));

    await world.setOffset(0, 100);
    good(await world.state('accept', '--skip', '--to', '200', '--partition', '0', '--apply'));
    await world.pay(10);
    await world.decideAll();
    expect((await decidedOffsets()).slice(250)).toEqual(upTo(200, 210));
    good(await world.state('verify'));
    await world.close();
  });

  it('finds the way back when the ledger group was deleted', async () => {
    await newWorld('accept-lost');
    await world.kafka.admin.deleteGroups([`${world.topics.app}.ledger`]);
    const stopped = await verdict();
    expect(stopped).toMatchObject({ ok: false, code: 'FS_POSITION_LOST' });
    expect(stopped.reason).toContain('--skip --to 200');
    const asked = await world.state('accept', '--skip', '--apply');
    expect(asked.stderr).toContain('say --to 200');
    good(await world.state('accept', '--skip', '--to', '200', '--partition', '0', '--apply'));
    await world.pay(10);
    await world.decideAll();
    expect(await decidedOffsets()).toEqual(upTo(0, 210));
    await world.close();
  });

  it('begins anew in a topic that was made anew', async () => {
    await newWorld('accept-log');
    const { admin } = world.kafka;
    await admin.deleteTopics({ topics: [world.topics.transactions] });
    await expect
      .poll(async () => (await admin.listTopics()).includes(world.topics.transactions), { timeout: 20_000 })
      .toBe(false);
    await world.settled(() => world.kafka.create([world.topics.transactions], 1));
    await world.pay(30);
    expect(await verdict()).toMatchObject({
      ok: false,
      code: expect.stringMatching(/FS_LOG_CHANGED|FS_POSITION_LOST/) as string,
    });
    const done = good(await world.state('accept', '--log', '--from', 'earliest', '--apply'));
    expect(done.stdout).toContain('records 0 to 29 are decided');
    await world.decideAll();
    expect(await decidedOffsets()).toEqual([...upTo(0, 200), ...upTo(0, 30)]);
    good(await world.state('verify'));
    await world.close();
  });

  it('changes the delivery mode', async () => {
    await newWorld('accept-delivery');
    const more = { delivery: 'at-least-once' };
    await world.pay(10);
    expect(await world.runUntil('FS_DELIVERY_CHANGED', more)).toContain('--delivery at-least-once');
    good(await world.state('accept', '--delivery', 'exactly-once', '--apply'));
    good(await world.state('accept', '--delivery', 'at-least-once', '--apply'));
    await world.decideAll(more);
    expect(await decidedOffsets()).toEqual(upTo(0, 210));
    await world.close();
  });
});
