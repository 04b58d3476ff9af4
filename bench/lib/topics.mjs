// Kafka for the benchmarks, through the transport that is measured.
import { load } from './build.mjs';

const quiet = (level, message, fields) => {
  if (level === 'error') process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
};

export async function openKafka(brokers) {
  const { KafkaClient } = await load('transport/kafka/client');
  return new KafkaClient({ brokers: brokers.split(','), clientId: 'bench' }, quiet);
}

/** Names of the topics of one run, and the environment that makes `run` use them. */
export function topicsOf(run) {
  return {
    transactions: `${run}-transactions`,
    decisions: `${run}-decisions`,
    flagged: `${run}-flagged`,
    'dead-letter': `${run}-dead-letter`,
  };
}

export async function createTopicsOf(client, run, partitions) {
  const { createTopics } = await load('transport/kafka/topics');
  await createTopics(
    client,
    Object.values(topicsOf(run)).map((name) => ({ name, partitions })),
  );
}

/**
 * The busiest of the users by Zipf's law pay tens of thousands of times a day, and the shipped model rightly suspects
 * all of it: a third of these payments. With these thresholds one in a hundred is flagged, as of simulated traffic.
 */
const THRESHOLDS = { FRAUDSTREAM_POLICY_FLAG_THRESHOLD: '0.82', FRAUDSTREAM_POLICY_BLOCK_THRESHOLD: '0.85' };

export function environmentOf(run, { brokers, redis }) {
  const topics = topicsOf(run);
  return {
    ...THRESHOLDS,
    FRAUDSTREAM_APP_ID: run,
    FRAUDSTREAM_KAFKA_BROKERS: brokers,
    FRAUDSTREAM_REDIS_URL: redis,
    FRAUDSTREAM_TOPICS_TRANSACTIONS: topics.transactions,
    FRAUDSTREAM_TOPICS_DECISIONS: topics.decisions,
    FRAUDSTREAM_TOPICS_FLAGGED: topics.flagged,
    FRAUDSTREAM_TOPICS_DEAD_LETTER: topics['dead-letter'],
  };
}

/** Records in a topic, by its end offsets (nothing is deleted in a benchmark, and there are no transactions). */
export async function recordCount(admin, topic) {
  const offsets = await admin.fetchTopicOffsets(topic);
  return offsets.reduce((sum, { high }) => sum + Number(high), 0);
}

/** Records of the input that are decided and committed: what the positions say, in either delivery mode. */
export async function openDecidedCount(client, run, topic, partitions) {
  const { GroupOffsets } = await load('transport/kafka/offsets');
  const ledger = new GroupOffsets(client, `${run}.ledger`);
  return async () => {
    const all = Array.from({ length: partitions }, (_, partition) => ledger.read(topic, partition));
    return (await Promise.all(all)).reduce((sum, found) => sum + (found?.offset ?? 0), 0);
  };
}
