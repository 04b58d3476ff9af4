import { afterAll, afterEach, describe, expect, inject, it } from 'vitest';
import { until, type Program } from '../support/e2e-process.ts';
import { paced, Payments } from '../support/e2e-payments.ts';
import { REVEALING, startRun } from '../support/e2e-run.ts';
import { decidedAll, TestKafka, topicsOf } from '../support/e2e-topics.ts';
import { verify } from '../support/e2e-verify.ts';

/** One of two processes is killed, and the other takes over; the only one is killed, and started again at once. */

const PARTITIONS = 4;
const SHORT_SESSION = { 'kafka.session-timeout': '6s' };
/** longer than anything here takes: it is not waited for */
const LONG_SESSION = { 'kafka.session-timeout': '5m' };

describe('kill -9', () => {
  const brokers = inject('kafka');
  const redis = inject('redis');
  const kafka = new TestKafka(brokers);
  const programs: Program[] = [];
  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.kill9()));
  });
  afterAll(() => kafka.close());

  it('of one of two processes: the other takes over, and no decision is missing', async () => {
    const topics = topicsOf('two');
    const place = { kafka: brokers, redis, topics };
    const payments = new Payments({ seed: 12, users: 60, partitions: PARTITIONS });
    const assigned = (program: Program): string =>
      String(program.log().findLast(({ message }) => message === 'partitions assigned')?.['partitions'] ?? 'none');
    const countOf = (program: Program): number =>
      assigned(program)
        .split(',')
        .filter((one) => /^\d+$/.test(one)).length;
    await kafka.createAll(topics, PARTITIONS);
    const load = paced(kafka, topics.transactions, payments, { count: 60_000, perSecond: 250 });
    const first = startRun(place, { ...REVEALING, ...SHORT_SESSION });
    programs.push(first);
    await until('the first has all partitions', () => countOf(first) === PARTITIONS, { programs: [first] });
    const second = startRun(place, { ...REVEALING, ...SHORT_SESSION });
    programs.push(second);
    await until('both have a share', () => countOf(first) === PARTITIONS / 2 && countOf(second) === PARTITIONS / 2, {
      programs: [first, second],
    });
    const before = await kafka.count(topics.decisions);
    await until('both decide', async () => (await kafka.count(topics.decisions)) > before + 500, { programs });
    await first.kill9();
    await until('the second has all partitions', () => countOf(second) === PARTITIONS, { programs: [second] });
    load.stop();
    await load.done;
    const probes = payments.probes();
    await kafka.send(
      topics.transactions,
      probes.map((one) => payments.message(one)),
    );
    await decidedAll(kafka, topics, [second]);
    const outputs = await verify(kafka, topics);
    // the producer of the test may write twice what was not answered: decided as a repeat
    expect(outputs.inputs.length).toBeGreaterThanOrEqual(load.sent + probes.length);
    expect(outputs.decisions.size).toBe(outputs.inputs.length);
    expect(await second.stop(), second.tail()).toBe(0);
  });

  it('of the only process: the next one does not wait for its session, and no decision is missing', async () => {
    const topics = topicsOf('again');
    const place = { kafka: brokers, redis, topics };
    const payments = new Payments({ seed: 13, users: 60, partitions: PARTITIONS });
    await kafka.createAll(topics, PARTITIONS);
    const load = paced(kafka, topics.transactions, payments, { count: 60_000, perSecond: 250 });
    for (let life = 1; life <= 3; life++) {
      const program = startRun(place, { ...REVEALING, ...LONG_SESSION });
      programs.push(program);
      const before = await kafka.count(topics.decisions);
      const decides = async (): Promise<boolean> => (await kafka.count(topics.decisions)) > before + 200;
      await until('it decides', decides, { programs: [program], timeoutMs: 60_000 });
      if (life < 3) await program.kill9();
    }
    load.stop();
    await load.done;
    const last = programs.slice(-1);
    await decidedAll(kafka, topics, last);
    const outputs = await verify(kafka, topics);
    expect(outputs.inputs.length).toBeGreaterThanOrEqual(load.sent);
    expect(outputs.decisions.size).toBe(outputs.inputs.length);
    expect(await last[0]?.stop(), last[0]?.tail()).toBe(0);
  });
});
