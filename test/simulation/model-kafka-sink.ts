import { FraudstreamError, toFraudstreamError } from '../../src/domain/errors.ts';
import type { OutputTopics } from '../../src/transport/kafka/output-topics.ts';
import type { OutputRecord } from '../../src/transport/record.ts';
import type { Sink } from '../../src/transport/sink.ts';
import type { ProducerIdentity, RecordToProduce } from '../../src/transport/transactions.ts';
import type { ModelKafkaClient } from './model-kafka-client.ts';
import { ModelKafkaError } from './model-kafka-errors.ts';

export interface ModelSinkOptions {
  /** how long a write may be tried; default 30,000 */
  readonly deliveryTimeoutMs?: number;
  /** between two tries; default 20 */
  readonly retryMs?: number;
}

/** One partition's place in the order of an idempotent producer: one batch in flight. */
interface Queue {
  readonly topic: string;
  readonly partition: number;
  identity: ProducerIdentity | null;
  sequence: number;
  tail: Promise<void>;
}

/**
 * The sink of `delivery: at-least-once` as KafkaProducer makes it: a batch is tried under the same sequence until the
 * deadline; when its end is unknown then, or its identity is refused, the partition gets a new producer id.
 */
export class ModelSink implements Sink {
  private readonly client: ModelKafkaClient;
  private readonly topics: OutputTopics;
  private readonly deliveryTimeoutMs: number;
  private readonly retryMs: number;
  private readonly queues = new Map<string, Queue>();

  constructor(client: ModelKafkaClient, topics: OutputTopics, options: ModelSinkOptions = {}) {
    this.client = client;
    this.topics = topics;
    this.deliveryTimeoutMs = options.deliveryTimeoutMs ?? 30_000;
    this.retryMs = options.retryMs ?? 20;
  }

  async write(records: readonly OutputRecord[]): Promise<void> {
    const parts = new Map<Queue, RecordToProduce[]>();
    for (const { stream, partition, key, value, headers, timestampMs } of records) {
      const queue = this.queueOf(this.topics.place(stream, partition));
      const part = parts.get(queue);
      const record = { key, value, headers, timestampMs };
      if (part === undefined) parts.set(queue, [record]);
      else part.push(record);
    }
    const deadlineMs = this.client.kafka.time.nowMs() + this.deliveryTimeoutMs;
    const outcomes = await Promise.allSettled(
      [...parts].map(([queue, part]) => {
        const sent = queue.tail.then(() => this.send(queue, part, deadlineMs));
        queue.tail = sent.catch(() => undefined);
        return sent;
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async close(): Promise<void> {
    await Promise.all([...this.queues.values()].map(({ tail }) => tail));
  }

  private queueOf({ topic, partition }: { topic: string; partition: number }): Queue {
    const name = `${topic}/${partition}`;
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = { topic, partition, identity: null, sequence: 0, tail: Promise.resolve() };
      this.queues.set(name, queue);
    }
    return queue;
  }

  private async send(queue: Queue, records: readonly RecordToProduce[], deadlineMs: number): Promise<void> {
    const { topic, partition } = queue;
    const { time } = this.client.kafka;
    let unknown = false;
    for (;;) {
      let sent = false;
      try {
        if (queue.identity === null) {
          queue.identity = await this.client.identify();
          queue.sequence = 0;
        }
        sent = true;
        await this.client.produceIdempotent(queue.identity, [{ topic, partition, sequence: queue.sequence, records }]);
        queue.sequence += records.length;
        return;
      } catch (thrown) {
        const error = toFraudstreamError(thrown, 'FS_KAFKA_UNAVAILABLE');
        if (sent && thrown instanceof ModelKafkaError && thrown.broker === 'NO_ANSWER') unknown = true;
        if (error.code === 'FS_KAFKA_FENCED') queue.identity = null;
        const over = !error.retriable || time.nowMs() >= deadlineMs;
        if (!over) {
          await new Promise<void>((done) => time.schedule(this.retryMs, done));
          continue;
        }
        // What may be in the log has used its sequence numbers, or not: nobody knows.
        if (unknown) queue.identity = null;
        if (!error.retriable) throw error;
        const detail = `${topic}/${partition} took no records within ${this.deliveryTimeoutMs} ms`;
        throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', detail, { topic, partition }, { cause: error });
      }
    }
  }
}
