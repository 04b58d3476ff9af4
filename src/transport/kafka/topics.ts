import type { Admin } from 'kafkajs';
import { pauseFor } from './backoff.ts';
import type { KafkaClient } from './client.ts';
import { fromKafka } from './kafka-errors.ts';

/** Creates topics, when an operator asks for it. */

const LEADERS_MS_MAX = 30_000;
const LEADERS_PAUSE_MS = 50;

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
        waitForLeaders: false, // KafkaJS waits for less than a second
        topics: missing.map(({ name, partitions, replication, config }) => ({
          topic: name,
          numPartitions: partitions,
          replicationFactor: replication ?? -1,
          configEntries: Object.entries(config ?? {}).map(([entry, value]) => ({ name: entry, value })),
        })),
      });
    }
    const created = missing.map(({ name }) => name);
    await waitForLeaders(admin, missing);
    return created;
  } catch (error) {
    throw fromKafka(error, `cannot create ${topics.map(({ name }) => name).join(', ')}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/**
 * A broker answers that a topic is created before it knows it, and names its leaders before they lead: only who tells
 * where its log ends can be written to.
 */
async function waitForLeaders(admin: Admin, topics: readonly NewTopic[]): Promise<void> {
  const deadlineMs = Date.now() + LEADERS_MS_MAX;
  for (const { name, partitions } of topics) {
    for (;;) {
      try {
        const ends = await admin.fetchTopicOffsets(name);
        if (ends.length >= partitions) break;
        if (Date.now() > deadlineMs) throw new Error(`${name} is not complete after ${LEADERS_MS_MAX} ms`);
      } catch (error) {
        if (!fromKafka(error, '').retriable || Date.now() > deadlineMs) throw error;
      }
      await pauseFor(LEADERS_PAUSE_MS);
    }
  }
}
