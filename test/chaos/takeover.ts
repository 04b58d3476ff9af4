import { sleep } from '../servers/process.ts';
import { until, type Program } from '../support/e2e-process.ts';
import { readLog } from '../support/e2e-log.ts';
import { decidedAll } from '../support/e2e-topics.ts';
import type { Stage } from './stage.ts';
import { inWorld, type World } from './world.ts';

/** How long payments wait when a processor dies, is restarted, or leaves, with the settings that it has by default. */

export interface Figure {
  readonly scenario: string;
  readonly rounds: number;
  /** ms */
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
  /** what p95 must not exceed, ms */
  readonly goal: number;
}

const GOAL_MS = { killed: 10_000, left: 1_500, restarted: 5_000 };
/** a gap that begins before the event is its own: decisions in hand come a moment later */
const BEFORE_MS = 200;
const PARTITIONS = 4;
/** what brokers do unless told otherwise: the first member of an empty group waits */
const BROKERS_AS_SHIPPED = { properties: { 'group.initial.rebalance.delay.ms': 3_000 } };
const USERS = 100_000;

/** One of two dies (kill -9), or leaves (SIGTERM): the longest time that a partition has no decision. */
export async function takeover(stage: Stage): Promise<Figure[]> {
  const rounds = stage.times(2, 20);
  const kafka = await stage.newKafka(BROKERS_AS_SHIPPED);
  const redis = (await stage.redis()).url;
  const world = { ...stage.world('takeover'), kafka: kafka.bootstrap, redis, partitions: PARTITIONS };
  return inWorld({ ...world, asShipped: true }, async (one) => {
    one.begin({ plain: true });
    let pair: [Program, Program] = [one.start(), one.start()];
    const events: { readonly kind: 'killed' | 'left'; readonly atMs: number }[] = [];
    for (const kind of ['killed', 'left'] as const) {
      for (let n = 1; n <= rounds; n++) {
        await balanced(one, pair);
        await one.moved(300);
        await one.between(0, 2_000);
        const [goes, stays] = n % 2 === 0 ? pair : [pair[1], pair[0]];
        events.push({ kind, atMs: Date.now() });
        goes.kill(kind === 'killed' ? 'SIGKILL' : 'SIGTERM');
        await until('it has ended', () => !goes.running, { timeoutMs: 40_000 });
        await until('the other has all partitions', () => held(stays) === PARTITIONS, { programs: [stays] });
        await one.moved(200);
        await sleep(500);
        pair = [stays, one.start()];
        one.say(`${kind} ${n} of ${rounds}`);
      }
    }
    await one.load?.stop();
    const times = await appendTimes(one);
    return (['killed', 'left'] as const).map((kind) => {
      const gaps = events.filter((event) => event.kind === kind).map(({ atMs }) => gapAt(times, atMs));
      const scenario = kind === 'killed' ? 'kill -9, a second instance runs' : 'SIGTERM, a second instance runs';
      return figure(scenario, gaps, GOAL_MS[kind]);
    });
  });
}

/** The only processor dies, and is started at once: from its start to the first decision. */
export async function restart(stage: Stage): Promise<Figure[]> {
  const rounds = stage.times(1, 10);
  const users = stage.long ? USERS : 2_000;
  const kafka = await stage.newKafka(BROKERS_AS_SHIPPED);
  const redis = (await stage.newRedis(true)).url;
  const world = { ...stage.world('restart'), kafka: kafka.bootstrap, redis, partitions: PARTITIONS, users };
  return inWorld({ ...world, asShipped: true }, async (one) => {
    // each user pays once, and is in the state
    await one.begin({ plain: true }).stop(300_000);
    let program = one.start();
    await decidedAll(one.kafka, one.place.topics, [program], 300_000);
    one.begin({ plain: true });
    const starts: number[] = [];
    for (let n = 1; n <= rounds; n++) {
      await one.moved(300);
      await one.between(0, 3_000);
      await program.kill9();
      starts.push(Date.now());
      program = one.start();
      await one.moved(200);
      one.say(`restart ${n} of ${rounds}`);
    }
    const times = await appendTimes(one);
    const waits = starts.map((atMs) =>
      Math.min(...times.map((of) => (of.find((ms) => ms >= atMs) ?? Infinity) - atMs)),
    );
    one.load?.kill();
    return [
      figure(`kill -9 and started at once, ${users.toLocaleString('en-US')} users in state`, waits, GOAL_MS.restarted),
    ];
  });
}

function figure(scenario: string, values: readonly number[], goal: number): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? NaN);
  return { scenario, rounds: sorted.length, p50: at(0.5), p95: at(0.95), max: at(1), goal };
}

/** When decisions were appended, by the broker's clock, per partition, ascending. */
async function appendTimes(world: World): Promise<number[][]> {
  const logs = await readLog(world.place.kafka, world.place.topics.decisions);
  return logs.map(({ records }) => records.map(({ timestampMs }) => timestampMs).sort((a, b) => a - b));
}

/** The longest gap, in any partition, that this moment lies in or that begins right behind it. */
function gapAt(times: readonly (readonly number[])[], atMs: number): number {
  let longest = 0;
  for (const of of times) {
    for (let k = 1; k < of.length; k++) {
      const [from, to] = [of[k - 1] as number, of[k] as number];
      if (to >= atMs && from <= atMs + BEFORE_MS) longest = Math.max(longest, to - Math.max(from, atMs - BEFORE_MS));
    }
  }
  return longest;
}

function held(program: Program): number {
  const line = program.log().findLast(({ message }) => message === 'partitions assigned');
  return String(line?.['partitions'] ?? '')
    .split(',')
    .filter((one) => /^\d+$/.test(one)).length;
}

async function balanced(world: World, pair: readonly Program[]): Promise<void> {
  const even = (): boolean => pair.every((program) => held(program) === PARTITIONS / pair.length);
  await until('both have a share', even, { programs: pair });
  await world.moved(100);
}
