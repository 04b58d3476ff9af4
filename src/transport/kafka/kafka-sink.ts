import type { OutputRecord, OutputStream } from '../record.ts';
import type { Sink } from '../sink.ts';
import type { KafkaProducer } from './producer.ts';
import { OutputTopics } from './output-topics.ts';
import type { ProducerRecord } from './produce-queue.ts';

/** The sink port over a producer: streams become topics. Decisions and flagged keep the input's partition. */
export class KafkaSink implements Sink {
  private readonly producer: KafkaProducer;
  private readonly topics: Readonly<Record<OutputStream, string>>;
  private places: OutputTopics | null = null;

  constructor(producer: KafkaProducer, topics: Readonly<Record<OutputStream, string>>) {
    this.producer = producer;
    this.topics = topics;
  }

  async write(records: readonly OutputRecord[]): Promise<void> {
    let { places } = this;
    if (places === null) {
      const deadLetters = records.some(({ stream }) => stream === 'dead-letter');
      places = new OutputTopics(
        this.topics,
        deadLetters ? await this.producer.partitionCount(this.topics['dead-letter']) : 0,
      );
      if (deadLetters) this.places = places;
    }
    await this.producer.send(records.map((record) => place(record, places)));
  }

  close(): Promise<void> {
    return this.producer.close();
  }
}

function place(
  { stream, partition, key, value, headers, timestampMs }: OutputRecord,
  places: OutputTopics,
): ProducerRecord {
  return { ...places.place(stream, partition), key, value, headers, timestampMs };
}
