import { afterAll, describe, expect, inject, it } from 'vitest';
import { KafkaClient } from '../../src/transport/kafka/client.ts';
import { KafkaConsumer } from '../../src/transport/kafka/consumer.ts';
import { readRecord } from '../../src/transport/kafka/input-reader.ts';
import { LogReader } from '../../src/transport/kafka/log-reader.ts';
import { readOutputTopics } from '../../src/transport/kafka/output-topics.ts';
import { KafkaOutputLog } from '../../src/transport/kafka/output-tail.ts';
import { TopicIdentities } from '../../src/transport/kafka/topic-identity.ts';
import { createTopics } from '../../src/transport/kafka/topics.ts';
import { KafkaTransactionRequests } from '../../src/transport/kafka/transaction-requests.ts';
import type { RecordToProduce } from '../../src/transport/transactions.ts';
import { codeOf, CollectingHandler, eventually } from '../servers/collecting-handler.ts';
import { recordOf, TransactionSteps } from './kafka-transaction-steps.ts';

const bootstrap = inject('kafka');
const client = new KafkaClient({ brokers: [bootstrap], clientId: 'test' }, () => undefined);
const requests = new KafkaTransactionRequests(client);
const reader = new LogReader(client);
const identities = new TopicIdentities(client);
const opened: { close(): Promise<void> }[] = [requests, reader, identities];
let made = 0;

async function newTopic(partitions = 1, config: Record<string, string> = {}): Promise<string> {
  const name = `evidence-${process.pid}-${Date.now()}-${made++}`;
  await createTopics(client, [{ name, partitions, replication: 1, config }]);
  return name;
}

async function newSteps(name: string): Promise<TransactionSteps> {
  const steps = new TransactionSteps(requests, name);
  await steps.init();
  return steps;
}

const stableEnd = (topic: string, end: number, partition = 0): Promise<void> =>
  eventually(`${topic} is stable to ${end}`, async () => (await reader.stableRange(topic, partition)).end >= end);

async function deleteBefore(topic: string, offset: number): Promise<void> {
  const admin = client.admin();
  await admin.connect();
  await admin.fetchTopicOffsets(topic); // KafkaJS deletes only in topics that it has met
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
  await admin.disconnect();
}

afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
});

describe('topic identity', () => {
  it('is another one when the topic is made anew, and tells partitions and compaction', async () => {
    const topic = await newTopic(3);
    const before = await identities.read(topic);
    expect(before).toMatchObject({ partitions: 3, compacted: false });
    expect(before.topicId).toMatch(/^[0-9a-f]{32}$/);
    expect(before.topicId).not.toBe('0'.repeat(32));
    expect(before.clusterId.length).toBeGreaterThan(10);
    expect(await identities.read(topic)).toEqual(before);
    const admin = client.admin();
    await admin.connect();
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
    await eventually('partitions are added', async () => (await identities.read(topic)).partitions === 5);
    expect(await identities.read(topic)).toEqual({ ...before, partitions: 5 });
    await admin.deleteTopics({ topics: [topic] });
    await eventually('it is gone', async () => (await codeOf(identities.read(topic))) === 'FS_KAFKA_TOPIC_MISSING');
    await createTopics(client, [
      { name: topic, partitions: 3, replication: 1, config: { 'cleanup.policy': 'delete,compact' } },
    ]);
    await admin.disconnect();
    const after = await identities.read(topic);
    expect(after).toEqual({ ...before, topicId: after.topicId, compacted: true });
    expect(after.topicId).not.toBe(before.topicId);
    const compacted = await newTopic(1, { 'cleanup.policy': 'compact' });
    expect((await identities.read(compacted)).compacted).toBe(true);
  });
});

