import { FraudstreamError } from '../../domain/errors.ts';
import type { OutputStream } from '../record.ts';
import type { TopicPartition } from '../transactions.ts';
import type { KafkaClient } from './client.ts';
import { settlesWithin } from './backoff.ts';
import { Leaders } from './leaders.ts';

/** Which topic and partition the records of a stream go to. */
export class OutputTopics {
  private readonly topics: Readonly<Record<OutputStream, string>>;
  private readonly deadLetterPartitions: number;

  constructor(topics: Readonly<Record<OutputStream, string>>, deadLetterPartitions: number) {
    this.topics = topics;
    this.deadLetterPartitions = deadLetterPartitions;
  }

  /**
   * Decisions and flagged keep the input's partition; a dead letter says itself where it came from, so its topic may have
   * fewer.
   */
  place(stream: OutputStream, partition: number): TopicPartition {
    const target = stream === 'dead-letter' ? partition % this.deadLetterPartitions : partition;
    return { topic: this.topics[stream], partition: target };
  }
}

/**
 * Asks the cluster once. Throws FS_KAFKA_TOPIC_MISSING, FS_KAFKA_UNAVAILABLE, or FS_KAFKA_REFUSED (also when there are
 * fewer partitions for decisions or flagged than the input has).
 */
export async function readOutputTopics(
  client: KafkaClient,
  topics: Readonly<Record<OutputStream, string>>,
  inputTopic: string,
): Promise<OutputTopics> {
  const cluster = client.openCluster();
  try {
    const leaders = new Leaders(cluster);
    await leaders.add([...new Set([inputTopic, ...Object.values(topics)])]);
    const inputs = leaders.partitionCount(inputTopic);
    for (const stream of ['decisions', 'flagged'] as const) {
      const count = leaders.partitionCount(topics[stream]);
      if (count >= inputs) continue;
      const detail = `${topics[stream]} has ${count} partitions, ${inputTopic} has ${inputs}; it needs as many`;
      throw new FraudstreamError('FS_KAFKA_REFUSED', detail, { topic: topics[stream] });
    }
    return new OutputTopics(topics, leaders.partitionCount(topics['dead-letter']));
  } finally {
    await settlesWithin(cluster.disconnect(), 2_000);
  }
}
