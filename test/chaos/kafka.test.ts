import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { startKafka, type KafkaServer } from '../servers/kafka.ts';
import { freePorts } from '../servers/process.ts';
import { ask, until, type Program } from '../support/e2e-process.ts';
import { paced, Payments } from '../support/e2e-payments.ts';
import { REVEALING, startRun } from '../support/e2e-run.ts';
import { decidedAll, TestKafka, topicsOf } from '../support/e2e-topics.ts';
import { verify } from '../support/e2e-verify.ts';

/** The broker dies under load, is not there at start, or has no topics yet. */

const PARTITIONS = 2;

describe('Kafka', () => {
  const redis = inject('redis');
  let server: KafkaServer;
  let kafka: TestKafka;
  let run: Program | undefined;

  beforeAll(async () => {
    server = await startKafka();
    kafka = new TestKafka(server.bootstrap);
  });
  afterEach(async () => {
    await run?.kill9();
    run = undefined;
  });
  afterAll(async () => {
    await kafka?.close();
    await server?.stop();
  });

  it('killed under load and back: nothing is lost, and it goes on by itself', async () => {
    const topics = topicsOf('broker');
    const place = { kafka: server.bootstrap, redis, topics };
    const payments = new Payments({ seed: 31, users: 50, partitions: PARTITIONS });
    await kafka.createAll(topics, PARTITIONS);
    const load = paced(kafka, topics.transactions, payments, { count: 60_000, perSecond: 200 });
    const program = startRun(place, REVEALING);
    run = program;
    const decided = async (): Promise<number> => kafka.count(topics.decisions).catch(() => -1);
    await until('some payments are decided', async () => (await decided()) >= 400, { programs: [program] });
    await server.kill9();
    await until(
      'the log says that Kafka is away',
      () => program.log().some(({ level }) => level === 'warn' || level === 40),
      { programs: [program], timeoutMs: 30_000 },
    );
    await server.restart();
    const before = await decided();
    await until('it decides again', async () => (await decided()) > Math.max(400, before) + 300, {
      programs: [program],
    });
    load.stop();
    await load.done;
    const probes = payments.probes();
    await kafka.send(
      topics.transactions,
      probes.map((one) => payments.message(one)),
    );
    await decidedAll(kafka, topics, [program]);
    const outputs = await verify(kafka, topics);
    // What the test's own producer sent twice, for want of an answer, is decided as a repeat.
    expect(outputs.decisions.size).toBeGreaterThanOrEqual(load.sent + probes.length);
    expect(outputs.decisions.size).toBe(outputs.inputs.length);
    expect(outputs.deadLetters).toEqual([]);
    expect((await ask(program, '/readyz')).status).toBe(200);
    expect(await program.stop(), program.tail()).toBe(0);
  });

  it('away at start: it is waited for', async () => {
    const topics = topicsOf('broker-away');
    await kafka.createAll(topics, PARTITIONS);
    const payments = new Payments({ seed: 32, users: 10, partitions: PARTITIONS });
    await kafka.send(
      topics.transactions,
      payments.many(200).map((one) => payments.message(one)),
    );
    await server.shutdown();
    const program = startRun({ kafka: server.bootstrap, redis, topics }, REVEALING);
    run = program;
    await until(
      'the log says that it waits',
      () => program.log().some(({ message }) => message === 'waiting to start'),
      {
        programs: [program],
      },
    );
    expect((await ask(program, '/readyz')).status).toBe(503);
    expect((await ask(program, '/healthz')).status).toBe(200);
    await server.restart();
    await decidedAll(kafka, topics, [program]);
    expect((await verify(kafka, topics)).decisions.size).toBe(200);
    expect(await program.stop(), program.tail()).toBe(0);
  });

  it('without its topics: says which is missing, waits, and begins when they are there', async () => {
    const topics = topicsOf('no-topics');
    const program = startRun({ kafka: server.bootstrap, redis, topics }, REVEALING);
    run = program;
    await until(
      'the log names the missing topic',
      () => program.log().some((line) => JSON.stringify(line).includes('FS_KAFKA_TOPIC_MISSING')),
      { programs: [program] },
    );
    expect(program.stderr).toContain(topics.transactions);
    await kafka.createAll(topics, PARTITIONS);
    const payments = new Payments({ seed: 33, users: 10, partitions: PARTITIONS });
    await kafka.send(
      topics.transactions,
      payments.many(50).map((one) => payments.message(one)),
    );
    await decidedAll(kafka, topics, [program]);
    expect((await verify(kafka, topics)).decisions.size).toBe(50);
    expect(await program.stop(), program.tail()).toBe(0);
  });

  it('never there: SIGTERM ends the wait', async () => {
    const [port] = await freePorts(1);
    const program = startRun({ kafka: `127.0.0.1:${port}`, redis, topics: topicsOf('never') }, REVEALING);
    run = program;
    await until(
      'the log says that it waits',
      () => program.log().some(({ message }) => message === 'waiting to start'),
      {
        programs: [program],
      },
    );
    expect(await program.stop(10_000), program.tail()).toBe(0);
  });
});
