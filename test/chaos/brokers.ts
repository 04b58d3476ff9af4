import type { KafkaServer } from '../servers/kafka.ts';
import { KAFKA_API, Proxy } from '../servers/proxy.ts';
import { freePorts, sleep } from '../servers/process.ts';
import type { Stage } from './stage.ts';
import { inWorld, type Outcome } from './world.ts';

/** Brokers that die, connections that break, answers that never come. */

const NODES = 3;

/** The only broker is killed under load, and comes back. */
export async function broker(stage: Stage): Promise<Outcome> {
  const kills = stage.times(1, 30);
  const kafka = await stage.newKafka();
  const redis = (await stage.redis()).url;
  return inWorld({ ...stage.world('broker'), kafka: kafka.bootstrap, redis }, async (world) => {
    world.begin();
    world.start();
    for (let n = 1; n <= kills; n++) {
      await world.moved(300, 120_000);
      await world.between(0, 1_500);
      await kafka.kill9();
      await world.between(0, 4_000);
      await kafka.restart();
      world.say(`broker kill ${n} of ${kills}, ${world.load?.sent} payments`);
    }
    await world.moved(300, 120_000);
    return world.finish(`${kills} kill -9 of the only broker`);
  });
}

/** One of three brokers, which are controllers too, is killed; two in-sync replicas must have each record. */
export async function brokers(stage: Stage): Promise<Outcome> {
  const kills = stage.times(1, 30);
  const kafka = await stage.newKafka({
    brokers: NODES,
    controllers: NODES,
    properties: { 'default.replication.factor': NODES, 'min.insync.replicas': 2 },
  });
  const redis = (await stage.redis()).url;
  const replicated = { replication: NODES, topicConfig: { 'min.insync.replicas': '2' } };
  return inWorld({ ...stage.world('brokers'), kafka: kafka.bootstrap, redis, ...replicated }, async (world) => {
    world.begin();
    world.start();
    world.start();
    for (let n = 1; n <= kills; n++) {
      await world.moved(300, 120_000);
      await world.between(0, 1_500);
      const node = 1 + Math.floor(world.random() * NODES);
      await kafka.kill9(node);
      await world.between(1_000, 10_000);
      await kafka.restart(node);
      // in sync again, else the next death would leave fewer than two
      await inSync(kafka, world.place.topics.decisions);
      world.say(`broker kill ${n} of ${kills} (node ${node}), ${world.load?.sent} payments`);
    }
    await world.moved(300, 120_000);
    return world.finish(`${kills} kill -9 of one of three brokers (RF 3, min ISR 2)`);
  });
}

async function inSync(kafka: KafkaServer, topic: string): Promise<void> {
  for (let tries = 0; tries < 30; tries++) {
    const { stdout, status } = await kafka.runTool('topics', ['--describe', '--under-replicated-partitions']);
    if (status === 0 && !stdout.includes('Topic:')) return;
    await sleep(1_000);
  }
  throw new Error(`${topic}: replicas do not come in sync`);
}

interface Proxied {
  readonly kafka: KafkaServer;
  readonly proxy: Proxy;
  /** of the broker itself, for the load and the judge's admin */
  readonly bootstrap: string;
}

/** A broker that tells its clients to come through a proxy. */
async function proxied(stage: Stage, random: () => number): Promise<Proxied> {
  const [port = 0] = await freePorts(1);
  const proxy = new Proxy(0, { protocol: 'kafka', random });
  proxy.port = port;
  await proxy.open();
  const kafka = await stage.newKafka({ advertisedPort: port });
  proxy.pointTo(Number(kafka.bootstrap.split(':')[1]));
  stage.kept({ stop: () => proxy.close() });
  return { kafka, proxy, bootstrap: `127.0.0.1:${port}` };
}

/** TCP connections to Kafka and to Redis are cut, and sometimes refused for a while. */
export async function cut(stage: Stage): Promise<Outcome> {
  const cuts = stage.times(4, 60);
  const { proxy, bootstrap } = await proxied(stage, Math.random);
  const redis = await stage.redis();
  const gate = new Proxy(redis.port, { protocol: 'bytes' });
  await gate.open();
  stage.kept({ stop: () => gate.close() });
  const place = { kafka: bootstrap, redis: `redis://127.0.0.1:${gate.port}` };
  return inWorld({ ...stage.world('cut'), ...place }, async (world) => {
    world.begin();
    world.start();
    for (let n = 1; n <= cuts; n++) {
      await world.moved(100, 120_000);
      await world.between(0, 1_000);
      const which = n % 3 === 0 ? [proxy, gate] : n % 3 === 1 ? [proxy] : [gate];
      if (world.random() < 0.5) for (const one of which) one.cut();
      else {
        await Promise.all(which.map((one) => one.close()));
        await world.between(200, 5_000);
        await Promise.all(which.map((one) => one.open()));
      }
      world.say(`cut ${n} of ${cuts}, ${world.load?.sent} payments`);
    }
    await world.moved(300, 120_000);
    const notes = { connections: proxy.cuts + gate.cuts };
    return world.finish(`${cuts} times all connections to Kafka, Redis or both cut, or refused for up to 5 s`, notes);
  });
}

const WRITES = [
  KAFKA_API.produce,
  KAFKA_API.endTxn,
  KAFKA_API.txnOffsetCommit,
  KAFKA_API.addOffsetsToTxn,
  KAFKA_API.addPartitionsToTxn,
  KAFKA_API.initProducerId,
];

/**
 * What was asked has happened, and the answer is lost: produced, committed, or fenced without knowing it (E1 of the
 * experiments, in which a client that aborts and goes on loses decisions in silence).
 */
export async function lostAnswers(stage: Stage): Promise<Outcome> {
  const losses = stage.times(6, 90);
  const { proxy, bootstrap } = await proxied(stage, Math.random);
  const redis = (await stage.redis()).url;
  const settings = { 'kafka.request-timeout': '2s' };
  return inWorld({ ...stage.world('lost-answers'), kafka: bootstrap, redis, settings }, async (world) => {
    world.begin();
    world.start();
    for (let n = 1; n <= losses; n++) {
      await world.moved(100, 120_000);
      await world.between(0, 300);
      const apis = n % 4 === 0 ? WRITES : [WRITES[n % WRITES.length] as number];
      proxy.lose({ clientId: world.place.topics.app, apis, share: n % 2 === 0 ? 1 : 0.3, close: n % 3 !== 0 });
      await world.between(300, 3_000);
      proxy.lose(null);
      world.say(`loss ${n} of ${losses}: ${proxy.lost} answers, ${world.load?.sent} payments`);
    }
    await world.moved(300, 120_000);
    const notes = { answersLost: proxy.lost };
    return world.finish(`${losses} times the answers to writes lost for up to 3 s, the writes done`, notes);
  });
}
