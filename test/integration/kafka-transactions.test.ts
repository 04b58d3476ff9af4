import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { KafkaClient } from '../../src/transport/kafka/client.ts';
import { KafkaConsumer } from '../../src/transport/kafka/consumer.ts';
import { LogReader } from '../../src/transport/kafka/log-reader.ts';
import { GroupOffsets } from '../../src/transport/kafka/offsets.ts';
import { KafkaProducer } from '../../src/transport/kafka/producer.ts';
import { createTopics } from '../../src/transport/kafka/topics.ts';
import { KafkaTransactionRequests } from '../../src/transport/kafka/transaction-requests.ts';
import { codeOf, CollectingHandler, eventually } from '../servers/collecting-handler.ts';
import { startKafka } from '../servers/kafka.ts';
import { recordOf, TransactionSteps, unlessBusy } from './kafka-transaction-steps.ts';

const bootstrap = inject('kafka');
const client = new KafkaClient({ brokers: [bootstrap], clientId: 'test' }, () => undefined);
const requests = new KafkaTransactionRequests(client, { compression: 'lz4' });
const reader = new LogReader(client);
const opened: { close(): Promise<void> }[] = [requests, reader];
/** brokers commit offsets only of topics that exist */
const INPUT = `transactions-in-${process.pid}-${Date.now()}`;
let made = 0;

async function newTopic(partitions = 1): Promise<string> {
  const name = `transactions-${process.pid}-${Date.now()}-${made++}`;
  await createTopics(client, [{ name, partitions, replication: 1 }]);
  return name;
}

function newLedger(group: string): GroupOffsets {
  const ledger = new GroupOffsets(client, group);
  opened.push(ledger);
  return ledger;
}

/** All that a read-committed reader sees of a partition now. */
async function committed(topic: string, partition = 0): Promise<string[]> {
  const values: string[] = [];
  const stretch = { topic, partition, from: 0, to: Infinity, recordsMax: 1_000, bytesFirst: 65_536 };
  await reader.read(stretch, (records) => {
    for (const { value } of records) values.push(String(value));
    return true;
  });
  return values;
}

/** Markers are written after the answer to the commit. */
async function eventuallyCommitted(topic: string, values: readonly string[]): Promise<void> {
  await eventually(
    `${values.length} records of ${topic}`,
    async () => (await committed(topic)).length >= values.length,
  );
  expect(await committed(topic)).toEqual(values);
}

beforeAll(async () => {
  await createTopics(client, [{ name: INPUT, partitions: 3, replication: 1 }]);
});

afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
});

