import type { Settings } from '../config/options.ts';
import { formatBytes, formatDuration } from '../config/values.ts';
import { escapeText } from '../observability/terminal.ts';
import type { RedisReport } from '../state/redis/redis-check.ts';
import type { ClusterFacts, TopicFacts } from '../transport/kafka/cluster-facts.ts';

export interface Check {
  readonly status: 'good' | 'warning' | 'failure';
  /** what was looked at, e.g. `kafka` or `topic transactions` */
  readonly name: string;
  readonly finding: string;
  /** '' when there is nothing to do */
  readonly advice: string;
}

const SKEW_MS_WARN = 1_000;
const MARKS = { good: '✓', warning: '!', failure: '✗' } as const;

export function good(name: string, finding: string): Check {
  return { status: 'good', name, finding, advice: '' };
}

function warning(name: string, finding: string, advice: string): Check {
  return { status: 'warning', name, finding, advice };
}

export function failure(name: string, finding: string, advice: string): Check {
  return { status: 'failure', name, finding, advice };
}

/** One line: the mark, what was looked at and found, and what to do. */
export function renderCheck({ status, name, finding, advice }: Check): string {
  const todo = advice === '' ? '' : ` → ${escapeText(advice, 500)}`;
  return `${MARKS[status]} ${escapeText(name)}: ${escapeText(finding, 500)}${todo}\n`;
}

/** @param longestWindowMs of the catalogue, with the allowed lateness; null when the catalogue could not be read */
export function kafkaChecks(facts: ClusterFacts, settings: Settings, longestWindowMs: number | null): Check[] {
  const checks: Check[] = [
    facts.controller === null
      ? failure('kafka', 'no controller is known', 'look at the log of the brokers')
      : good('kafka', `${facts.brokers} broker${facts.brokers === 1 ? '' : 's'}`),
  ];
  const find = (name: string): TopicFacts | undefined => facts.topics.find((topic) => topic.name === name);
  const input = settings['topics.transactions'];
  const outputs = [settings['topics.decisions'], settings['topics.flagged'], settings['topics.dead-letter']];
  for (const name of [input, ...outputs, settings['topics.labels']]) {
    const topic = find(name);
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
  const group = settings['kafka.group-id'] ?? settings['app.id'];
  checks.push(
    facts.group === null
      ? good(`group ${group}`, 'not there yet')
      : good(`group ${group}`, `${facts.group.state}, ${facts.group.members} members`),
  );
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
  if (topic.replication === 1 && brokers > 1) {
    checks.push(warning(name, 'has one replica', 'a lost disk loses payments: use replication factor 3'));
  }
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
