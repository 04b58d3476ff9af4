import { afterAll, expect, inject, it } from 'vitest';
import { KafkaClient } from '../../src/transport/kafka/client.ts';
import { KafkaConsumer } from '../../src/transport/kafka/consumer.ts';
import { readRecord } from '../../src/transport/kafka/input-reader.ts';
import { LogReader } from '../../src/transport/kafka/log-reader.ts';
import { createTopics } from '../../src/transport/kafka/topics.ts';
import { KafkaTransactionRequests } from '../../src/transport/kafka/transaction-requests.ts';
import { CollectingHandler, eventually } from '../servers/collecting-handler.ts';
import { runKafkaTool } from '../servers/kafka.ts';
import { seeded } from '../support/random.ts';
import { recordOf, TransactionSteps } from './kafka-transaction-steps.ts';

/**
 * The broker lists aborted transactions in the order in which they ended, which is what a filter gets wrong. Four
 * producers write to each partition, their transactions begin and end in any order over one another, and what we read is
 * compared with what the Java consumer reads.
 */

const PARTITIONS = 25;
const BOUTS = 40; // per partition: 1,000 in all
const PRODUCERS = 4;
const bootstrap = inject('kafka');
const client = new KafkaClient({ brokers: [bootstrap], clientId: 'test' }, () => undefined);
const requests = new KafkaTransactionRequests(client);
const reader = new LogReader(client);

afterAll(async () => {
  await Promise.all([requests.close(), reader.close()]);
});

/** Each producer has one transaction for each bout, of one to three batches; nobody waits for the others. */
async function writeBouts(topic: string, partition: number, seed: number): Promise<number> {
  const random = seeded(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const running = await Promise.all(
    Array.from({ length: PRODUCERS }, async (_, i) => {
      const steps = new TransactionSteps(requests, `${topic}-${partition}-${i}`);
      await steps.init(60_000);
      return { steps, name: `by ${i}`, transactions: BOUTS, batches: 0, open: false };
    }),
  );
  let written = 0;
  while (running.length > 0) {
    const at = below(running.length);
    const one = running[at]!;
    const { steps, name } = one;
    if (!one.open) {
      await steps.add(topic, partition);
      one.open = true;
      one.batches = 1 + below(3);
    } else if (one.batches-- > 0) {
      // a key that a filter could take for an abort marker
      const values = Array.from({ length: 1 + below(3) }, () => recordOf(`${written++} ${name}`, '\0\0\0\0'));
      await steps.write(topic, values, partition);
    } else {
      await steps.end(below(2) === 0);
      one.open = false;
      if (--one.transactions === 0) running.splice(at, 1);
    }
  }
  return written;
}

it('1,000 random interleavings of four producers: we read what the Java consumer reads, however it is cut', async () => {
  const topic = `interleavings-${process.pid}-${Date.now()}`;
  await createTopics(client, [{ name: topic, partitions: PARTITIONS, replication: 1 }]);
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  const written = await Promise.all(partitions.map((partition) => writeBouts(topic, partition, 7_000 + partition)));
  const total = written.reduce((sum, count) => sum + count, 0);
  await eventually('all transactions have ended', async () => {
    const ranges = await Promise.all(partitions.map((one) => reader.range(topic, one)));
    const stable = await Promise.all(partitions.map((one) => reader.stableRange(topic, one)));
    const markers = BOUTS * PRODUCERS;
    return partitions.every((p) => ranges[p]?.end === written[p]! + markers && stable[p]?.end === ranges[p].end);
  });

  const args = ['--topic', topic, '--from-beginning', '--isolation-level', 'read_committed', '--timeout-ms', '5000'];
  const printed = await runKafkaTool(bootstrap, 'console-consumer', [
    ...args,
    '--formatter-property',
    'print.partition=true',
  ]);
  const java = new Map<number, string[]>(partitions.map((partition) => [partition, []]));
  let count = 0;
  for (const line of printed.stdout.trim().split('\n')) {
    const [, partition, value] = /^Partition:(\d+)\t(.*)$/.exec(line) ?? [];
    java.get(Number(partition))?.push(value ?? '');
    count++;
  }
  expect(count).toBeGreaterThan(total / 4);
  expect(count).toBeLessThan((total * 3) / 4);

  // Large fetches, and fetches that begin in the midst of aborted transactions.
  for (const partitionBytesMax of [1_048_576, 400]) {
    const handler = new CollectingHandler(() => Promise.resolve(0));
    const groupId = `${topic}-${partitionBytesMax}`;
    const consumer = new KafkaConsumer(client, { groupId, topics: [topic], partitionBytesMax, waitMsMax: 5 }, handler);
    consumer.start();
    const atEnd = (): boolean => {
      const { partitions: progress } = consumer.progress();
      return progress.length === PARTITIONS && progress.every((one) => one.state === 'running' && one.lag === 0);
    };
    try {
      await eventually('all is read', () => handler.count >= count && atEnd());
    } finally {
      await consumer.stop();
    }
    expect(handler.faults).toEqual([]);
    for (const partition of partitions) expect(handler.values.get(partition)).toEqual(java.get(partition));
  }

  // And from any offset, one record at a time.
  const random = seeded(99);
  const all = await readAll(topic, 0);
  expect(all.map(({ value }) => value)).toEqual(java.get(0));
  for (let i = 0; i < 100; i++) {
    const from = Math.floor(random() * (written[0]! + BOUTS * PRODUCERS));
    const expected = all.find(({ offset }) => offset >= from)?.offset ?? null;
    expect((await readRecord(reader, topic, 0, from))?.offset ?? null, `from ${from}`).toBe(expected);
  }
});

async function readAll(topic: string, partition: number): Promise<{ offset: number; value: string }[]> {
  const found: { offset: number; value: string }[] = [];
  const stretch = { topic, partition, from: 0, to: Infinity, recordsMax: 1_000, bytesFirst: 1_000 };
  await reader.read(stretch, (records) => {
    for (const { offset, value } of records) found.push({ offset, value: String(value) });
    return true;
  });
  return found;
}