describe('transactions', () => {
  it('E0: the first transaction of a cluster that has no coordinators yet', async () => {
    const kafka = await startKafka({ heapMiB: 256 });
    const fresh = new KafkaClient({ brokers: [kafka.bootstrap], clientId: 'test' }, () => undefined);
    const first = new KafkaTransactionRequests(fresh);
    const ledger = new GroupOffsets(fresh, 'app.ledger');
    try {
      await createTopics(
        fresh,
        [INPUT, 'out'].map((name) => ({ name, partitions: 1, replication: 1 })),
      );
      const steps = new TransactionSteps(first, 'app-in-0');
      await steps.init();
      await steps.add('out');
      await steps.write('out', ['decision']);
      await steps.position('app.ledger', { topic: INPUT, partition: 0, offset: 7, metadata: 'fs1 7' });
      await steps.end(true);
      await steps.init(); // without it the answer may be the position before
      expect(await ledger.read(INPUT, 0)).toEqual({ offset: 7, metadata: 'fs1 7' });
    } finally {
      await Promise.all([first.close(), ledger.close()]);
      await kafka.stop();
    }
  });

  it('records and offset become visible together, or not at all', async () => {
    const [out, dead] = [await newTopic(3), await newTopic(1)];
    const ledger = newLedger(`${out}.ledger`);
    const steps = new TransactionSteps(requests, `${out}-0`);
    await steps.init();
    for (const commit of [true, false]) {
      await unlessBusy(() =>
        requests.addPartitions(steps.now, [
          { topic: out, partition: 2 },
          { topic: dead, partition: 0 },
          { topic: out, partition: 1 },
        ]),
      );
      const sequence = commit ? 0 : 2;
      const two = [recordOf('a'), recordOf('b')];
      await requests.produce(steps.now, [
        { topic: out, partition: 2, sequence, records: two },
        { topic: dead, partition: 0, sequence, records: two },
        { topic: out, partition: 1, sequence, records: two },
      ]);
      await steps.position(`${out}.ledger`, { topic: INPUT, partition: 2, offset: commit ? 5 : 9, metadata: 'x' });
      if (commit) expect(await ledger.read(INPUT, 2)).toBe(null);
      await steps.end(commit);
    }
    await steps.init();
    for (const [topic, partition] of [
      [out, 1],
      [out, 2],
      [dead, 0],
    ] as const) {
      expect(await committed(topic, partition)).toEqual(['a', 'b']);
    }
    expect(await ledger.read(INPUT, 2)).toEqual({ offset: 5, metadata: 'x' });
    expect(await ledger.read(INPUT, 1)).toBe(null);
  });

  it('what cannot be is refused: no such topic, no such partition, a record that is too large', async () => {
    const topic = await newTopic();
    const steps = new TransactionSteps(requests, `${topic}-0`);
    await steps.init();
    expect(await codeOf(steps.add('no-such-topic'))).toBe('FS_KAFKA_TOPIC_MISSING');
    await steps.add(topic);
    expect(await codeOf(steps.write(topic, ['x'], 4))).toBe('FS_KAFKA_REFUSED');
    const noise = randomBytes(2_000_000);
    expect(await codeOf(steps.write(topic, [{ ...recordOf(''), value: noise }]))).toBe('FS_OUTPUT_TOO_LARGE');
    expect(await codeOf(requests.init(`${topic}-1`, 10_000_000))).toBe('FS_KAFKA_UNAVAILABLE');
  });

  it('E1: abort and reuse after a lost answer loses the next batch in silence; a new identity loses nothing', async () => {
    const topic = await newTopic();
    const steps = new TransactionSteps(requests, `${topic}-0`);
    await steps.init();
    await steps.add(topic);
    await steps.write(topic, ['a1', 'a2']);
    // the answer is lost: the client takes the batch for not written, aborts, and gives its numbers to the next
    steps.rollBack(topic, 2);
    await steps.end(false);
    await steps.add(topic);
    await steps.write(topic, ['b1', 'b2']);
    await steps.end(true);
    await steps.init();
    expect(await committed(topic)).toEqual([]);
    // the same fault, and then what the protocol asks for
    await steps.add(topic);
    await steps.write(topic, ['c1', 'c2']);
    await steps.init();
    await steps.all(topic, ['d1', 'd2'], true);
    await eventuallyCommitted(topic, ['d1', 'd2']);
  });

  it('a batch out of its order, or one that comes twice too late, is an error', async () => {
    const topic = await newTopic();
    const steps = new TransactionSteps(requests, `${topic}-0`);
    await steps.init();
    await steps.add(topic);
    for (let i = 0; i < 8; i++) await steps.write(topic, [`${i}`]);
    const [records, partition] = [[recordOf('again')], 0];
    // older than the five batches that the broker remembers, so it cannot say that it is the same
    const early = requests.produce(steps.now, [{ topic, partition, sequence: 1, records }]);
    expect(await codeOf(early)).toBe('FS_KAFKA_FENCED');
    const late = requests.produce(steps.now, [{ topic, partition, sequence: 20, records }]);
    expect(await codeOf(late)).toBe('FS_KAFKA_FENCED');
    expect(await codeOf(requests.produce(steps.now, [{ topic, partition, sequence: 8, records }]))).toBe('none');
  });

  it('E3: the position survives retention passing it, while a consumer of the group runs', async () => {
    const topic = await newTopic();
    const producer = new KafkaProducer(client);
    opened.push(producer);
    const record = { topic, partition: 0, ...recordOf('x') };
    await producer.send(Array.from({ length: 20 }, () => record));
    const ledger = newLedger(`${topic}.ledger`);
    const steps = new TransactionSteps(requests, `${topic}-0`);
    await steps.init();
    await steps.position(`${topic}.ledger`, { topic, partition: 0, offset: 6, metadata: 'fs1 six' });
    await steps.end(true);
    const admin = client.admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topic); // KafkaJS deletes only in topics that it has met
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '12' }] });
    await admin.disconnect();
    const handler = new CollectingHandler(async () => (await ledger.read(topic, 0))?.offset ?? 0);
    const consumer = new KafkaConsumer(client, { groupId: topic, topics: [topic] }, handler);
    consumer.start();
    await eventually('the partition halts', () => consumer.progress().partitions[0]?.state === 'halted');
    expect(consumer.progress().partitions[0]?.error?.code).toBe('FS_OFFSET_OUT_OF_RANGE');
    await consumer.stop();
    expect(await ledger.read(topic, 0)).toEqual({ offset: 6, metadata: 'fs1 six' });
  });

  it('E4: a zombie is refused on every request, and what it wrote stays invisible', async () => {
    const topic = await newTopic();
    const group = `${topic}.ledger`;
    const ledger = newLedger(group);
    const position = { topic: INPUT, partition: 0, offset: 3, metadata: 'zombie' };
    const [zombie, owner] = [0, 1].map(() => new TransactionSteps(requests, `${topic}-0`)) as [
      TransactionSteps,
      TransactionSteps,
    ];
    await zombie.init();
    await zombie.add(topic);
    await unlessBusy(() => requests.addOffsets(zombie.now, group));
    await zombie.write(topic, ['zombie, in time']);
    await requests.commitOffset(zombie.now, group, position);
    await owner.init();
    expect(await codeOf(zombie.write(topic, ['zombie, late']))).toBe('FS_KAFKA_FENCED');
    expect(await codeOf(requests.commitOffset(zombie.now, group, position))).toBe('FS_KAFKA_FENCED');
    expect(await codeOf(requests.addPartitions(zombie.now, [{ topic, partition: 0 }]))).toBe('FS_KAFKA_FENCED');
    expect(await codeOf(requests.addOffsets(zombie.now, group))).toBe('FS_KAFKA_FENCED');
    expect(await codeOf(requests.end(zombie.now, true))).toBe('FS_KAFKA_FENCED');
    expect(await codeOf(requests.end(zombie.now, false))).toBe('FS_KAFKA_FENCED');
    await owner.add(topic);
    // also inside the transaction of the owner
    expect(await codeOf(zombie.write(topic, ['zombie, later still']))).toBe('FS_KAFKA_FENCED');
    await owner.write(topic, ['owner']);
    await owner.position(group, { ...position, offset: 4, metadata: 'owner' });
    await owner.end(true);
    await eventuallyCommitted(topic, ['owner']);
    expect(await ledger.read(INPUT, 0)).toEqual({ offset: 4, metadata: 'owner' });
  });

  it('E5: a hung transaction holds readers up until its timeout and the scan for it, then its identity is refused', async () => {
    const topic = await newTopic();
    const hung = new TransactionSteps(requests, `${topic}-0`);
    await hung.init(2_000);
    const beganMs = Date.now();
    await hung.add(topic);
    await hung.write(topic, ['hung']);
    const other = new TransactionSteps(requests, `${topic}-1`);
    await other.init();
    await other.all(topic, ['behind it'], true);
    await eventually('the other is committed', async () => (await reader.range(topic, 0)).end >= 3);
    expect(await committed(topic)).toEqual([]);
    expect(await reader.stableRange(topic, 0)).toEqual({ start: 0, end: 0 });
    await eventually('the hung transaction is aborted', async () => (await reader.stableRange(topic, 0)).end >= 3);
    const heldUpMs = Date.now() - beganMs;
    expect(heldUpMs).toBeGreaterThan(1_900);
    expect(heldUpMs).toBeLessThan(15_000);
    expect(await committed(topic)).toEqual(['behind it']);
    expect(await codeOf(hung.write(topic, ['late']))).toBe('FS_KAFKA_FENCED');
    expect(await codeOf(hung.end(true))).toBe('FS_KAFKA_FENCED');
  });

  it('E6: after the takeover the position is that of the last commit, in 40 rounds', async () => {
    const topic = await newTopic();
    const group = `${topic}.ledger`;
    const ledger = newLedger(group);
    const stale: string[] = [];
    for (let round = 1; round <= 40; round++) {
      const owner = new TransactionSteps(requests, `${topic}-0`);
      await owner.init();
      const found = (await ledger.read(INPUT, 0))?.offset ?? 0;
      if (found !== round - 1) stale.push(`round ${round}: ${found}`);
      await owner.add(topic);
      await owner.write(topic, [`${round}`]);
      await owner.position(group, { topic: INPUT, partition: 0, offset: round, metadata: `${round}` });
      await owner.end(true);
    }
    expect(stale).toEqual([]);
    await eventuallyCommitted(
      topic,
      Array.from({ length: 40 }, (_, i) => `${i + 1}`),
    );
  });

  it('requests that are sent together do not meet as concurrent transactions', async () => {
    const topic = await newTopic(8);
    const group = `${topic}.ledger`;
    const codes = await Promise.all(
      Array.from({ length: 8 }, async (_, partition) => {
        const steps = new TransactionSteps(requests, `${topic}-${partition}`);
        await steps.init();
        const found: string[] = [];
        for (let round = 0; round < 10; round++) {
          await unlessBusy(() => requests.addPartitions(steps.now, [{ topic, partition }]));
          found.push(
            ...(await Promise.all([
              codeOf(requests.addPartitions(steps.now, [{ topic, partition: (partition + 1) % 8 }])),
              codeOf(requests.addOffsets(steps.now, group)),
            ])),
          );
          await steps.write(topic, [`${partition} ${round}`], partition);
          await steps.end(true);
        }
        return found;
      }),
    );
    expect(new Set(codes.flat())).toEqual(new Set(['none']));
  });
});
