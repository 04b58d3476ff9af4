import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { KafkaClient, type KafkaLogger } from '../../src/transport/kafka/client.ts';
import { KafkaConsumer } from '../../src/transport/kafka/consumer.ts';
import { GroupOffsets } from '../../src/transport/kafka/offsets.ts';
import { KafkaProducer } from '../../src/transport/kafka/producer.ts';
import type { ProducerRecord } from '../../src/transport/kafka/produce-queue.ts';
import { createTopics } from '../../src/transport/kafka/topics.ts';
import { CollectingHandler, eventually } from '../servers/collecting-handler.ts';
import { startKafka, type KafkaServer } from '../servers/kafka.ts';
import { sleep } from '../servers/process.ts';

const PARTITIONS = 4;
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function begin(partitions = PARTITIONS): Promise<{ kafka: KafkaServer; client: KafkaClient; log: string[] }> {
  const kafka = await startKafka();
  closing.push(() => kafka.stop());
  const log: string[] = [];
  const logger: KafkaLogger = (level, message) => log.push(`${level} ${message}`);
  const client = new KafkaClient(
    { brokers: [kafka.bootstrap], clientId: 'faults', requestTimeoutMs: 5_000, connectTimeoutMs: 1_000 },
    logger,
  );
  await createTopics(
    client,
    ['in', 'out'].map((name) => ({ name, partitions, replication: 1 })),
  );
  return { kafka, client, log };
}

function newProducer(client: KafkaClient): KafkaProducer {
  const producer = new KafkaProducer(client, { deliveryTimeoutMs: 60_000, compression: 'lz4' });
  closing.push(() => producer.close());
  return producer;
}

function newConsumer(
  client: KafkaClient,
  handler: CollectingHandler,
  topic = 'in',
  groupId = `group-${topic}`,
): KafkaConsumer {
  const options = { groupId, topics: [topic], sessionTimeoutMs: 6_000, heartbeatMs: 200, batchRecordsMax: 50 };
  const consumer = new KafkaConsumer(client, options, handler);
  closing.push(() => consumer.stop());
  consumer.start();
  return consumer;
}

function newOffsets(client: KafkaClient, groupId: string): GroupOffsets {
  const offsets = new GroupOffsets(client, groupId);
  closing.push(() => offsets.close());
  return offsets;
}

const record = (topic: string, partition: number, value: string): ProducerRecord => ({
  topic,
  partition,
  key: null,
  value: Buffer.from(value),
  headers: null,
  timestampMs: -1,
});

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

