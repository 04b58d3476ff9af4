import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { startRedis, type RedisServer } from '../servers/redis.ts';
import { sleep } from '../servers/process.ts';
import { ask, until, type Program } from '../support/e2e-process.ts';
import { paced, Payments, type Load } from '../support/e2e-payments.ts';
import { REVEALING, startRun, type Place, type Settings } from '../support/e2e-run.ts';
import { decidedAll, TestKafka, topicsOf } from '../support/e2e-topics.ts';
import { verify, type Outputs } from '../support/e2e-verify.ts';

/** Redis dies, freezes, forgets; the log is the truth. */

const PARTITIONS = 2;
const KILLED_MS = 15_000;
const FROZEN_MS = 10_000;

describe('Redis', () => {
  const brokers = inject('kafka');
  let kafka: TestKafka;
  let redis: RedisServer;
  let run: Program | undefined;

  beforeEach(async () => {
    kafka = new TestKafka(brokers);
    redis = await startRedis({ persistence: true });
  });
  afterEach(async () => {
    await run?.kill9();
    run = undefined;
    redis.signal('SIGCONT');
    await redis.stop();
    await kafka.close();
  });

  interface Trial {
    readonly place: Place;
    readonly payments: Payments;
    readonly load: Load;
    readonly program: Program;
  }

  /** A run under load that has decided some payments. */
  async function begin(name: string, more: Settings = {}): Promise<Trial> {
    const topics = topicsOf(name);
    const place = { kafka: brokers, redis: redis.url, topics };
    const payments = new Payments({ seed: 21, users: 50, partitions: PARTITIONS });
    await kafka.createAll(topics, PARTITIONS);
    const load = paced(kafka, topics.transactions, payments, { count: 60_000, perSecond: 150 });
    const program = startRun(place, { ...REVEALING, ...more });
    run = program;
    await moved({ place, payments, load, program }, 300);
    return { place, payments, load, program };
  }

  async function moved({ place, program }: Trial, count: number): Promise<void> {
    const before = await kafka.count(place.topics.decisions);
    await until(`${count} more decisions`, async () => (await kafka.count(place.topics.decisions)) >= before + count, {
      programs: [program],
    });
  }

  async function readiness(program: Program, status: number): Promise<string> {
    let body = '';
    await until(
      `/readyz answers ${status}`,
      async () => {
        const answer = await ask(program, '/readyz');
        body = answer.body;
        return answer.status === status;
      },
      { timeoutMs: 30_000, programs: [program] },
    );
    return body;
  }

  /** The load ends, every user pays once more, all is decided and recounted. */
  async function end({ place, payments, load, program }: Trial): Promise<Outputs> {
    load.stop();
    await load.done;
    const probes = payments.probes();
    await kafka.send(
      place.topics.transactions,
      probes.map((one) => payments.message(one)),
    );
    await decidedAll(kafka, place.topics, [program]);
    const outputs = await verify(kafka, place.topics);
    // the producer of the test may write twice what was not answered: decided as a repeat
    expect(outputs.inputs.length).toBeGreaterThanOrEqual(load.sent + (load.extra ?? 0) + probes.length);
    expect(outputs.decisions.size).toBe(outputs.inputs.length);
    expect(outputs.deadLetters).toEqual([]);
    expect(await program.stop(), program.tail()).toBe(0);
    return outputs;
  }

  it('killed for a while: nothing is lost, health says why, and it goes on by itself', async () => {
    const trial = await begin('redis-killed');
    await redis.kill9();
    const body = await readiness(trial.program, 503);
    expect(body).toContain('store');
    await sleep(KILLED_MS);
    expect((await ask(trial.program, '/healthz')).status).toBe(200);
    await redis.restart();
    await readiness(trial.program, 200);
    await moved(trial, 200);
    await end(trial);
  });

  it('frozen for a while: the same', async () => {
    const trial = await begin('redis-frozen');
    redis.signal('SIGSTOP');
    await sleep(FROZEN_MS);
    await readiness(trial.program, 503);
    redis.signal('SIGCONT');
    await readiness(trial.program, 200);
    await moved(trial, 200);
    await end(trial);
  });

  it('wiped while it runs: the state is made anew from the log', async () => {
    const trial = await begin('redis-wiped');
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    await until(
      'the state is rebuilt',
      () =>
        trial.program
          .log()
          .some(({ message }) => message === 'folding what was decided' || message === 'partition begins anew'),
      { programs: [trial.program] },
    );
    await moved(trial, 200);
    await end(trial);
  });

  it('wiped between two runs: the same', async () => {
    const trial = await begin('redis-between');
    expect(await trial.program.stop(), trial.program.tail()).toBe(0);
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    run = startRun(trial.place, REVEALING);
    await end({ ...trial, program: run });
  });

  it('away at start: it is waited for', async () => {
    const topics = topicsOf('redis-away');
    const place = { kafka: brokers, redis: redis.url, topics };
    const payments = new Payments({ seed: 22, users: 20, partitions: PARTITIONS });
    await kafka.createAll(topics, PARTITIONS);
    await redis.shutdown();
    run = startRun(place, REVEALING);
    const program = run;
    await until('the log says that Redis is away', () => program.log().some(({ message }) => message === 'Redis'), {
      programs: [program],
    });
    await kafka.send(
      topics.transactions,
      payments.many(100).map((one) => payments.message(one)),
    );
    expect(await readiness(program, 503)).toContain('store');
    await redis.restart();
    await readiness(program, 200);
    const load = { sent: 100, stop: () => undefined, done: Promise.resolve() };
    await end({ place, payments, load, program });
  });

  it('away, and the policy is to decide without history: it does, says so, and folds what it decided later', async () => {
    const trial = await begin('redis-without', {
      'state.on-unavailable': 'decide-without-history',
      'state.cache-bytes': '1MiB',
    });
    await redis.kill9();
    // users that are not in memory, in each partition
    const strangers = [1_000, 1_001].map((user) => trial.payments.next({ user_id: `u_${user}` }));
    await kafka.send(
      trial.place.topics.transactions,
      strangers.map((one) => trial.payments.message(one)),
    );
    trial.load.extra = strangers.length;
    await moved(trial, 300);
    await redis.restart();
    await readiness(trial.program, 200);
    await until(
      'it folds what it decided without history',
      () => trial.program.log().filter(({ message }) => message === 'partition acquired').length >= 2 * PARTITIONS,
      { programs: [trial.program] },
    );
    await moved(trial, 100);
    const { decisions } = await end(trial);
    const without = [...decisions.values()].filter(({ degraded }) => degraded.includes('no-history'));
    expect(without.length).toBeGreaterThan(0);
    expect(without.every(({ exact }) => !exact)).toBe(true);
  });
});
