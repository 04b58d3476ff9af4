import { describe, expect, it } from 'vitest';
import { renderCheck, type Check } from '../../../src/commands/doctor-check.ts';
import { kafkaChecks, redisChecks } from '../../../src/commands/doctor-checks.ts';
import { loadSettings } from '../../../src/config/load.ts';
import type { Settings } from '../../../src/config/options.ts';
import { adviceOn, type RedisReport } from '../../../src/state/redis/redis-check.ts';
import type { ClusterFacts, TopicFacts } from '../../../src/transport/kafka/cluster-facts.ts';
import type { Operation, Permissions } from '../../../src/transport/kafka/cluster-permissions.ts';
import { decodeTopicOperations } from '../../../src/transport/kafka/cluster-permissions.ts';
import { brokerVersionOf } from '../../../src/transport/kafka/cluster-versions.ts';
import { decodeDescribedGroup } from '../../../src/transport/kafka/group-description.ts';

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

const BROKER: Record<string, string> = {
  'offsets.retention.minutes': '10080',
  'transactional.id.expiration.ms': String(7 * DAY),
  'transaction.max.timeout.ms': '900000',
  'offset.metadata.max.bytes': '4096',
  'group.min.session.timeout.ms': '6000',
  'group.max.session.timeout.ms': '1800000',
};

const CLUSTER: Omit<ClusterFacts, 'topics'> = {
  brokers: 3,
  controller: 1,
  versions: [1, 2, 3].map((nodeId) => ({ nodeId, version: '4.1 or later', usable: true, isCurrent: true })),
  brokerConfig: new Map(Object.entries(BROKER)),
  group: null,
  ledger: null,
  positions: null,
};

function permissionsOf(change: Record<string, Operation[]> = {}, transactionalId: boolean | null = true): Permissions {
  const all = (names: string[]): Map<string, ReadonlySet<Operation>> =>
    new Map(names.map((name) => [name, new Set(change[name] ?? (['Read', 'Write', 'DescribeConfigs'] as const))]));
  return { topics: all(NAMES), groups: all(['fraudstream', 'fraudstream.ledger']), transactionalId };
}