describe('readRecord', () => {
  it('passes over markers and aborted records, to the last stable offset, and over what retention took', async () => {
    const topic = await newTopic();
    const [a, b] = [await newSteps(`${topic}-a`), await newSteps(`${topic}-b`)];
    await a.all(topic, ['0', '1'], true); // 0 1, marker 2
    await a.add(topic);
    await b.add(topic);
    await a.write(topic, ['lost']); // 3
    await b.write(topic, ['4', '5']);
    for (let i = 0; i < 60; i++) await a.write(topic, [recordOf('lost'.repeat(200))]); // 6 to 65
    await b.end(true); // marker 66
    await stableEnd(topic, 3);
    expect(await readRecord(reader, topic, 0, 3)).toBe(null); // the last stable offset: one is still open
    expect(await reader.stableRange(topic, 0)).toEqual({ start: 0, end: 3 });
    await a.end(false); // marker 67
    await a.all(topic, ['68'], true); // marker 69
    await b.add(topic);
    await b.write(topic, ['open']); // 70
    await stableEnd(topic, 70);
    const expected = new Map<number, number | null>([
      [0, 0],
      [1, 1],
      [2, 4],
      [3, 4],
      [4, 4],
      [5, 5],
      [6, 68],
      [40, 68],
      [67, 68],
      [68, 68],
      [69, null],
      [70, null],
      [71, null],
      [500, null],
    ]);
    for (const [offset, found] of expected) {
      const record = await readRecord(reader, topic, 0, offset);
      expect(record?.offset ?? null, `from ${offset}`).toBe(found);
      if (record !== null) expect(String(record.value)).toBe(String(found));
    }
    await b.end(false);
    await stableEnd(topic, 72);
    expect(await readRecord(reader, topic, 0, 69)).toBe(null); // nothing but markers and what was aborted
    await deleteBefore(topic, 5);
    expect((await readRecord(reader, topic, 0, 1))?.offset).toBe(5);
    expect(await reader.stableRange(topic, 0)).toEqual({ start: 5, end: 72 });
  });

  it('a topic that is missing, and no broker at all', async () => {
    expect(await codeOf(readRecord(reader, 'no-such-topic', 0, 0))).toBe('FS_KAFKA_TOPIC_MISSING');
    const nowhere = new LogReader(
      new KafkaClient({ brokers: ['127.0.0.1:1'], clientId: 'test', connectTimeoutMs: 300 }, () => undefined),
    );
    expect(await codeOf(readRecord(nowhere, 'any', 0, 0))).toBe('FS_KAFKA_UNAVAILABLE');
    await nowhere.close();
  });
});

