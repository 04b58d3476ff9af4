import { describe, expect, it } from 'vitest';
import { kafkaChecks, redisChecks, renderCheck, type Check } from '../../../src/commands/doctor-checks.ts';
import { loadSettings } from '../../../src/config/load.ts';
import type { Settings } from '../../../src/config/options.ts';
import { adviceOn, type RedisReport } from '../../../src/state/redis/redis-check.ts';
import type { ClusterFacts, TopicFacts } from '../../../src/transport/kafka/cluster-facts.ts';

const loaded = loadSettings({
  command: 'doctor',
  argv: [],
  env: {},
  cwd: '/',
  packageRoot: '/',
  nowMs: 0,
  readFile: () => '',
});
if (loaded.kind !== 'settings') throw new Error('the defaults are not valid');
const settings: Settings = loaded.settings;

const DAY = 86_400_000;
const NAMES = ['transactions', 'labels', 'decisions', 'flagged', 'dead-letter'];

function topic(name: string, change: Partial<TopicFacts> = {}, config: Record<string, string> = {}): TopicFacts {
  const all = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'max.message.bytes': '1048588', ...config };
  const base = { name, partitions: 6, replication: 3, leaderless: 0, underReplicated: 0 };
  return { ...base, config: new Map(Object.entries(all)), ...change };
}

function checksOf(changed: TopicFacts[], without: string[] = [], cluster: Partial<ClusterFacts> = {}): Check[] {
  const topics = NAMES.filter((name) => !without.includes(name)).map(
    (name) => changed.find((one) => one.name === name) ?? topic(name),
  );
  return kafkaChecks({ brokers: 3, controller: 1, group: null, topics, ...cluster }, settings, 31 * DAY);
}

const bad = (checks: Check[]): string[] =>
  checks.filter(({ status }) => status !== 'good').map(({ status, name, finding }) => `${status} ${name}: ${finding}`);

describe('what doctor says of Kafka', () => {
  it('is nothing when all is well', () => {
    expect(bad(checksOf([]))).toEqual([]);
  });

  it.each<[string, TopicFacts, string]>([
    [
      'a compacted input',
      topic('transactions', {}, { 'cleanup.policy': 'compact,delete' }),
      'failure topic transactions: is compacted',
    ],
    [
      'fewer output partitions',
      topic('decisions', { partitions: 5 }),
      'failure topic decisions: has 5 partitions, transactions has 6',
    ],
    ['more output partitions', topic('flagged', { partitions: 7 }), 'warning topic flagged: has 7 partitions'],
    ['no leader', topic('decisions', { leaderless: 2 }), 'failure topic decisions: 2 partitions have no leader'],
    ['too few replicas', topic('flagged', { replication: 1 }), 'warning topic flagged: has one replica'],
    [
      'more in sync than there are',
      topic('flagged', {}, { 'min.insync.replicas': '4' }),
      'failure topic flagged: min.insync.replicas 4',
    ],
    [
      'short retention',
      topic('transactions', {}, { 'retention.ms': String(7 * DAY) }),
      'warning topic transactions: keeps 7d',
    ],
    [
      'retention by size',
      topic('transactions', {}, { 'retention.bytes': '1048576' }),
      'warning topic transactions: is cut at 1MiB',
    ],
    [
      'small dead letters',
      topic('dead-letter', {}, { 'max.message.bytes': '1000' }),
      'warning topic dead-letter: takes 1000',
    ],
  ])('names %s, and what to do', (_, changed, finding) => {
    const checks = checksOf([changed]);
    expect(bad(checks)).toHaveLength(1);
    expect(bad(checks)[0]).toContain(finding);
    expect(checks.find(({ status }) => status !== 'good')?.advice).not.toBe('');
  });

  it('leaves the dead-letter topic its own number of partitions', () => {
    expect(bad(checksOf([topic('dead-letter', { partitions: 1 })]))).toEqual([]);
  });

  it('names missing topics with the command that makes them; labels are optional', () => {
    const checks = checksOf([], ['flagged', 'labels']);
    expect(bad(checks)).toEqual(['failure topic flagged: does not exist', 'warning topic labels: does not exist']);
    expect(checks.find(({ name }) => name === 'topic flagged')?.advice).toBe(
      'kafka-topics.sh --bootstrap-server localhost:9092 --create --topic flagged --partitions 6 --replication-factor 1, or start with --create-topics',
    );
  });

  it('says that a login may not read the configuration', () => {
    expect(bad(checksOf([topic('transactions', { config: new Map() })]))[0]).toContain('its retention may not be read');
  });
});

describe('what doctor says of Redis', () => {
  const facts = {
    version: '7.0.15',
    role: 'master',
    maxmemoryPolicy: 'noeviction',
    maxmemoryBytes: 0,
    usedMemoryBytes: 1,
    aofEnabled: true,
    rdbSchedule: '',
    clusterEnabled: false,
  };
  const report = (change: Partial<typeof facts> = {}): RedisReport => {
    const all = { ...facts, ...change };
    return { ...all, advice: adviceOn(all) };
  };

  it('is nothing when all is well', () => {
    expect(bad(redisChecks(report(), 10, 300_000))).toEqual([]);
  });

  it.each([
    [{ maxmemoryPolicy: 'allkeys-lru' }, 'failure'],
    [{ role: 'slave' }, 'failure'],
    [{ aofEnabled: false }, 'warning'],
    [{ version: '5.0.1' }, 'warning'],
  ])('of %j is a %s', (change, status) => {
    expect(bad(redisChecks(report(change), 0, 300_000)).map((line) => line.split(' ', 1)[0])).toEqual([status]);
  });

  it.each([
    [999, []],
    [-1_500, ['warning clock: differs from that of Redis by 1500 ms']],
    [300_000, ['failure clock: differs from that of Redis by 300000 ms']],
  ])('of a clock %d ms away', (skewMs, findings) => {
    expect(bad(redisChecks(report(), skewMs, 300_000))).toEqual(findings);
  });
});

describe('a line of doctor', () => {
  it('has its mark, and is harmless', () => {
    const check = { status: 'failure', name: 'kafka', finding: 'x\u001b[2J', advice: 'y' } as const;
    expect(renderCheck(check)).toBe('✗ kafka: x\\u001b[2J → y\n');
  });
});
