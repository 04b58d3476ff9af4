import { gzipSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { KafkaClient } from '../../src/transport/kafka/client.ts';
import { CODEC_NUMBERS, ZSTD_PRODUCE_AVAILABLE, type CodecName } from '../../src/transport/kafka/compression.ts';
import { KafkaConsumer } from '../../src/transport/kafka/consumer.ts';
import { sendRaw } from '../../src/transport/kafka/kafkajs-internals.ts';
import { KafkaSink } from '../../src/transport/kafka/kafka-sink.ts';
import { Leaders } from '../../src/transport/kafka/leaders.ts';
import { GroupOffsets } from '../../src/transport/kafka/offsets.ts';
import { KafkaProducer, type ProducerOptions } from '../../src/transport/kafka/producer.ts';
import type { ProducerRecord } from '../../src/transport/kafka/produce-queue.ts';
import { decodeProduce, encodeProduce, PRODUCE_API } from '../../src/transport/kafka/produce-protocol.ts';
import { encodeBatch, sealBatch } from '../../src/transport/kafka/record-batch-encode.ts';
import { createTopics } from '../../src/transport/kafka/topics.ts';
import { codeOf, CollectingHandler, eventually } from '../servers/collecting-handler.ts';
import { runKafkaTool } from '../servers/kafka.ts';

const bootstrap = inject('kafka');
const client = new KafkaClient({ brokers: [bootstrap], clientId: 'test' }, () => undefined);
const MIB = 1_048_576;
let made = 0;
const opened: { close(): Promise<void> }[] = [];

async function newTopic(partitions = 1, config: Record<string, string> = {}): Promise<string> {
  const name = `transport-${process.pid}-${Date.now()}-${made++}`;
  await createTopics(client, [{ name, partitions, replication: 1, config }]);
  return name;
}

function newProducer(options: ProducerOptions = {}): KafkaProducer {
  const producer = new KafkaProducer(client, options);
  opened.push(producer);
  return producer;
}

const record = (topic: string, partition: number, value: Buffer | string | null): ProducerRecord => ({
  topic,
  partition,
  key: Buffer.from('k'),
  value: typeof value === 'string' ? Buffer.from(value) : value,
  headers: null,
  timestampMs: -1,
});

async function consume(
  topic: string,
  handler: CollectingHandler,
  until: () => boolean,
  readCommitted = true,
): Promise<void> {
  const consumer = new KafkaConsumer(client, { groupId: `${topic}-group`, topics: [topic], readCommitted }, handler);
  consumer.start();
  try {
    await eventually(`${topic} is read`, until);
  } finally {
    await consumer.stop();
  }
  expect(handler.faults).toEqual([]);
}

const fromStart = (): CollectingHandler => new CollectingHandler(() => Promise.resolve(0));

afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
});

