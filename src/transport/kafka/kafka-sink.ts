import type { OutputRecord, OutputStream } from '../record.ts';
import type { Sink } from '../sink.ts';
import type { KafkaProducer } from './producer.ts';
import type { ProducerRecord } from './produce-queue.ts';

/** The sink port over a producer: streams become topics. Decisions and flagged keep the input's partition. */
export class KafkaSink implements Sink {
  private readonly producer: KafkaProducer;
  private readonly topics: Readonly<Record<OutputStream, string>>;
  private deadLetterPartitions = 0;

  constructor(producer: KafkaProducer, topics: Readonly<Record<OutputStream, string>>) {
    this.producer = producer;
    this.topics = topics;
  }

  async write(records: readonly OutputRecord[]): Promise<void> {
    // A dead letter says itself where it came from, so its topic may have fewer partitions.
    if (this.deadLetterPartitions === 0 && records.some(({ stream }) => stream === 'dead-letter')) {
      this.deadLetterPartitions = await this.producer.partitionCount(this.topics['dead-letter']);
    }
    await this.producer.send(records.map((record) => this.place(record)));
  }

  close(): Promise<void> {
    return this.producer.close();
  }

  private place({ stream, partition, key, value, headers, timestampMs }: OutputRecord): ProducerRecord {
    const target = stream === 'dead-letter' ? partition % this.deadLetterPartitions : partition;
    return { topic: this.topics[stream], partition: target, key, value, headers, timestampMs };
  }
}
