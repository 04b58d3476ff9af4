import type { Settings } from '../config/options.ts';
import { formatBytes, formatDuration } from '../config/values.ts';
import type { RedisReport } from '../state/redis/redis-check.ts';
import type { ClusterFacts, TopicFacts } from '../transport/kafka/cluster-facts.ts';
import type { Permissions } from '../transport/kafka/cluster-permissions.ts';
import { failure, good, warning, type Check } from './doctor-check.ts';
import { brokerChecks, durabilityChecks, groupChecks } from './doctor-cluster.ts';
import { permissionChecks } from './doctor-permissions.ts';

const SKEW_MS_WARN = 1_000;

/** @param longestWindowMs of the catalogue, with the allowed lateness; null when the catalogue could not be read */
export function kafkaChecks(
  facts: ClusterFacts,
  settings: Settings,
  longestWindowMs: number | null,
  permissions: Permissions | null = null,
): Check[] {
  const checks: Check[] = brokerChecks(facts, settings);
  const find = (name: string): TopicFacts | undefined => facts.topics.find((topic) => topic.name === name);
  const input = settings['topics.transactions'];
  const outputs = [settings['topics.decisions'], settings['topics.flagged'], settings['topics.dead-letter']];
  for (const name of [input, ...outputs, settings['topics.labels']]) {
    const topic = find(name);
    // a topic that may not be described is not in any list
    const hidden = permissions?.topics.get(name)?.size === 0;
    if (topic === undefined && hidden) continue;
    if (topic === undefined) checks.push(missingTopic(name, name === settings['topics.labels'], settings));
    else checks.push(...topicChecks(topic, facts.brokers));
  }
  const inputTopic = find(input);
  if (inputTopic !== undefined) {
    checks.push(...retentionChecks(inputTopic, longestWindowMs));
    // a dead letter says itself where it came from: its topic may have any number
    for (const name of outputs.slice(0, 2)) checks.push(...partitionChecks(inputTopic, find(name)));
  }
  const deadLetter = find(settings['topics.dead-letter']);
  if (deadLetter !== undefined) checks.push(...deadLetterChecks(deadLetter, settings['record.max-bytes']));
  checks.push(...groupChecks(facts, settings));
  if (permissions !== null) checks.push(...permissionChecks(permissions, settings));
  return checks;
}

function missingTopic(name: string, optional: boolean, settings: Settings): Check {
  const command =
    `kafka-topics.sh --bootstrap-server ${settings['kafka.brokers'][0] ?? ''} --create --topic ${name} --partitions ${settings['topics.partitions']} ` +
    `--replication-factor ${settings['topics.replication']}`;
  if (optional) return warning(`topic ${name}`, 'does not exist', `needed only for labels: ${command}`);
  return failure(`topic ${name}`, 'does not exist', `${command}, or start with --create-topics`);
}

function topicChecks(topic: TopicFacts, brokers: number): Check[] {
  const name = `topic ${topic.name}`;
  const checks: Check[] = [];
  if (topic.leaderless > 0) {
    checks.push(failure(name, `${topic.leaderless} partitions have no leader`, 'look at the brokers'));
  }
  if (topic.underReplicated > 0) {
    checks.push(warning(name, `${topic.underReplicated} partitions are under-replicated`, 'look at the brokers'));
  }
  if ((topic.config.get('cleanup.policy') ?? 'delete').includes('compact')) {
    const advice = `kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name ${topic.name} --add-config cleanup.policy=delete`;
    checks.push(failure(name, 'is compacted: payments and decisions of a user would vanish', advice));
  }
  const insync = Number(topic.config.get('min.insync.replicas') ?? 1);
  if (insync > topic.replication) {
    const finding = `min.insync.replicas ${insync} is above the replication factor ${topic.replication}`;
    checks.push(failure(name, finding, 'nothing can be written: lower it, or add replicas'));
  }
  checks.push(...durabilityChecks(topic, brokers));
  if (checks.some((check) => check.status === 'failure')) return checks;
  return [good(name, `${topic.partitions} partitions, ${topic.replication} replicas`), ...checks];
}

