import { toFraudstreamError } from '../domain/errors.ts';
import type { OutputRecord, OutputStream } from '../transport/record.ts';
import type { Sink } from '../transport/sink.ts';
import type { TopicPartition } from '../transport/transactions.ts';
import { encodePosition, type Position, type PositionKey } from './position.ts';
import type { RecordTo, TransactionalProducer } from './transactional-producer.ts';

/** Where the output of one input partition goes, and where its position is kept. */
export interface Publisher {
  /** Before the position is read, and after every `publish` that rejected. Throws as `TransactionalProducer.fence`. */
  fence(signal: AbortSignal): Promise<void>;
  /** Ends what earlier owners left open wherever `publish` writes: see `TransactionalProducer.settle`. */
  settle(commit: boolean, signal: AbortSignal): Promise<void>;
  /** False: what was published last may not be visible, nor become so, though it was acknowledged. See `mend`. */
  readonly isSteady: boolean;
  /** Makes what was published last visible. Needed of a partition that rests; `publish` sees to it by itself. Rejects as `publish` does. */
  mend(signal: AbortSignal): Promise<void>;
  /**
   * Makes output and position durable, the position not before the output. Rejects when that is not so, or not known:
   * the partition must be acquired anew then.
   */
  publish(outputs: readonly OutputRecord[], position: Position, signal: AbortSignal): Promise<void>;
}

export interface PublisherPorts {
  readonly key: PositionKey;
  readonly producer: TransactionalProducer;
}

const STREAMS: readonly OutputStream[] = ['decisions', 'flagged', 'dead-letter'];

/** Output and position in one transaction: readers that read committed see both, once, or neither. */
export class ExactlyOncePublisher implements Publisher {
  private readonly ports: PublisherPorts;
  private readonly placeOf: (stream: OutputStream, partition: number) => TopicPartition;

  constructor(ports: PublisherPorts, placeOf: (stream: OutputStream, partition: number) => TopicPartition) {
    this.ports = ports;
    this.placeOf = placeOf;
  }

  fence(signal: AbortSignal): Promise<void> {
    return this.ports.producer.fence(signal);
  }

  settle(commit: boolean, signal: AbortSignal): Promise<void> {
    const { key, producer } = this.ports;
    const partitions = STREAMS.map((stream) => this.placeOf(stream, key.partition));
    return producer.settle(partitions, commit, signal);
  }

  get isSteady(): boolean {
    return this.ports.producer.isSteady;
  }

  mend(signal: AbortSignal): Promise<void> {
    return this.ports.producer.mend(signal);
  }

  async publish(outputs: readonly OutputRecord[], position: Position, signal: AbortSignal): Promise<void> {
    const { key, producer } = this.ports;
    const records: RecordTo[] = outputs.map((record) => ({ ...this.placeOf(record.stream, record.partition), record }));
    await producer.commit(records, offsetOf(key, position), signal);
  }
}

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5_000;

/**
 * Output first, visible at once, then the position in a transaction of its own: after a crash output may repeat, equal to the
 * first. The transaction is what keeps an owner that was thought dead from setting the position back.
 */
export class AtLeastOncePublisher implements Publisher {
  private readonly ports: PublisherPorts;
  private readonly sink: Sink;
  private readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;

  constructor(ports: PublisherPorts, sink: Sink, pause: (ms: number, signal: AbortSignal) => Promise<void>) {
    this.ports = ports;
    this.sink = sink;
    this.pause = pause;
  }

  fence(signal: AbortSignal): Promise<void> {
    return this.ports.producer.fence(signal);
  }

  settle(commit: boolean, signal: AbortSignal): Promise<void> {
    return this.ports.producer.settle([], commit, signal);
  }

  get isSteady(): boolean {
    return this.ports.producer.isSteady;
  }

  mend(signal: AbortSignal): Promise<void> {
    return this.ports.producer.mend(signal);
  }

  async publish(outputs: readonly OutputRecord[], position: Position, signal: AbortSignal): Promise<void> {
    const { key, producer } = this.ports;
    if (outputs.length > 0) await this.write(outputs, signal);
    await producer.commit([], offsetOf(key, position), signal);
  }

  /** Equal records may be written twice, never other ones: so while Kafka is away the same ones are tried again. */
  private async write(outputs: readonly OutputRecord[], signal: AbortSignal): Promise<void> {
    for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(RETRY_MS_MAX, waitMs * 2)) {
      try {
        await this.sink.write(outputs);
        return;
      } catch (thrown) {
        const error = toFraudstreamError(thrown);
        if (!error.retriable || signal.aborted) throw error;
        await this.pause(waitMs, signal);
        if (signal.aborted) throw error;
      }
    }
  }
}

function offsetOf(key: PositionKey, position: Position): TopicPartition & { offset: number; metadata: string } {
  const { topic, partition } = key;
  return { topic, partition, offset: position.offset, metadata: encodePosition(key, position) };
}