describe('compression', () => {
  it.each(['gzip', 'snappy', 'lz4', 'zstd', 'none'])('%s by the Java producer is read', async (codec) => {
    const topic = await newTopic();
    const lines = Array.from({ length: 2_000 }, (_, i) => `payment ${i} by user ${i % 7}`);
    const args = ['--topic', topic, '--compression-codec', codec];
    const produced = await runKafkaTool(bootstrap, 'console-producer', args, { input: `${lines.join('\n')}\n` });
    expect(produced.status, produced.stderr).toBe(0);
    const handler = fromStart();
    await consume(topic, handler, () => handler.count >= lines.length);
    expect(handler.values.get(0)).toEqual(lines);
  });

  const ours: CodecName[] = ['none', 'gzip', 'snappy', 'lz4', ...(ZSTD_PRODUCE_AVAILABLE ? (['zstd'] as const) : [])];
  it.each(ours)(
    '%s by our producer is read by the Java consumer and by us, with headers and timestamps',
    async (compression) => {
      const topic = await newTopic(2);
      const producer = newProducer({ compression });
      const values = Array.from({ length: 3_000 }, (_, i) => `decision ${i}`);
      await producer.send(
        values.map((value, i) => ({
          ...record(topic, i % 2, value),
          headers: { traceparent: Buffer.from(`trace-${i}`), twice: [Buffer.from('a'), Buffer.from('b')] },
          timestampMs: 1_700_000_000_000 + i,
        })),
      );
      const args = [
        '--topic',
        topic,
        '--from-beginning',
        '--max-messages',
        String(values.length),
        '--timeout-ms',
        '20000',
      ];
      const format = ['--formatter-property', 'print.headers=true', '--formatter-property', 'print.timestamp=true'];
      const read = await runKafkaTool(bootstrap, 'console-consumer', [...args, ...format]);
      const lines = read.stdout.trim().split('\n').sort();
      const expected = values.map(
        (value, i) => `CreateTime:${1_700_000_000_000 + i}\ttraceparent:trace-${i},twice:a,twice:b\t${value}`,
      );
      expect(lines).toEqual(expected.sort());
      const seen: string[] = [];
      const handler = new CollectingHandler(
        () => Promise.resolve(0),
        (batch) => {
          for (const { headers, timestampMs } of batch.records) {
            seen.push(`${timestampMs} ${String(headers?.traceparent)} ${String(headers?.twice)}`);
          }
          return Promise.resolve();
        },
      );
      await consume(topic, handler, () => handler.count >= values.length);
      expect(seen.sort()).toEqual(values.map((_, i) => `${1_700_000_000_000 + i} trace-${i} a,b`).sort());
    },
  );

  it('a batch that expands 1000:1 comes as one bad batch in its place, in little memory', async () => {
    const topic = await newTopic();
    const producer = newProducer();
    await producer.send([record(topic, 0, 'before')]);
    // 200 MiB of zeros beside one small record, in 200 KiB.
    const { bytes } = encodeBatch(
      [Buffer.alloc(200 * MIB), Buffer.from('beside')].map((value) => ({
        key: null,
        value,
        headers: null,
        timestampMs: 1,
      })),
      1,
      CODEC_NUMBERS.gzip,
      (raw) => gzipSync(raw, { level: 9 }),
    );
    sealBatch(bytes, -1n, -1, -1);
    const cluster = client.openCluster();
    const leaders = new Leaders(cluster);
    await leaders.add([topic]);
    const body = encodeProduce([{ topic, partition: 0, batch: bytes }], -1, 20_000);
    const answer = await sendRaw(await leaders.leader(topic, 0), 0, { ...PRODUCE_API, body, timeoutMs: 20_000 });
    expect(decodeProduce(answer)[0]).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await cluster.disconnect();
    await producer.send([record(topic, 0, 'after')]);
    global.gc?.();
    const before = process.memoryUsage.rss();
    const handler = fromStart();
    await consume(topic, handler, () => handler.count >= 2);
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 * MIB);
    expect(handler.values.get(0)).toEqual(['before', 'after']);
    expect(handler.bad.length).toBe(1);
    const bad = handler.bad[0];
    expect(bad).toMatchObject({ firstOffset: 1, lastOffset: 2, nextOffset: 3, truncated: false });
    expect(bad?.error).toMatchObject({ code: 'FS_BATCH_EXPANSION', place: { topic, partition: 0, offset: 1 } });
    // the batch itself, as it is in the log
    expect(bad?.bytes.subarray(61).equals(bytes.subarray(61))).toBe(true);
  });
});

