import type { Settings } from '../config/options.ts';
import { formatDuration } from '../config/values.ts';
import type { ClusterFacts, TopicFacts } from '../transport/kafka/cluster-facts.ts';
import { failure, good, warning, type Check } from './doctor-check.ts';
import { groupOf, ledgerGroupOf } from './run-kafka.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** a position with 64 records that were put aside */
const METADATA_BYTES = 2_048;
const REPLICAS = 3;

/** Topics of Kafka's own that positions and transactions are kept in. */
export const INTERNAL_TOPICS = ['__consumer_offsets', '__transaction_state'] as const;

/** Brokers, their versions and settings, and their own topics. */
export function brokerChecks(facts: ClusterFacts, settings: Settings): Check[] {
  const checks: Check[] = [
    facts.controller === null
      ? failure('kafka', 'no controller is known', 'look at the log of the brokers')
      : good('kafka', `${facts.brokers} broker${facts.brokers === 1 ? '' : 's'}`),
  ];
  checks.push(...versionChecks(facts), ...settingChecks(facts, settings));
  for (const name of INTERNAL_TOPICS) {
    const topic = facts.topics.find((one) => one.name === name);
    if (topic !== undefined) checks.push(...durabilityChecks(topic, facts.brokers));
  }
  return checks;
}

function versionChecks({ versions }: ClusterFacts): Check[] {
  const checks: Check[] = [];
  for (const { nodeId, version, usable, isCurrent } of versions) {
    const name = `broker ${nodeId}`;
    if (usable === null) checks.push(failure(name, 'does not answer', 'look at its log, and at advertised.listeners'));
    else if (!usable) {
      checks.push(failure(name, `speaks other requests than we do (Kafka ${version})`, 'use Kafka 2.3 to 4.x'));
    } else if (!isCurrent) {
      const advice = 'use 4.0 or later: before, a committed position may be read too old for a moment (KAFKA-17507)';
      checks.push(warning(name, `is Kafka ${version}`, advice));
    } else checks.push(good(name, `Kafka ${version}`));
  }
  return checks;
}

/** What the brokers forget, and what they allow. */
function settingChecks({ brokerConfig }: ClusterFacts, settings: Settings): Check[] {
  if (brokerConfig.size === 0) {
    return [
      warning(
        'brokers',
        'their settings may not be read',
        'grant DescribeConfigs on the cluster to have offsets.retention.minutes and others checked',
      ),
    ];
  }
  const checks: Check[] = [];
  const read = (name: string): number => Number(brokerConfig.get(name) ?? Number.NaN);
  const offsetsMs = read('offsets.retention.minutes') * MINUTE_MS;
  if (offsetsMs < DAY_MS) {
    const finding = `offsets.retention.minutes keeps positions for ${formatDuration(offsetsMs)}`;
    checks.push(failure('brokers', finding, 'an idle partition would lose its position: set it to 10080 or more'));
  } else if (offsetsMs < 7 * DAY_MS) {
    const finding = `positions are forgotten after an outage of ${formatDuration(offsetsMs)}`;
    checks.push(warning('brokers', finding, 'set offsets.retention.minutes to 10080 or more'));
  } else if (!Number.isNaN(offsetsMs))
    checks.push(good('brokers', `positions are kept for ${formatDuration(offsetsMs)}`));
  const idMs = read('transactional.id.expiration.ms');
  if (idMs < DAY_MS) {
    const finding = `transactional.id.expiration.ms is ${formatDuration(idMs)}`;
    checks.push(warning('brokers', finding, 'idle partitions would have to be taken over anew: set it to 7 days'));
  }
  const longestMs = read('transaction.max.timeout.ms');
  if (longestMs < settings['kafka.transaction-timeout']) {
    const finding = `transaction.max.timeout.ms ${longestMs} is below kafka.transaction-timeout`;
    checks.push(
      failure('brokers', finding, 'no transaction could begin: raise it, or lower kafka.transaction-timeout'),
    );
  }
  const metadataBytes = read('offset.metadata.max.bytes');
  if (metadataBytes < METADATA_BYTES) {
    const finding = `offset.metadata.max.bytes is ${metadataBytes}`;
    checks.push(failure('brokers', finding, `a position needs up to ${METADATA_BYTES}; the default is 4096`));
  }
  const session = settings['kafka.session-timeout'];
  const [least, most] = [read('group.min.session.timeout.ms'), read('group.max.session.timeout.ms')];
  if (session < least || session > most) {
    const finding = `kafka.session-timeout ${session} is not within ${least} to ${most}, which the brokers allow`;
    checks.push(failure('brokers', finding, 'no member could join: change it, or group.min/max.session.timeout.ms'));
  }
  return checks;
}

/** What is acknowledged must outlive a broker. */
export function durabilityChecks(topic: TopicFacts, brokers: number): Check[] {
  const name = `topic ${topic.name}`;
  const checks: Check[] = [];
  const unclean = topic.config.get('unclean.leader.election.enable');
  if (unclean === 'true') {
    const advice = `set unclean.leader.election.enable of ${topic.name} to false`;
    checks.push(failure(name, 'may elect a leader that lacks acknowledged records: they would vanish', advice));
  }
  const insync = Number(topic.config.get('min.insync.replicas') ?? Number.NaN);
  if (topic.replication < Math.min(REPLICAS, brokers)) {
    const finding = topic.replication === 1 ? 'has one replica' : `has ${topic.replication} replicas`;
    checks.push(warning(name, finding, 'a lost disk loses what was acknowledged: use replication factor 3'));
  } else if (topic.replication >= REPLICAS && insync < 2) {
    const advice = `a broker that dies may take acknowledged records along: set min.insync.replicas of ${topic.name} to 2`;
    checks.push(warning(name, 'acknowledges what one replica has', advice));
  } else if (topic.replication > 1 && insync === topic.replication) {
    const advice = 'one broker away stops all writing: lower it by one, or add a replica';
    checks.push(warning(name, `needs all of its ${insync} replicas for a write`, advice));
  }
  return checks;
}

/** Who is a member, who must not be, and how far decisions are behind. */
export function groupChecks({ group, ledger, positions }: ClusterFacts, settings: Settings): Check[] {
  const [name, ledgerName] = [groupOf(settings), ledgerGroupOf(settings)];
  const members = group?.members ?? 0;
  const checks = [
    group === null
      ? good(`group ${name}`, 'not there yet')
      : good(`group ${name}`, `${group.state}, ${members} members`),
  ];
  if (ledger !== null && ledger.members > 0) {
    const finding = `has ${ledger.members} members: it holds the positions, and nobody may join it`;
    checks.push(
      failure(`group ${ledgerName}`, finding, 'find the consumer with this group id and give it another one'),
    );
  }
  if (positions !== null) {
    const { partitions, without, lag } = positions;
    const more = without === 0 ? '' : without === partitions ? '; nothing was decided yet' : `; ${without} have none`;
    checks.push(good(`group ${ledgerName}`, `positions of ${partitions} partitions, ${lag} records behind${more}`));
  }
  return checks;
}