describe('output tail', () => {
  const decision = (topic: string, partition: number, offset: number): RecordToProduce =>
    recordOf(`${topic} ${partition} ${offset}`);
  const deadLetter = (topic: string, partition: number, offset: number): RecordToProduce => ({
    ...recordOf('letter'),
    headers: { t: Buffer.from(topic), p: Buffer.from(String(partition)), o: Buffer.from(String(offset)) },
  });

  async function setUp(deadLetterPartitions = 1): Promise<{ out: string; dead: string; log: KafkaOutputLog }> {
    const [out, dead] = [await newTopic(2), await newTopic(deadLetterPartitions)];
    const log = new KafkaOutputLog(reader, {
      inputTopic: 'in',
      decisionsTopic: out,
      deadLetterTopic: dead,
      decisionPlace: (value) => {
        const [topic = '', partition, offset] = String(value).split(' ');
        return offset === undefined ? null : { topic, partition: Number(partition), offset: Number(offset) };
      },
      deadLetterHeaders: { topic: 't', partition: 'p', offset: 'o' },
    });
    return { out, dead, log };
  }

  it('nothing was ever written; something was aborted; all was deleted', async () => {
    const { out, log } = await setUp();
    const nothing = { lastDecision: null, lastDeadLetter: null, lastFlagged: null, firstOpen: null };
    expect(await log.tail(1)).toEqual({ ...nothing, untouched: true });
    const steps = await newSteps(`${out}-0`);
    await steps.all(out, [decision('in', 0, 1)], false);
    await stableEnd(out, 2);
    expect(await log.tail(0)).toEqual({ ...nothing, untouched: true });
    await steps.all(out, [decision('in', 0, 1)], true);
    await stableEnd(out, 4);
    expect(await log.tail(0)).toEqual({ ...nothing, lastDecision: 1, untouched: false });
    await deleteBefore(out, 4);
    expect(await log.tail(0)).toEqual({ ...nothing, untouched: false });
    expect(await log.tail(1)).toEqual({ ...nothing, untouched: true });
  });

  it('the last committed decision of the partition, below aborted transactions, markers and what others wrote', async () => {
    const { out, log } = await setUp();
    const [mine, other] = [await newSteps(`${out}-0`), await newSteps(`${out}-other`)];
    await mine.all(out, [decision('in', 0, 40), decision('in', 0, 41)], true); // 0 1, marker 2
    await other.add(out);
    await other.write(out, [decision('in', 0, 99)]); // 3: to be aborted
    await mine.add(out);
    await mine.write(out, [decision('in', 0, 42), decision('in', 0, 43)]); // 4 5
    await other.write(out, [decision('in', 0, 100)]);
    await mine.end(true);
    await other.end(false);
    await stableEnd(out, 9);
    expect((await log.tail(0)).lastDecision).toBe(43);
    // far more than one window of it
    for (let i = 0; i < 20; i++) {
      await other.all(out, [decision('elsewhere', 0, 7), decision('in', 1, 8), recordOf('unreadable')], true);
      await other.all(out, [decision('in', 0, 500 + i)], false);
    }
    await stableEnd(out, 9 + 20 * 6);
    expect((await log.tail(0)).lastDecision).toBe(43);
    // above the last stable offset nothing counts
    await mine.add(out);
    await mine.write(out, [decision('in', 0, 44)]);
    expect((await log.tail(0)).lastDecision).toBe(43);
    await mine.end(true);
    await stableEnd(out, 9 + 20 * 6 + 2);
    expect((await log.tail(0)).lastDecision).toBe(44);
  });

  it('the last flagged payment, and the first output in any stream that has no end marker', async () => {
    const { out, dead } = await setUp();
    const flagged = await newTopic(2);
    const place = (value: Buffer) => {
      const [topic = '', partition, offset] = String(value).split(' ');
      return offset === undefined ? null : { topic, partition: Number(partition), offset: Number(offset) };
    };
    const log = new KafkaOutputLog(reader, {
      inputTopic: 'in',
      decisionsTopic: out,
      deadLetterTopic: dead,
      decisionPlace: place,
      flagged: { topic: flagged, place },
      deadLetterHeaders: { topic: 't', partition: 'p', offset: 'o' },
    });
    const mine = await newSteps(`${flagged}-0`);
    await mine.all(flagged, [decision('in', 0, 5), decision('in', 0, 7)], true);
    await stableEnd(flagged, 3);
    expect(await log.tail(0)).toMatchObject({ lastFlagged: 7, firstOpen: null, lastDecision: null });
    for (const topic of [flagged, out, dead]) await mine.add(topic);
    await mine.write(flagged, [decision('in', 0, 9), decision('in', 0, 11)]);
    expect(await log.tail(0)).toMatchObject({ lastFlagged: 7, firstOpen: 9 });
    await mine.write(out, [decision('in', 0, 8), decision('in', 0, 9)]);
    await mine.write(dead, [deadLetter('in', 0, 10)]);
    expect(await log.tail(0)).toMatchObject({ lastFlagged: 7, firstOpen: 8 });
    expect((await log.tail(1)).firstOpen).toBe(null);
    await mine.end(true);
    await stableEnd(flagged, 6);
    await stableEnd(out, 3);
    await stableEnd(dead, 2);
    expect(await log.tail(0)).toMatchObject({ lastFlagged: 11, firstOpen: null, lastDecision: 9, lastDeadLetter: 10 });
    // of somebody else, in the topic that is shared
    await mine.add(dead);
    await mine.write(dead, [deadLetter('in', 5, 3)]);
    expect((await log.tail(0)).firstOpen).toBe(null);
    await mine.end(false);
  });

  it('the highest dead letter of the partition among the last thousand', async () => {
    const { out, dead, log } = await setUp(2);
    const steps = await newSteps(`${dead}-0`);
    await steps.all(dead, [deadLetter('in', 3, 17), deadLetter('in', 3, 15), deadLetter('in', 1, 90)], true, 1);
    await steps.all(dead, [deadLetter('else', 3, 91), recordOf('foreign'), deadLetter('in', 3, 18)], true, 1);
    await steps.all(dead, [deadLetter('in', 3, 99)], false, 1);
    await stableEnd(dead, 10, 1);
    const wide = new KafkaOutputLog(reader, {
      inputTopic: 'in',
      decisionsTopic: dead,
      deadLetterTopic: dead,
      decisionPlace: () => null,
      deadLetterHeaders: { topic: 't', partition: 'p', offset: 'o' },
    });
    expect((await wide.tail(1)).lastDeadLetter).toBe(90);
    expect((await log.tail(1)).lastDeadLetter).toBe(90);
    expect((await log.tail(0)).lastDeadLetter).toBe(null);
    expect(out).not.toBe(dead);
    // partition 3 of the input goes to partition 1 of two; it is found behind hundreds of others
    const foreign = Array.from({ length: 300 }, (_, i) => deadLetter('in', 5, i));
    await steps.all(dead, foreign, true, 1);
    await stableEnd(dead, 10 + 301, 1);
    const decisions = await newTopic(4);
    const four = new KafkaOutputLog(reader, {
      inputTopic: 'in',
      decisionsTopic: decisions,
      deadLetterTopic: dead,
      decisionPlace: () => null,
      deadLetterHeaders: { topic: 't', partition: 'p', offset: 'o' },
    });
    expect((await four.tail(3)).lastDeadLetter).toBe(18);
    await steps.all(dead, [...foreign, ...foreign, ...foreign, ...foreign], true, 1);
    await stableEnd(dead, 10 + 301 + 1_201, 1);
    expect((await four.tail(3)).lastDeadLetter).toBe(null);
  });

  it('output topics: who goes where, and too few partitions are refused', async () => {
    const [input, out, dead] = [await newTopic(3), await newTopic(3), await newTopic(2)];
    const topics = { decisions: out, flagged: out, 'dead-letter': dead };
    const places = await readOutputTopics(client, topics, input);
    expect(places.place('decisions', 2)).toEqual({ topic: out, partition: 2 });
    expect(places.place('dead-letter', 2)).toEqual({ topic: dead, partition: 0 });
    const few = { ...topics, flagged: dead };
    expect(await codeOf(readOutputTopics(client, few, input))).toBe('FS_KAFKA_REFUSED');
  });
});