describe('faults of a real Kafka', () => {
  it('kill -9 twice while producing, consuming, producing on and committing: nothing is lost or out of order', async () => {
    const { kafka, client } = await begin();
    const feeding = newProducer(client);
    const copying = newProducer(client);
    const offsets = newOffsets(client, 'group-in.ledger');
    const perPartition = 1_500;
    const feed = (async () => {
      for (let i = 0; i < perPartition; i++) {
        await feeding.send(Array.from({ length: PARTITIONS }, (_, partition) => record('in', partition, `${i}`)));
      }
    })();
    const handler = new CollectingHandler(
      async ({ topic, partition }) => (await offsets.read(topic, partition))?.offset ?? 0,
      async (batch) => {
        await copying.send(batch.records.map(({ value }) => record('out', batch.partition, String(value))));
        await offsets.commit(batch.topic, batch.partition, batch.nextOffset);
      },
    );
    newConsumer(client, handler);
    for (const at of [1_000, 3_000]) {
      await eventually(`${at} are copied`, () => handler.count >= at);
      await kafka.kill9();
      await sleep(500);
      await kafka.restart();
    }
    await feed;
    await eventually('all is copied', () =>
      [...handler.values.values()].every((list) => list.includes(`${perPartition - 1}`)),
    );
    expect(handler.faults).toEqual([]);
    const out = new CollectingHandler(() => Promise.resolve(0));
    newConsumer(client, out, 'out');
    const done = (): boolean =>
      out.values.size === PARTITIONS && [...out.values.values()].every((list) => list.includes(`${perPartition - 1}`));
    await eventually('the copy is read', done);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      // Idempotent feeding: each once. Copying is at least once: a batch may come again as a whole, never be missing.
      const copied = out.values.get(partition) ?? [];
      const first = copied.filter((value, i) => copied.indexOf(value) === i);
      expect(first).toEqual(numbers(perPartition));
    }
  });

  it('a frozen broker is waited for, and work goes on when it thaws', async () => {
    const { kafka, client } = await begin();
    const producer = newProducer(client);
    const handler = new CollectingHandler(() => Promise.resolve(0));
    newConsumer(client, handler);
    await producer.send(Array.from({ length: PARTITIONS }, (_, partition) => record('in', partition, 'before')));
    await eventually('read', () => handler.count >= PARTITIONS);
    kafka.signal('SIGSTOP');
    const sent = producer.send(Array.from({ length: PARTITIONS }, (_, partition) => record('in', partition, 'during')));
    await sleep(9_000);
    kafka.signal('SIGCONT');
    await sent;
    const all = (): boolean =>
      handler.values.size === PARTITIONS && [...handler.values.values()].every((list) => list.includes('during'));
    await eventually('read after the thaw', all);
    expect(handler.faults).toEqual([]);
  });

  it('a consumer and a producer that start before Kafka is there go on by themselves', async () => {
    const { kafka, client } = await begin();
    await kafka.kill9();
    const producer = newProducer(client);
    const sent = producer.send([record('in', 0, 'early')]);
    const handler = new CollectingHandler(() => Promise.resolve(0));
    const consumer = newConsumer(client, handler);
    await eventually('the consumer says so', () => consumer.progress().error?.code === 'FS_KAFKA_UNAVAILABLE');
    await kafka.restart();
    await sent;
    await eventually('read', () => handler.count >= 1);
    expect(consumer.progress()).toMatchObject({ state: 'joined', error: null });
  });

  it('rebalances: no batch runs after a revocation, every record is handled by its owner, none is missing', async () => {
    const { client } = await begin(6);
    const producer = newProducer(client);
    const offsets = newOffsets(client, 'group-in.ledger');
    const perPartition = 1_200;
    const owners = new Map<number, number>();
    const faults: string[] = [];
    const handled = new Map<number, Set<string>>();
    const member = (id: number): CollectingHandler =>
      new CollectingHandler(
        async ({ topic, partition }) => {
          const owner = owners.get(partition);
          if (owner !== undefined) faults.push(`${partition} given to ${id} while ${owner} has it`);
          owners.set(partition, id);
          return (await offsets.read(topic, partition))?.offset ?? 0;
        },
        async (batch) => {
          await sleep(15);
          if (owners.get(batch.partition) !== id) faults.push(`${id} works on ${batch.partition}`);
          await offsets.commit(batch.topic, batch.partition, batch.nextOffset);
          const set = handled.get(batch.partition) ?? new Set();
          handled.set(batch.partition, set);
          for (const { value } of batch.records) {
            if (set.has(String(value))) faults.push(`${batch.partition}: ${String(value)} twice`);
            set.add(String(value));
          }
        },
      );
    const handlers = [0, 1, 2].map((id) => {
      const handler = member(id);
      const revoked = handler.onRevoked.bind(handler);
      handler.onRevoked = async (partitions) => {
        await revoked(partitions);
        for (const { partition } of partitions) if (owners.get(partition) === id) owners.delete(partition);
      };
      return handler;
    });
    const start = (id: number): KafkaConsumer => newConsumer(client, handlers[id] as CollectingHandler);
    const feed = (async () => {
      for (let i = 0; i < perPartition; i += 10) {
        const batch = Array.from({ length: 60 }, (_, j) => record('in', j % 6, `${i + Math.floor(j / 6)}`));
        await producer.send(batch);
      }
    })();
    const total = (): number => [...handled.values()].reduce((sum, set) => sum + set.size, 0);
    const first = start(0);
    await eventually('some', () => total() > 500);
    const second = start(1);
    await eventually('two members share', () => second.progress().partitions.length === 3);
    await eventually('more', () => total() > 2_000);
    start(2);
    await eventually('three members share', () => first.progress().partitions.length === 2);
    await first.stop();
    await eventually('two are left', () => second.progress().partitions.length === 3);
    await feed;
    await eventually('all', () => total() === 6 * perPartition);
    expect(faults).toEqual([]);
    for (const handler of handlers) expect(handler.faults).toEqual([]);
  });

  it('a member that is silent too long is told so when it asks, and another goes on', async () => {
    const { kafka, client } = await begin(1);
    const producer = newProducer(client);
    const offsets = newOffsets(client, 'group-in.ledger');
    await producer.send(numbers(10).map((value) => record('in', 0, value)));
    let release: () => void = () => undefined;
    let outcome = '';
    const slow = new CollectingHandler(
      () => Promise.resolve(0),
      async (_batch, partition) => {
        await new Promise<void>((done) => {
          release = done;
        });
        await partition.confirm().then(
          () => (outcome = 'ours'),
          (error: { code: string }) => (outcome = error.code),
        );
      },
    );
    const consumer = new KafkaConsumer(
      client,
      { groupId: 'group-in', topics: ['in'], sessionTimeoutMs: 6_000, heartbeatMs: 200, rebalanceTimeoutMs: 2_000 },
      slow,
    );
    closing.push(() => consumer.stop());
    consumer.start();
    await eventually('the first has it', () => slow.owned.size === 1 && consumer.progress().state === 'joined');
    await sleep(300);
    const fast = new CollectingHandler(
      () => Promise.resolve(0),
      (batch) => offsets.commit(batch.topic, batch.partition, batch.nextOffset, 'second'),
    );
    // Members are dealt to in the order of their ids, which begin with the client's: the other gets the partition.
    const first = new KafkaClient({ brokers: [kafka.bootstrap], clientId: 'a' }, () => undefined);
    newConsumer(first, fast);
    await eventually('the other handles all', () => fast.count >= 10, 30_000);
    release();
    await eventually('the late question is answered', () => outcome !== '');
    expect(outcome).toBe('FS_KAFKA_FENCED');
    expect(await offsets.read('in', 0)).toEqual({ offset: 10, metadata: 'second' });
    expect(fast.faults).toEqual([]);
  });

  it('a batch that the disk has corrupted is one bad batch, after it was fetched twice', async () => {
    const { kafka, client } = await begin(1);
    const producer = new KafkaProducer(client, { compression: 'none' });
    for (const value of ['first', 'corrupted-one', 'third']) await producer.send([record('in', 0, value)]);
    await producer.close();
    await kafka.shutdown();
    const folder = join(kafka.folder, 'node-1', 'in-0');
    const file = join(folder, readdirSync(folder).find((name) => name.endsWith('.log')) as string);
    const bytes = readFileSync(file);
    const at = bytes.indexOf('corrupted-one');
    bytes[at] = 0x43;
    writeFileSync(file, bytes);
    await kafka.restart();
    const handler = new CollectingHandler(() => Promise.resolve(0));
    newConsumer(client, handler);
    await eventually('both others are read', () => handler.count >= 2);
    expect(handler.values.get(0)).toEqual(['first', 'third']);
    expect(handler.bad.length).toBe(1);
    expect(handler.bad[0]).toMatchObject({ firstOffset: 1, lastOffset: 1, nextOffset: 2 });
    expect(handler.bad[0]?.error.code).toBe('FS_BATCH_CORRUPT');
    expect(handler.bad[0]?.bytes.includes('Corrupted-one')).toBe(true);
  });
});