describe('producer', () => {
  it('keeps order over many concurrent writes to many partitions, each record once', async () => {
    const topic = await newTopic(4);
    const producer = newProducer({ compression: 'lz4', batchBytesMax: 5_000 });
    const total = 8_000;
    const writes: Promise<void>[] = [];
    for (let from = 0; from < total; from += 100) {
      writes.push(producer.send(Array.from({ length: 100 }, (_, i) => record(topic, (from + i) % 4, `${from + i}`))));
    }
    await Promise.all(writes);
    const handler = fromStart();
    await consume(topic, handler, () => handler.count >= total);
    for (let partition = 0; partition < 4; partition++) {
      const expected = Array.from({ length: total / 4 }, (_, i) => `${i * 4 + partition}`);
      expect(handler.values.get(partition)).toEqual(expected);
    }
  });

  it('splits a batch that the topic refuses, and refuses the one record that is too large', async () => {
    const topic = await newTopic(1, { 'max.message.bytes': '3000' });
    const producer = newProducer();
    await producer.send(Array.from({ length: 50 }, (_, i) => record(topic, 0, `${i}`.padEnd(500))));
    const tooLarge = producer.send([record(topic, 0, Buffer.alloc(5_000))]);
    expect(await codeOf(tooLarge)).toBe('FS_OUTPUT_TOO_LARGE');
    await producer.send([record(topic, 0, 'last')]);
    const handler = fromStart();
    await consume(topic, handler, () => handler.count >= 51);
    expect(handler.values.get(0)?.map((value) => value.trim())).toEqual([
      ...Array.from({ length: 50 }, (_, i) => `${i}`),
      'last',
    ]);
  });

  it('a topic that is missing is waited for until the deadline; a partition that is missing is refused', async () => {
    const topic = await newTopic(2);
    const producer = newProducer({ deliveryTimeoutMs: 1_500 });
    expect(await codeOf(producer.send([record('no-such-topic', 0, 'x')]))).toBe('FS_KAFKA_TOPIC_MISSING');
    expect(await codeOf(producer.send([record(topic, 5, 'x')]))).toBe('FS_KAFKA_REFUSED');
    await producer.send([record(topic, 1, 'x')]);
  });

  it('a topic that is created meanwhile takes what waited for it', async () => {
    const topic = `transport-late-${process.pid}-${Date.now()}`;
    const producer = newProducer();
    const sent = producer.send([record(topic, 0, 'waited')]);
    await createTopics(client, [{ name: topic, partitions: 1, replication: 1 }]);
    await sent;
    const handler = fromStart();
    await consume(topic, handler, () => handler.count >= 1);
    expect(handler.values.get(0)).toEqual(['waited']);
  });

  it('without any broker it says so at the deadline', async () => {
    const nowhere = new KafkaClient({ brokers: ['127.0.0.1:1'], clientId: 'test' }, () => undefined);
    const producer = new KafkaProducer(nowhere, { deliveryTimeoutMs: 800 });
    expect(await codeOf(producer.send([record('t', 0, 'x')]))).toBe('FS_KAFKA_UNAVAILABLE');
    await producer.close();
  });

  it('the sink keeps the partition of decisions, and dead letters fit a topic with fewer', async () => {
    const [decisions, flagged, dead] = [await newTopic(3), await newTopic(3), await newTopic(1)];
    const sink = new KafkaSink(newProducer(), { decisions, flagged, 'dead-letter': dead });
    const output = { key: null, headers: null, timestampMs: 5 };
    await sink.write([
      { ...output, stream: 'decisions', partition: 2, value: Buffer.from('d') },
      { ...output, stream: 'dead-letter', partition: 2, value: Buffer.from('x') },
      { ...output, stream: 'dead-letter', partition: 1, value: null },
    ]);
    const handler = fromStart();
    await consume(decisions, handler, () => handler.count >= 1);
    expect(handler.values.get(2)).toEqual(['d']);
    const letters = fromStart();
    await consume(dead, letters, () => letters.count >= 2);
    expect(letters.values.get(0)).toEqual(['x', 'null']);
  });
});

describe('transactional input', () => {
  it('interleaved transactions: we read what the Java consumer reads', async () => {
    const topic = await newTopic();
    const kafka = new kafkajs.Kafka({
      brokers: [bootstrap],
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { initialRetryTime: 20, retries: 10 },
    });
    const producers = await Promise.all(
      [0, 1, 2].map(async (i) => {
        const producer = kafka.producer({
          transactionalId: `${topic}-${i}`,
          idempotent: true,
          maxInFlightRequests: 1,
          createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
        });
        await producer.connect();
        return producer;
      }),
    );
    let sent = 0;
    for (let round = 0; round < 12; round++) {
      const transactions = [];
      for (const producer of producers) transactions.push(await producer.transaction());
      for (let step = 0; step < 6; step++) {
        const value = `round ${round} message ${sent++}`;
        await transactions[step % 3]?.send({ topic, messages: [{ key: '\0\0\0\0', value }] });
      }
      for (let i = 0; i < 3; i++) {
        const transaction = transactions[(i + round) % 3];
        await ((round + i) % 2 === 0 ? transaction?.commit() : transaction?.abort());
      }
    }
    await Promise.all(producers.map((producer) => producer.disconnect()));
    const args = ['--topic', topic, '--from-beginning', '--isolation-level', 'read_committed', '--timeout-ms', '6000'];
    const java = (await runKafkaTool(bootstrap, 'console-consumer', args)).stdout.trim().split('\n');
    expect(java.length).toBeGreaterThan(20);
    expect(java.length).toBeLessThan(sent);
    const handler = fromStart();
    await consume(topic, handler, () => handler.count >= java.length);
    expect(handler.values.get(0)).toEqual(java);
    const all = fromStart();
    await consume(topic, all, () => all.count >= sent, false);
    expect(all.count).toBe(sent);
  });
});