describe('membership', () => {
  it('confirms while it is a member, not when the group goes on; and tells what waits behind open transactions', async () => {
    const topic = await newTopic(2);
    const steps = await newSteps(`${topic}-0`);
    await steps.all(topic, ['0', '1'], true);
    await steps.add(topic);
    await steps.write(topic, ['open', 'open', 'open']);
    const handler = new CollectingHandler(() => Promise.resolve(0));
    const options = { groupId: topic, topics: [topic], heartbeatMs: 5_000, sessionTimeoutMs: 10_000 };
    const consumer = new KafkaConsumer(client, options, handler);
    consumer.start();
    await eventually('both are read', () => handler.count >= 2);
    const assigned = handler.owned.get(0)!;
    expect(await codeOf(assigned.confirm())).toBe('none');
    expect(consumer.progress().partitions.find(({ partition }) => partition === 0)?.stableLag).toBe(3);
    // another member: heartbeats come every 5 s only, so that this asks before the consumer knows
    const second = new KafkaConsumer(client, options, new CollectingHandler(() => Promise.resolve(0)));
    second.start();
    const codes = new Set<string>();
    await eventually('the group wants another round', async () => {
      codes.add(await codeOf(assigned.confirm()));
      return codes.has('FS_KAFKA_FENCED');
    });
    expect([...codes]).toEqual(['none', 'FS_KAFKA_FENCED']);
    await second.stop();
    await consumer.stop();
    expect(await codeOf(assigned.confirm())).toBe('FS_KAFKA_FENCED');
    await steps.end(false);
  });
});
