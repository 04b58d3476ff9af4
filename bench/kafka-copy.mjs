#!/usr/bin/env node
// CPU per message of consuming and producing with nothing between: KafkaJS alone (`before`) and src/transport/kafka
// (`after`). Needs a built dist/. Starts no servers: node bench/kafka-copy.mjs --brokers HOST:PORT
//   [--mode before|after|both] [--messages 300000] [--bytes 300] [--partitions 6] [--compression none|lz4|…]
import { fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import kafkajs from 'kafkajs';

const { values } = parseArgs({
  options: {
    brokers: { type: 'string' },
    mode: { type: 'string', default: 'both' },
    messages: { type: 'string', default: '300000' },
    bytes: { type: 'string', default: '300' },
    partitions: { type: 'string', default: '6' },
    compression: { type: 'string', default: 'none' },
    child: { type: 'string' },
    topic: { type: 'string' },
  },
});
const dist = process.env.FRAUDSTREAM_DIST ?? new URL('../dist', import.meta.url).pathname;
const messages = Number(values.messages);
const bytes = Number(values.bytes);
const partitions = Number(values.partitions);
const load = (name) => import(`${dist}/transport/kafka/${name}.js`);
const settings = { brokers: values.brokers?.split(',') ?? [], clientId: 'bench-copy' };
const quiet = (level, message, fields) =>
  level === 'error' && process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);

if (values.brokers === undefined) {
  process.stderr.write('usage: node bench/kafka-copy.mjs --brokers HOST:PORT [--mode before|after|both] …\n');
  process.exit(2);
}
if (values.child !== undefined) await child(values.child, values.topic);
else await parent();

async function parent() {
  const { KafkaClient } = await load('client');
  const { KafkaProducer } = await load('producer');
  const { createTopics } = await load('topics');
  const client = new KafkaClient(settings, quiet);
  const topic = `bench-copy-${Date.now()}`;
  await createTopics(
    client,
    [topic, `${topic}-out`].map((name) => ({ name, partitions })),
  );
  const producer = new KafkaProducer(client, {});
  const value = Buffer.alloc(bytes, 'abcdefghijklmnopqrstuvwxyz0123456789');
  for (let from = 0; from < messages; from += 6_000) {
    const records = Array.from({ length: Math.min(6_000, messages - from) }, (_, i) => ({
      topic,
      partition: Math.floor((i * partitions) / 6_000),
      key: Buffer.from(`user-${from + i}`),
      value,
      headers: null,
      timestampMs: -1,
    }));
    await producer.send(records);
  }
  await producer.close();
  for (const mode of values.mode === 'both' ? ['before', 'after'] : [values.mode]) {
    const args = Object.entries(values).flatMap(([key, value]) =>
      key === 'child' || key === 'topic' ? [] : [`--${key}`, value],
    );
    await new Promise((done, fail) => {
      const process_ = fork(new URL(import.meta.url).pathname, [...args, '--child', mode, '--topic', topic]);
      process_.once('exit', (code) => (code === 0 ? done() : fail(new Error(`${mode} ended with ${code}`))));
    });
  }
}

async function child(mode, topic) {
  let done = 0;
  let finish;
  let cpu;
  let startedAt;
  const finished = new Promise((resolve) => (finish = resolve));
  // The first tenth warms up the compiler.
  const count = (records) => {
    const before = done;
    done += records;
    if (before < messages / 10 && done >= messages / 10) {
      cpu = process.cpuUsage();
      startedAt = { ms: performance.now(), done };
    }
    if (done >= messages) finish();
  };
  let stop;
  if (mode === 'before') {
    const kafka = new kafkajs.Kafka({ ...settings, logLevel: kafkajs.logLevel.ERROR, retry: { initialRetryTime: 20 } });
    const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner, idempotent: true });
    const consumer = kafka.consumer({ groupId: `${topic}-${mode}`, maxWaitTimeInMs: 30 });
    await producer.connect();
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: partitions,
      eachBatch: async ({ batch }) => {
        await producer.send({
          topic: `${topic}-out`,
          messages: batch.messages.map(({ key, value }) => ({ key, value, partition: batch.partition })),
        });
        count(batch.messages.length);
      },
    });
    stop = async () => {
      await consumer.disconnect();
      await producer.disconnect();
    };
  } else {
    const { KafkaClient } = await load('client');
    const { KafkaProducer } = await load('producer');
    const { KafkaConsumer } = await load('consumer');
    const client = new KafkaClient(settings, quiet);
    const producer = new KafkaProducer(client, { compression: values.compression });
    const consumer = new KafkaConsumer(
      client,
      { groupId: `${topic}-${mode}`, topics: [topic] },
      {
        onAssigned: () => Promise.resolve(0),
        onBatch: async ({ partition, records }) => {
          const out = `${topic}-out`;
          await producer.send(
            records.map(({ key, value }) => ({ topic: out, partition, key, value, headers: null, timestampMs: -1 })),
          );
          count(records.length);
        },
        onBadBatch: () => Promise.resolve(),
        onRevoked: () => Promise.resolve(),
      },
    );
    consumer.start();
    stop = async () => {
      await consumer.stop();
      await producer.close();
    };
  }
  const late = setTimeout(() => {
    process.stderr.write(`${mode}: only ${done} of ${messages} messages in two minutes\n`);
    process.exit(1);
  }, 120_000);
  await finished;
  clearTimeout(late);
  const used = process.cpuUsage(cpu);
  const ms = performance.now() - startedAt.ms;
  const measured = done - startedAt.done;
  const result = {
    mode,
    node: process.version,
    messages: measured,
    bytes,
    compression: mode === 'before' ? 'none' : values.compression,
    messagesPerS: Math.round((measured / ms) * 1_000),
    cpuUsPerMessage: Number(((used.user + used.system) / measured).toFixed(2)),
    userUsPerMessage: Number((used.user / measured).toFixed(2)),
    rssMiB: Math.round(process.memoryUsage.rss() / 1_048_576),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  await stop();
  process.exit(0);
}
