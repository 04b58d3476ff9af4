import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import avro from 'avsc';
import kafkajs, { type Admin, type Consumer, type IHeaders, type Message, type Producer } from 'kafkajs';
import lz4 from 'lz4-napi';
import { REPOSITORY, sleep } from '../servers/process.ts';
import { until, type Program } from './e2e-process.ts';

/** Kafka as others see it: KafkaJS and avsc as they are, nothing of ours. */

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder: { buffer: Buffer }) => lz4.compressFrame(encoder.buffer),
  decompress: (bytes: Buffer) => lz4.decompressFrame(bytes),
});

const LEADER_MS_MAX = 20_000;

const schemaOf = (name: string): avro.Type =>
  avro.Type.forSchema(JSON.parse(readFileSync(join(REPOSITORY, `schemas/${name}.avsc`), 'utf8')) as avro.Schema);
export const TRANSACTION = schemaOf('transaction');
const DECISION = schemaOf('decision');
const FLAGGED = schemaOf('flagged');

export interface Topics {
  readonly transactions: string;
  readonly labels: string;
  readonly decisions: string;
  readonly flagged: string;
  readonly deadLetter: string;
}

let counter = 0;
/** Names that no other test has. */
export function topicsOf(test: string): Topics & { readonly app: string } {
  const app = `e2e-${test}-${process.pid}-${counter++}`;
  const name = (topic: string): string => `${app}.${topic}`;
  return {
    app,
    transactions: name('transactions'),
    labels: name('labels'),
    decisions: name('decisions'),
    flagged: name('flagged'),
    deadLetter: name('dead-letter'),
  };
}

export interface Payment {
  transaction_id: string;
  user_id: string;
  event_time: number;
  amount_minor: number;
  currency: string;
  card_id: string;
  merchant_id: string;
  mcc: string;
  terminal_id: string | null;
  device_id: string | null;
  ip: string | null;
  country: string;
  channel: string;
  lat: number | null;
  lon: number | null;
  attributes: Record<string, string>;
}

export interface DecisionRecord {
  decision_id: string;
  transaction_id: string;
  user_id: string;
  decision: 'ALLOW' | 'BLOCK';
  flagged: boolean;
  score: number;
  reasons: { code: string; value: number | null; usual: number | null; text: string }[];
  input_topic: string;
  input_partition: number;
  input_offset: number;
  event_time: number;
  decision_time: number;
  exact: boolean;
  late: boolean;
  future: boolean;
  duplicate_of: string | null;
  degraded: string[];
}

export interface FlaggedRecord {
  decision: DecisionRecord;
  transaction: Payment;
  features: Record<string, number | null>;
  history: { event_time: number; amount_minor: number; input_offset: number }[];
}

export interface Raw {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
}

/** @param wireHeader bytes before the Avro: 5 in the Confluent wire format */
export function decodeDecision(raw: Raw, wireHeader = 0): DecisionRecord {
  return DECISION.fromBuffer((raw.value as Buffer).subarray(wireHeader)) as DecisionRecord;
}

export function decodeFlagged(raw: Raw, wireHeader = 0): FlaggedRecord {
  return FLAGGED.fromBuffer((raw.value as Buffer).subarray(wireHeader)) as FlaggedRecord;
}

export function decodePayment(raw: Raw, wireHeader = 0): Payment {
  return TRANSACTION.fromBuffer((raw.value as Buffer).subarray(wireHeader)) as Payment;
}

export function headerOf(raw: Raw, name: string): string | undefined {
  const value = raw.headers[name];
  return value === undefined ? undefined : Array.isArray(value) ? value.map(String).join('|') : value.toString();
}

/** One Kafka for a test: topics, records in, records out. */
export class TestKafka {
  readonly admin: Admin;
  private readonly kafka: kafkajs.Kafka;
  private producer: Producer | null = null;
  private readonly tails: Consumer[] = [];