function checksOf(
  changed: TopicFacts[],
  without: string[] = [],
  cluster: Partial<ClusterFacts> = {},
  permissions: Permissions | null = null,
): Check[] {
  const topics = NAMES.filter((name) => !without.includes(name)).map(
    (name) => changed.find((one) => one.name === name) ?? topic(name),
  );
  const others = changed.filter(({ name }) => !NAMES.includes(name));
  return kafkaChecks({ ...CLUSTER, topics: [...topics, ...others], ...cluster }, settings, 31 * DAY, permissions);
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

describe('what doctor says of brokers', () => {
  const three = (change: Partial<TopicFacts>, config: Record<string, string>, name = 'decisions'): Check[] =>
    checksOf([topic(name, change, config)]);

  it.each<[string, Check[], string[]]>([
    [
      'unclean elections',
      three({}, { 'unclean.leader.election.enable': 'true' }),
      ['failure topic decisions: may elect a leader'],
    ],
    [
      'writes that one replica has',
      three({}, { 'min.insync.replicas': '1' }),
      ['warning topic decisions: acknowledges what one replica has'],
    ],
    [
      'writes that need all',
      three({}, { 'min.insync.replicas': '3' }),
      ['warning topic decisions: needs all of its 3 replicas'],
    ],
    ['nothing where two of three must have it', three({}, { 'min.insync.replicas': '2' }), []],
    [
      'positions on one disk',
      three({ replication: 1 }, { 'cleanup.policy': 'compact' }, '__consumer_offsets'),
      ['warning topic __consumer_offsets: has one replica'],
    ],
    [
      'transactions that may be forgotten',
      three({}, { 'unclean.leader.election.enable': 'true' }, '__transaction_state'),
      ['failure topic __transaction_state: may elect a leader'],
    ],
  ])('topics: %s', (_, checks, findings) => {
    expect(bad(checks)).toHaveLength(findings.length);
    findings.forEach((finding, k) => expect(bad(checks)[k]).toContain(finding));
  });

  it.each<[string, string, string]>([
    ['offsets.retention.minutes', '60', 'failure brokers: offsets.retention.minutes keeps positions for 1h'],
    ['offsets.retention.minutes', '4320', 'warning brokers: positions are forgotten after an outage of 3d'],
    ['transactional.id.expiration.ms', '3600000', 'warning brokers: transactional.id.expiration.ms is 1h'],
    ['transaction.max.timeout.ms', '100', 'failure brokers: transaction.max.timeout.ms 100 is below'],
    ['offset.metadata.max.bytes', '512', 'failure brokers: offset.metadata.max.bytes is 512'],
    ['group.min.session.timeout.ms', '60000', 'failure brokers: kafka.session-timeout '],
  ])('settings: %s %s', (name, value, finding) => {
    const brokerConfig = new Map(Object.entries({ ...BROKER, [name]: value }));
    const findings = bad(checksOf([], [], { brokerConfig }));
    expect(findings).toHaveLength(1);
    expect(findings[0]).toContain(finding);
    expect(bad(checksOf([], [], { brokerConfig: new Map() }))[0]).toContain('their settings may not be read');
  });

  it('versions: told from the requests that they speak', () => {
    const of = (fetch: [number, number], produce: [number, number]) =>
      brokerVersionOf(1, {
        0: { minVersion: produce[0], maxVersion: produce[1] },
        1: { minVersion: fetch[0], maxVersion: fetch[1] },
      });
    expect(of([4, 18], [0, 13])).toEqual({ nodeId: 1, version: '4.1 or later', usable: true, isCurrent: true });
    expect(of([4, 17], [0, 12])).toMatchObject({ version: '4.0', isCurrent: true });
    expect(of([0, 17], [0, 11])).toMatchObject({ version: '3.9', isCurrent: false, usable: true });
    expect(of([0, 11], [0, 8])).toMatchObject({ version: '2.3 to 2.6', usable: true });
    expect(of([0, 10], [0, 7])).toMatchObject({ version: 'older than 2.3', usable: false });
    expect(of([12, 30], [3, 20])).toMatchObject({ usable: false });
    expect(brokerVersionOf(2, null)).toEqual({ nodeId: 2, version: '', usable: null, isCurrent: false });
    const versions = [of([0, 10], [0, 7]), of([0, 17], [0, 11]), brokerVersionOf(3, null)];
    expect(bad(checksOf([], [], { versions })).map((line) => line.slice(0, 24))).toEqual([
      'failure broker 1: speaks',
      'warning broker 1: is Kaf',
      'failure broker 3: does n',
    ]);
  });

  it('groups: who is in the group of the positions, and how far they are behind', () => {
    const ledger = { state: 'Stable', members: 1 };
    expect(bad(checksOf([], [], { ledger }))).toEqual([
      'failure group fraudstream.ledger: has 1 members: it holds the positions, and nobody may join it',
    ]);
    const checks = checksOf([], [], { positions: { partitions: 6, without: 2, lag: 70 } });
    expect(checks.map(({ finding }) => finding)).toContain('positions of 6 partitions, 70 records behind; 2 have none');
  });

  it('permissions: each that is lacking, with the command that grants it', () => {
    const lines = (permissions: Permissions, without: string[] = []): string[] =>
      bad(checksOf([], without, {}, permissions));
    expect(lines(permissionsOf())).toEqual([]);
    expect(lines(permissionsOf({ decisions: ['Write', 'DescribeConfigs'] }))).toEqual([
      'failure topic decisions: this login lacks Read',
    ]);
    expect(lines(permissionsOf({ 'fraudstream.ledger': [] }))).toEqual([
      'failure group fraudstream.ledger: this login lacks Read',
    ]);
    expect(lines(permissionsOf({ transactions: ['Read'] }))).toEqual([
      'warning topic transactions: whether it is compacted may not be read: run would not notice',
    ]);
    const refused = checksOf([], [], {}, permissionsOf({}, false)).find(({ status }) => status === 'failure');
    expect(refused?.advice).toBe(
      "kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal 'User:<name>' --operation Write --operation Describe --transactional-id 'fraudstream-transactions-' --resource-pattern-type prefixed",
    );
    // what may not be described is not said to be missing
    expect(lines(permissionsOf({ decisions: [] }), ['decisions'])).toEqual([
      'failure topic decisions: this login lacks Read and Write',
    ]);
    const untold: Permissions = { topics: new Map(), groups: new Map(), transactionalId: null };
    expect(lines(untold)).toEqual(['warning permissions: the brokers do not tell them']);
  });

  it('permissions: an answer that is cut is an error, not a permission', () => {
    for (let length = 0; length < 18; length++) {
      expect(() => decodeTopicOperations(Buffer.alloc(length))).toThrow(RangeError);
    }
    expect(() => decodeDescribedGroup(Buffer.alloc(7))).toThrow(RangeError);
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
