import { createDecisionDecoder, createFlaggedDecoder } from '../codec/decision-decoder.ts';
import { DEAD_LETTER_HEADERS } from '../codec/dead-letter.ts';
import type { SchemaRegistry } from '../codec/registry.ts';
import type { Settings } from '../config/options.ts';
import { AtLeastOncePublisher, ExactlyOncePublisher, type Publisher } from '../delivery/publisher.ts';
import { TransactionalProducer } from '../delivery/transactional-producer.ts';
import type { Clock } from '../domain/clock.ts';
import { pauseFor } from '../transport/kafka/backoff.ts';
import type { KafkaClient } from '../transport/kafka/client.ts';
import { readRecord } from '../transport/kafka/input-reader.ts';
import { KafkaSink } from '../transport/kafka/kafka-sink.ts';
import { LogReader } from '../transport/kafka/log-reader.ts';
import { GroupOffsets } from '../transport/kafka/offsets.ts';
import { KafkaOutputLog } from '../transport/kafka/output-tail.ts';
import { readOutputTopics, type OutputTopics } from '../transport/kafka/output-topics.ts';
import type { AssignedPartition } from '../transport/kafka/partition-task.ts';
import { KafkaProducer } from '../transport/kafka/producer.ts';
import { TopicIdentities } from '../transport/kafka/topic-identity.ts';
import { KafkaTransactionRequests } from '../transport/kafka/transaction-requests.ts';
import type { InputLog } from '../transport/input-log.ts';
import { DecisionWitness } from './decision-witness.ts';

const BATCH_BYTES_MAX = 900_000;
/** what an owner that was thought dead may still have on its way: two batches, and some */
const LATE_DECISIONS_MAX = 5_000;
const FENCE_TIMEOUT_MS = 60_000;
/** a request that is not answered must be given up before the coordinator gives up the transaction */
const REQUEST_SHARE = 0.6;

/** The group that members join; it holds no positions. */
export function groupOf(settings: Settings): string {
  return settings['kafka.group-id'] ?? settings['app.id'];
}

/** The group that holds the positions; nobody ever joins it. */
export function ledgerGroupOf(settings: Settings): string {
  return `${groupOf(settings)}.ledger`;
}

function transactionalIdOf(settings: Settings, topic: string, partition: number): string {
  return `${settings['app.id']}-${topic}-${partition}`;
}

function outputTopicsOf(settings: Settings): Record<'decisions' | 'flagged' | 'dead-letter', string> {
  return {
    decisions: settings['topics.decisions'],
    flagged: settings['topics.flagged'],
    'dead-letter': settings['topics.dead-letter'],
  };
}

/** All that `run` and the `state` commands ask of Kafka beside the consumer: one set of connections each. */
export class RunKafka {
  readonly ledger: GroupOffsets;
  readonly outputLog: DecisionWitness;
  readonly requests: KafkaTransactionRequests;
  private readonly settings: Settings;
  private readonly client: KafkaClient;
  private readonly clock: Clock;
  private readonly reader: LogReader;
  private readonly identities: TopicIdentities;
  private readonly sink: KafkaSink | null;
  private topics: OutputTopics | null = null;

  constructor(client: KafkaClient, settings: Settings, registry: SchemaRegistry | null, clock: Clock) {
    this.client = client;
    this.settings = settings;
    this.clock = clock;
    const compression = settings['kafka.compression'];
    const requestTimeoutMs = Math.min(
      settings['kafka.request-timeout'],
      Math.floor(settings['kafka.transaction-timeout'] * REQUEST_SHARE),
    );
    this.requests = new KafkaTransactionRequests(client, { requestTimeoutMs, compression });
    this.ledger = new GroupOffsets(client, ledgerGroupOf(settings));
    this.reader = new LogReader(client);
    this.identities = new TopicIdentities(client);
    this.outputLog = new DecisionWitness(
      createDecisionDecoder(registry),
      createFlaggedDecoder(registry),
      (decisionPlace, flaggedPlace) =>
        new KafkaOutputLog(this.reader, {
          inputTopic: settings['topics.transactions'],
          decisionsTopic: settings['topics.decisions'],
          deadLetterTopic: settings['topics.dead-letter'],
          decisionPlace,
          ...(settings.delivery === 'exactly-once'
            ? { flagged: { topic: settings['topics.flagged'], place: flaggedPlace } }
            : {}),
          decisions: settings.delivery === 'exactly-once' ? 1 : LATE_DECISIONS_MAX,
          deadLetterHeaders: DEAD_LETTER_HEADERS,
        }),
    );
    this.sink =
      settings.delivery === 'exactly-once'
        ? null
        : new KafkaSink(new KafkaProducer(client, { compression }), outputTopicsOf(settings));
  }

  /** Learns the output topics. Throws FS_KAFKA_TOPIC_MISSING, FS_KAFKA_UNAVAILABLE, FS_KAFKA_REFUSED. */
  async prepare(): Promise<void> {
    const { client, settings } = this;
    this.topics ??= await readOutputTopics(client, outputTopicsOf(settings), settings['topics.transactions']);
  }

  /** After `prepare`. */
  publisherOf(topic: string, partition: number): Publisher {
    const { settings, requests, clock } = this;
    const producer = new TransactionalProducer(
      { requests, clock, pause: pauseFor },
      {
        transactionalId: transactionalIdOf(settings, topic, partition),
        group: ledgerGroupOf(settings),
        transactionTimeoutMs: settings['kafka.transaction-timeout'],
        batchBytesMax: BATCH_BYTES_MAX,
        fenceTimeoutMs: FENCE_TIMEOUT_MS,
      },
    );
    const ports = { key: { app: settings['app.id'], topic, partition }, producer };
    if (this.sink) return new AtLeastOncePublisher(ports, this.sink, pauseFor);
    return new ExactlyOncePublisher(ports, (stream, of) => this.topics!.place(stream, of));
  }

  inputOf({
    topic,
    partition,
    signal,
    confirm,
  }: Pick<AssignedPartition, 'topic' | 'partition' | 'signal' | 'confirm'>): InputLog {
    return {
      topic,
      partition,
      signal,
      confirm,
      range: () => this.reader.stableRange(topic, partition),
      identity: async () => {
        const found = await this.identities.read(topic);
        return { ...found, partitions: this.settings['kafka.partitions'] ?? found.partitions };
      },
      readRecord: (offset) => readRecord(this.reader, topic, partition, offset),
    };
  }

  async close(): Promise<void> {
    const { sink, ledger, reader, identities, requests } = this;
    await Promise.allSettled([sink?.close(), ledger.close(), reader.close(), identities.close(), requests.close()]);
  }
}