  constructor(brokers: string) {
    this.kafka = new Kafka({
      clientId: 'e2e',
      brokers: brokers.split(','),
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 60 },
    });
    this.admin = this.kafka.admin();
  }

  /** Retention is off: the payments of a test may be of long ago. */
  async create(
    names: readonly string[],
    partitions: number,
    config: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await this.admin.createTopics({
      waitForLeaders: true,
      topics: names.map((topic) => ({
        topic,
        numPartitions: partitions,
        configEntries: Object.entries({ 'retention.ms': '-1', ...config }).map(([name, value]) => ({ name, value })),
      })),
    });
    // Else the first write would meet a partition without a leader, and KafkaJS would write its neighbours twice.
    for (const name of names) await this.count(name);
  }

  async createAll(topics: Topics, partitions: number): Promise<void> {
    await this.create(
      [topics.transactions, topics.labels, topics.decisions, topics.flagged, topics.deadLetter],
      partitions,
    );
  }

  async send(topic: string, messages: readonly (Message & { partition: number })[], gzip = false): Promise<void> {
    if (this.producer === null) {
      this.producer = this.kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
      await this.producer.connect();
    }
    await this.producer.send({
      topic,
      messages: [...messages],
      compression: gzip ? CompressionTypes.GZIP : CompressionTypes.None,
    });
  }

  /** Records of these topics from their beginning, as they come, until the test ends. */
  async follow(topics: readonly string[]): Promise<Map<string, Raw[]>> {
    const records = new Map<string, Raw[]>(topics.map((topic) => [topic, []]));
    const consumer = this.kafka.consumer({
      groupId: `e2e-tail-${process.pid}-${counter++}`,
      maxWaitTimeInMs: 100,
      maxBytesPerPartition: 12_582_912,
      retry: { retries: 60 },
    });
    this.tails.push(consumer);
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch: { topic, partition, messages } }) => {
        const list = records.get(topic) as Raw[];
        for (const { offset, timestamp, key, value, headers } of messages) {
          list.push({
            topic,
            partition,
            offset: Number(offset),
            timestampMs: Number(timestamp),
            key: key?.toString() ?? null,
            value,
            headers: headers ?? {},
          });
        }
        return Promise.resolve();
      },
    });
    return records;
  }

  /** How many records a topic has. A partition has no leader for a moment after it was made, or its broker began. */
  async count(topic: string): Promise<number> {
    for (const deadlineMs = Date.now() + LEADER_MS_MAX; ;) {
      try {
        const offsets = await this.admin.fetchTopicOffsets(topic);
        return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
      } catch (error) {
        const withoutLeader = (error as { type?: string }).type === 'NOT_LEADER_FOR_PARTITION';
        if (!withoutLeader || Date.now() > deadlineMs) throw error;
        await sleep(100);
      }
    }
  }

  /** The records of a topic from its beginning to its present end, in order per partition. */
  async readAll(topic: string): Promise<Raw[]> {
    const expected = await this.count(topic);
    if (expected === 0) return [];
    const records = (await this.follow([topic])).get(topic) as Raw[];
    await until(`all ${expected} records of ${topic} are read`, () => records.length >= expected, {
      timeoutMs: 60_000,
    });
    await this.endTails();
    return [...records].sort((a, b) => a.partition - b.partition || a.offset - b.offset);
  }

  /** Sum of the group's committed offsets over a topic; partitions without one count as 0. */
  async committed(groupId: string, topic: string): Promise<number> {
    const [answer] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
    return (answer?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  }

  private async endTails(): Promise<void> {
    await Promise.all(this.tails.splice(0).map((consumer) => consumer.disconnect()));
  }

  async close(): Promise<void> {
    await this.endTails();
    await this.producer?.disconnect();
    await this.admin.disconnect();
  }
}

/** Every input of the group is decided: the committed offsets have reached the end of the log. */
export async function decidedAll(
  kafka: TestKafka,
  { app, transactions }: { readonly app: string; readonly transactions: string },
  programs: readonly Program[],
  timeoutMs = 90_000,
): Promise<void> {
  let seen = '';
  const reached = async (): Promise<boolean> => {
    try {
      const end = await kafka.count(transactions);
      const committed = await kafka.committed(app, transactions);
      seen = `${committed} of ${end}`;
      return committed >= end;
    } catch (error) {
      // a coordinator that moves, a broker that was killed: not an answer yet
      seen = String(error);
      return false;
    }
  };
  try {
    await until(`all of ${transactions} is committed`, reached, { timeoutMs, programs });
  } catch (error) {
    throw new Error(`committed: ${seen}. ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
