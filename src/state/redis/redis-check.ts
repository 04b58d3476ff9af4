import { FraudstreamError } from '../../domain/errors.ts';
import type { RedisClient } from './redis-client.ts';

/** What `doctor` needs to know of the Redis server; of several masters the worst of each. */
export interface RedisReport {
  readonly version: string;
  /** `master` or `slave`, in the server's words */
  readonly role: string;
  readonly maxmemoryPolicy: string;
  /** 0 = no limit */
  readonly maxmemoryBytes: number;
  readonly usedMemoryBytes: number;
  readonly aofEnabled: boolean;
  /** the `save` setting; '' = no snapshots, null = the server does not let us ask */
  readonly rdbSchedule: string | null;
  /** a cluster node, although redis.mode is not cluster */
  readonly clusterEnabled: boolean;
  /** what should be changed, most serious first; empty = all well */
  readonly advice: readonly string[];
}

type Facts = Omit<RedisReport, 'advice'>;

const EVICTION = 'histories of users would vanish in silence; set it to noeviction';
const VERSION_MIN = 6;

/** Asks the server, or every master, about itself. Throws FS_STATE_UNAVAILABLE. */
export async function checkRedis(client: RedisClient): Promise<RedisReport> {
  const [infos, schedules] = await ask(client, 'INFO', () =>
    Promise.all([client.callMasters('INFO'), client.callMasters('CONFIG', 'GET', 'save')]),
  );
  const facts = infos.map(({ reply }, i): Facts => {
    if (reply instanceof Error) throw client.error(reply, 'INFO', {});
    const info = parseInfo(String(reply));
    return {
      version: info.get('redis_version') ?? 'unknown',
      role: info.get('role') ?? 'unknown',
      maxmemoryPolicy: info.get('maxmemory_policy') ?? 'unknown',
      maxmemoryBytes: Number(info.get('maxmemory') ?? 0),
      usedMemoryBytes: Number(info.get('used_memory') ?? 0),
      aofEnabled: info.get('aof_enabled') === '1',
      rdbSchedule: secondOf(schedules[i]?.reply),
      clusterEnabled: client.mode !== 'cluster' && info.get('cluster_enabled') === '1',
    };
  });
  const worst = worstOf(facts);
  return { ...worst, advice: adviceOn(worst) };
}

/**
 * Histories must not be evicted: the watermark would stay, and nobody would notice. Every master is asked, by INFO and
 * else by CONFIG; where neither is allowed (managed services forbid them), not knowing is no fault.
 * Throws FS_CONFIG_INVALID when one evicts, FS_STATE_UNAVAILABLE when one does not answer.
 */
export async function assertNoEviction(client: RedisClient): Promise<void> {
  const [infos, settings] = await ask(client, 'read maxmemory-policy', () =>
    Promise.all([client.callMasters('INFO', 'memory'), client.callMasters('CONFIG', 'GET', 'maxmemory-policy')]),
  );
  for (const [i, { url, reply }] of infos.entries()) {
    const told = reply instanceof Error ? undefined : parseInfo(String(reply)).get('maxmemory_policy');
    const policy = told ?? secondOf(settings[i]?.reply) ?? 'noeviction';
    if (policy === 'noeviction') continue;
    throw new FraudstreamError('FS_CONFIG_INVALID', `Redis ${url}: maxmemory-policy is ${policy}: ${EVICTION}`);
  }
}

async function ask<T>(client: RedisClient, doing: string, work: () => Promise<T>): Promise<T> {
  await client.ready();
  try {
    return await work();
  } catch (thrown) {
    throw client.error(thrown, doing, {});
  }
}

/** The value in a reply to CONFIG GET; null when there is none or it was refused. */
function secondOf(reply: unknown): string | null {
  return Array.isArray(reply) && reply[1] !== undefined ? String(reply[1]) : null;
}

/** What deserves advice, wherever it is. There is at least one. */
export function worstOf(all: readonly Facts[]): Facts {
  const [first] = all as [Facts];
  const find = (bad: (facts: Facts) => boolean): Facts => all.find(bad) ?? first;
  const fullness = ({ usedMemoryBytes, maxmemoryBytes }: Facts): number =>
    maxmemoryBytes > 0 ? usedMemoryBytes / maxmemoryBytes : 0;
  const fullest = all.reduce((a, b) => (fullness(b) > fullness(a) ? b : a));
  const unsaved = find(({ aofEnabled, rdbSchedule }) => !aofEnabled && rdbSchedule === '');
  return {
    version: find(({ version }) => Number.parseInt(version, 10) < VERSION_MIN).version,
    role: find(({ role }) => role !== 'master').role,
    maxmemoryPolicy: find(({ maxmemoryPolicy }) => maxmemoryPolicy !== 'noeviction').maxmemoryPolicy,
    maxmemoryBytes: fullest.maxmemoryBytes,
    usedMemoryBytes: fullest.usedMemoryBytes,
    aofEnabled: unsaved.aofEnabled,
    rdbSchedule: unsaved.rdbSchedule,
    clusterEnabled: find(({ clusterEnabled }) => clusterEnabled).clusterEnabled,
  };
}

/** `INFO` as name → value. */
export function parseInfo(text: string): Map<string, string> {
  const info = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) info.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return info;
}

/** Advice on a server's facts, most serious first. */
export function adviceOn(facts: Facts): string[] {
  const advice: string[] = [];
  if (facts.role !== 'master' && facts.role !== 'unknown') {
    advice.push('this server is a replica: point redis.url at the master');
  }
  if (facts.maxmemoryPolicy !== 'noeviction' && facts.maxmemoryPolicy !== 'unknown') {
    advice.push(`maxmemory-policy is ${facts.maxmemoryPolicy}: ${EVICTION}`);
  }
  if (facts.clusterEnabled) {
    advice.push('this server is a cluster node: set redis.mode to cluster and redis.nodes, or use another server');
  }
  const major = Number.parseInt(facts.version, 10);
  if (Number.isFinite(major) && major < VERSION_MIN) {
    advice.push(`Redis ${facts.version} is older than ${VERSION_MIN}.0: upgrade it`);
  }
  if (!facts.aofEnabled && facts.rdbSchedule === '') {
    advice.push(
      'neither append-only file nor snapshots are on: after a restart of Redis all state is rebuilt from the input log; set appendonly yes',
    );
  }
  if (facts.maxmemoryBytes > 0 && facts.usedMemoryBytes > facts.maxmemoryBytes * 0.8) {
    advice.push('memory in use is above 80 % of maxmemory: give it more, writes will be refused at the limit');
  }
  return advice;
}