/** Output partition = input partition. */
function partitionChecks(input: TopicFacts, output: TopicFacts | undefined): Check[] {
  if (output === undefined || output.partitions === input.partitions) return [];
  const name = `topic ${output.name}`;
  const finding = `has ${output.partitions} partitions, ${input.name} has ${input.partitions}`;
  if (output.partitions > input.partitions) return [warning(name, finding, 'the others stay empty')];
  const advice = `kafka-topics.sh --bootstrap-server … --alter --topic ${output.name} --partitions ${input.partitions}`;
  return [failure(name, finding, advice)];
}

/** State that is lost is rebuilt from the log: as far as that reaches. */
function retentionChecks(input: TopicFacts, longestWindowMs: number | null): Check[] {
  const name = `topic ${input.name}`;
  const retention = Number(input.config.get('retention.ms') ?? Number.NaN);
  const bytes = Number(input.config.get('retention.bytes') ?? -1);
  const checks: Check[] = [];
  if (Number.isNaN(retention)) {
    checks.push(warning(name, 'its retention may not be read', 'grant DescribeConfigs to know it'));
  } else if (retention >= 0 && longestWindowMs !== null && retention < longestWindowMs) {
    const finding = `keeps ${formatDuration(retention)}, the longest window with lateness is ${formatDuration(longestWindowMs)}`;
    checks.push(warning(name, finding, 'if Redis loses its data, histories come back shorter: lengthen retention.ms'));
  } else {
    checks.push(good(name, retention < 0 ? 'is kept for ever' : `is kept for ${formatDuration(retention)}`));
  }
  if (bytes >= 0) {
    checks.push(
      warning(
        name,
        `is cut at ${formatBytes(bytes)} per partition`,
        'the time kept depends on the load: see retention.bytes',
      ),
    );
  }
  return checks;
}

/** A dead letter is the record with some headers more. */
function deadLetterChecks(topic: TopicFacts, recordBytesMax: number): Check[] {
  const limit = Number(topic.config.get('max.message.bytes') ?? Number.NaN);
  if (Number.isNaN(limit) || limit >= recordBytesMax) return [];
  const finding = `takes ${formatBytes(limit)} at most, records may have ${formatBytes(recordBytesMax)}`;
  return [warning(`topic ${topic.name}`, finding, 'raise its max.message.bytes, or lower record.max-bytes')];
}

/** @param skewMs clock of Redis minus ours */
export function redisChecks(report: RedisReport, skewMs: number, futureSkewMs: number): Check[] {
  // the advice that comes first is about these, in this order
  const serious = [
    report.role !== 'master' && report.role !== 'unknown',
    report.maxmemoryPolicy !== 'noeviction' && report.maxmemoryPolicy !== 'unknown',
    report.clusterEnabled,
  ].filter(Boolean).length;
  const checks = report.advice.map((advice, i) => {
    const [finding = advice, todo = ''] = splitAdvice(advice);
    return i < serious ? failure('redis', finding, todo) : warning('redis', finding, todo);
  });
  const memory =
    report.maxmemoryBytes === 0 ? 'no memory limit' : `${formatBytes(report.maxmemoryBytes)} of memory at most`;
  return [
    good('redis', `version ${report.version}, ${report.maxmemoryPolicy}, ${memory}`),
    ...checks,
    clockCheck(skewMs, futureSkewMs),
  ];
}

function clockCheck(skewMs: number, futureSkewMs: number): Check {
  const size = Math.abs(skewMs);
  const finding = `differs from that of Redis by ${Math.round(size)} ms`;
  const advice = 'synchronise the clocks (NTP)';
  if (size >= Math.max(SKEW_MS_WARN, futureSkewMs)) return failure('clock', finding, advice);
  return size >= SKEW_MS_WARN ? warning('clock', finding, advice) : good('clock', finding);
}

/** `what is wrong: what to do` */
function splitAdvice(advice: string): string[] {
  const colon = advice.lastIndexOf(': ');
  return colon === -1 ? [advice, ''] : [advice.slice(0, colon), advice.slice(colon + 2)];
}
