import { createLabelEncoder, createTransactionEncoder } from '../codec/transaction-encoder.ts';
import type { Settings } from '../config/options.ts';
import { grouped, Progress } from '../observability/progress.ts';
import { pauseFor } from '../transport/kafka/backoff.ts';
import { partitionOf } from '../transport/kafka/murmur2.ts';
import { KafkaProducer } from '../transport/kafka/producer.ts';
import type { ProducerRecord } from '../transport/kafka/produce-queue.ts';
import { createTopics } from '../transport/kafka/topics.ts';
import type { CommandContext } from './command.ts';
import { kafkaClientOf, registryOf } from './connections.ts';
import { runSimulate, type PaymentProducer, type SimulateSettings } from './simulate.ts';

/** `fraudstream simulate`: seeded payments and their labels, to files or to Kafka at a rate. */
export async function run(context: CommandContext): Promise<number> {
  const { settings, stdout, stderr, clock, signal } = context;
  const simulated = simulateSettings(settings);
  const toKafka = simulated.sink === 'kafka';
  const progress = new Progress({
    label: 'simulate',
    unit: 'payments',
    output: stderr,
    monotonicMs: () => clock.monotonicMs(),
  });
  const kafka = toKafka ? await openProducer(context) : null;
  try {
    const report = await runSimulate(simulated, {
      clock: { ...clock, nowMs: () => clock.nowMs(), sleep: (ms) => pauseFor(ms, signal) },
      signal,
      onProgress: (fraction, payments) => progress.update(fraction, payments),
      ...(kafka ? { producer: kafka.payments } : {}),
    });
    progress.done(report.payments);
    stdout.write(
      `${grouped(report.payments)} payments, ${grouped(report.frauds)} frauds, ${grouped(report.labels)} labels` +
        `${toKafka ? ` to topic ${settings['topics.transactions']}` : ` in ${report.files.join(', ')}`}\n`,
    );
    return 0;
  } finally {
    await kafka?.producer.close();
  }
}

export function simulateSettings(settings: Settings): SimulateSettings {
  const days = settings['simulate.days'];
  const historyDays = settings['simulate.history-days'];
  const perDay = settings['simulate.payments-per-day'];
  return {
    seed: settings['simulate.seed'],
    users: settings['simulate.users'],
    days,
    historyDays,
    startMs: settings['simulate.start'],
    payments: perDay === null ? null : perDay * (days + historyDays),
    fraudShare: settings['simulate.fraud-share'],
    sink: settings['simulate.sink'],
    out: settings['simulate.out'],
    format: settings['simulate.format'],
    ratePerSecond: settings['simulate.rate'],
    labels: settings['simulate.labels'],
  };
}

/** Payments and labels keyed by user, each in the partition that the Java client would choose. */
async function openProducer(context: CommandContext): Promise<{ producer: KafkaProducer; payments: PaymentProducer }> {
  const { settings, log } = context;
  const kafka = kafkaClientOf(settings, log);
  const topics = { transactions: settings['topics.transactions'], labels: settings['topics.labels'] };
  if (settings['topics.create']) {
    const shape = { partitions: settings['topics.partitions'], replication: settings['topics.replication'] };
    await createTopics(
      kafka,
      Object.values(topics).map((name) => ({ name, ...shape })),
    );
  }
  const producer = new KafkaProducer(kafka, { compression: settings['kafka.compression'] });
  const registry = registryOf(settings);
  const ids = registry
    ? {
        transaction: await registry.register(topics.transactions, 'transaction'),
        label: await registry.register(topics.labels, 'label'),
      }
    : null;
  const transactionEncoder = createTransactionEncoder(ids?.transaction ?? null);
  const labelEncoder = createLabelEncoder(ids?.label ?? null);
  const partitions = {
    transactions: await producer.partitionCount(topics.transactions),
    labels: settings['simulate.labels'] === 'none' ? 1 : await producer.partitionCount(topics.labels),
  };
  const record = (topic: string, count: number, userId: string, value: Buffer): ProducerRecord => {
    const key = Buffer.from(userId);
    return { topic, partition: partitionOf(key, count), key, value, headers: null, timestampMs: -1 };
  };
  return {
    producer,
    payments: {
      send: (transactions, labels) =>
        producer.send([
          ...transactions.map((one) =>
            record(topics.transactions, partitions.transactions, one.user_id, transactionEncoder.encode(one)),
          ),
          ...labels.map((one) => record(topics.labels, partitions.labels, one.user_id, labelEncoder.encode(one))),
        ]),
    },
  };
}
