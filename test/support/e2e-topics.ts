import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import avro from 'avsc';
import kafkajs, { type Admin, type Message, type Producer } from 'kafkajs';
import { REPOSITORY, sleep } from '../servers/process.ts';
import { readLog, type Raw } from './e2e-log.ts';
import { until, type Program } from './e2e-process.ts';

/** Kafka as others see it: KafkaJS and avsc as they are, nothing of ours. */

const { CompressionTypes, Kafka, logLevel } = kafkajs;

const LEADER_MS_MAX = 20_000;
const NOT_YET: ReadonlySet<string> = new Set([
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

const schemaOf = (name: string): avro.Type =>
  avro.Type.forSchema(JSON.parse(readFileSync(join(REPOSITORY, `schemas/${name}.avsc`), 'utf8')) as avro.Schema);
export const TRANSACTION = schemaOf('transaction');
export const DECISION = schemaOf('decision');
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

export type { Raw };

/** @param wireHeader bytes before the Avro: 5 in the Confluent wire format */
export function decodeDecision(raw: Pick<Raw, 'value'>, wireHeader = 0): DecisionRecord {
  return DECISION.fromBuffer((raw.value as Buffer).subarray(wireHeader)) as DecisionRecord;
}

export function decodeFlagged(raw: Pick<Raw, 'value'>, wireHeader = 0): FlaggedRecord {
  return FLAGGED.fromBuffer((raw.value as Buffer).subarray(wireHeader)) as FlaggedRecord;
}

export function decodePayment(raw: Raw, wireHeader = 0): Payment {
  return TRANSACTION.fromBuffer((raw.value as Buffer).subarray(wireHeader)) as Payment;
}

export function headerOf(raw: Pick<Raw, 'headers'>, name: string): string | undefined {
  const value = raw.headers[name];
  return value === undefined ? undefined : Array.isArray(value) ? value.map(String).join('|') : value.toString();
}

/** One Kafka for a test: topics, records in, records out. */
export class TestKafka {
  readonly admin: Admin;
  private readonly kafka: kafkajs.Kafka;
  private producer: Producer | null = null;
  private readonly brokers: string;

  constructor(brokers: string) {
    this.brokers = brokers;
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
    replicationFactor = 1,
  ): Promise<void> {
    await this.admin.createTopics({
      // KafkaJS gives up on a topic that not every broker knows yet: it is waited for below
      waitForLeaders: false,
      topics: names.map((topic) => ({
        topic,
        numPartitions: partitions,
        replicationFactor,
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

  /** How many offsets a topic has: markers of transactions count too. A partition has no leader for a moment after it was made, or its broker began. */
  async count(topic: string): Promise<number> {
    for (const deadlineMs = Date.now() + LEADER_MS_MAX; ;) {
      try {
        const offsets = await this.admin.fetchTopicOffsets(topic);
        return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
      } catch (error) {
        const soon = NOT_YET.has((error as { type?: string }).type ?? '');
        if (!soon || Date.now() > deadlineMs) throw error;
        await sleep(100);
      }
    }
  }

  /** What a read-committed reader finds in a topic now, in order per partition. */
  async readAll(topic: string): Promise<Raw[]> {
    return (await readLog(this.brokers, topic)).flatMap(({ records }) => records);
  }

  /** Sum of the application's positions over a topic, as its ledger group has them; partitions without one count as 0. */
  async committed(app: string, topic: string): Promise<number> {
    const sums = await Promise.all(
      [`${app}.ledger`, app].map(async (groupId) => {
        const [answer] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
        return (answer?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
      }),
    );
    return Math.max(...sums);
  }

  async close(): Promise<void> {
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
