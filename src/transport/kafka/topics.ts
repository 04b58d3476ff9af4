import type { KafkaClient } from './client.ts';
import { fromKafka } from './kafka-errors.ts';

/** Creates topics, when an operator asks for it. */

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  /** default: the broker's */
  readonly replication?: number;
  readonly config?: Readonly<Record<string, string>>;
}

/** Returns the names of those that did not exist. Throws FS_KAFKA_UNAVAILABLE or FS_KAFKA_REFUSED. */
export async function createTopics(client: KafkaClient, topics: readonly NewTopic[]): Promise<string[]> {
  const admin = client.admin();
  try {
    await admin.connect();
    const existing = new Set(await admin.listTopics());
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length > 0) {
      await admin.createTopics({
        waitForLeaders: true,
        topics: missing.map(({ name, partitions, replication, config }) => ({
          topic: name,
          numPartitions: partitions,
          replicationFactor: replication ?? -1,
          configEntries: Object.entries(config ?? {}).map(([entry, value]) => ({ name: entry, value })),
        })),
      });
    }
    return missing.map(({ name }) => name);
  } catch (error) {
    throw fromKafka(error, `cannot create ${topics.map(({ name }) => name).join(', ')}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