describe('offsets', () => {
  it('are committed with metadata from outside, but not while the group has a member', async () => {
    const topic = await newTopic();
    const producer = newProducer();
    await producer.send(Array.from({ length: 10 }, (_, i) => record(topic, 0, `${i}`)));
    const offsets = new GroupOffsets(client, `${topic}-group`);
    opened.push(offsets);
    expect(await offsets.read(topic, 0)).toBe(null);
    await offsets.commit(topic, 0, 4, 'by an operator');
    expect(await offsets.read(topic, 0)).toEqual({ offset: 4, metadata: 'by an operator' });
    let fencedWhileMember = '';
    const handler = new CollectingHandler(
      async () => (await offsets.read(topic, 0))?.offset ?? 0,
      async () => {
        fencedWhileMember = await codeOf(offsets.commit(topic, 0, 1));
      },
    );
    await consume(topic, handler, () => handler.count >= 6);
    expect(handler.values.get(0)).toEqual(['4', '5', '6', '7', '8', '9']);
    expect(fencedWhileMember).toBe('FS_KAFKA_FENCED');
    expect(await offsets.read(topic, 0)).toEqual({ offset: 4, metadata: 'by an operator' });
  });

  it('a position that retention has passed halts the partition, names the range, and commits nothing', async () => {
    const topic = await newTopic();
    const producer = newProducer();
    await producer.send(Array.from({ length: 20 }, (_, i) => record(topic, 0, `${i}`)));
    const admin = client.admin();
    await admin.connect();
    await admin.fetchTopicOffsets(topic); // KafkaJS deletes only in topics that it has met
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '12' }] });
    await admin.disconnect();
    const offsets = new GroupOffsets(client, `${topic}-group`);
    opened.push(offsets);
    await offsets.commit(topic, 0, 5);
    for (const [start, message] of [
      [5, 'offsets 5 to 11 were deleted by retention'],
      [21, 'the log ends at 20'],
    ] as const) {
      const handler = new CollectingHandler(() => Promise.resolve(start));
      const consumer = new KafkaConsumer(client, { groupId: `${topic}-group`, topics: [topic] }, handler);
      consumer.start();
      await eventually('the partition halts', () => consumer.progress().partitions[0]?.state === 'halted');
      const error = consumer.progress().partitions[0]?.error;
      expect(error?.code).toBe('FS_OFFSET_OUT_OF_RANGE');
      expect(error?.message).toContain(message);
      expect(error?.message).toContain('12 to 20');
      await consumer.stop();
      expect(handler.count).toBe(0);
    }
    expect((await offsets.read(topic, 0))?.offset).toBe(5);
  });
});

describe('progress', () => {
  it('a handler that fails is given the same records again, and lag, pause and restart are told', async () => {
    const topic = await newTopic();
    const producer = newProducer();
    await producer.send(Array.from({ length: 30 }, (_, i) => record(topic, 0, `${i}`)));
    let failures = 2;
    let committed = 0;
    const handler = new CollectingHandler(
      () => Promise.resolve(committed),
      (batch) => {
        if (failures-- > 0) return Promise.reject(new Error('not now'));
        committed = batch.nextOffset;
        return Promise.resolve();
      },
    );
    // A plain error is a bug and would halt the partition; this one is retriable.
    const { FraudstreamError } = await import('../../src/domain/errors.ts');
    const retrying = new CollectingHandler(
      () => Promise.resolve(committed),
      async (batch, partition) => {
        try {
          await handler.onBatch(batch, partition);
        } catch (error) {
          throw new FraudstreamError('FS_STATE_UNAVAILABLE', (error as Error).message);
        }
      },
    );
    handler.owned.set(0, { generation: -1 } as never);
    const consumer = new KafkaConsumer(client, { groupId: `${topic}-group`, topics: [topic] }, retrying);
    consumer.start();
    await eventually('all is handled', () => retrying.count >= 30);
    expect(retrying.values.get(0)).toEqual(Array.from({ length: 30 }, (_, i) => `${i}`));
    expect(retrying.assignedLog.length).toBe(3);
    expect(consumer.progress().partitions[0]).toMatchObject({ state: 'running', position: 30, lag: 0, error: null });
    consumer.pause(topic, 0);
    await producer.send([record(topic, 0, 'paused')]);
    await consumer.restart();
    await eventually('joined again', () => consumer.progress().partitions[0]?.state === 'running');
    await new Promise((done) => setTimeout(done, 300));
    expect(retrying.count).toBe(30);
    consumer.resume(topic, 0);
    await eventually('resumed', () => retrying.count >= 31);
    await consumer.stop();
    expect(consumer.progress().state).toBe('stopped');
    expect(retrying.faults).toEqual([]);
  });
});
