import type { RedisClient } from './redis-client.ts';

/** What `doctor` needs to know of a Redis server. */
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
  readonly clusterEnabled: boolean;
  /** what should be changed, most serious first; empty = all well */
  readonly advice: readonly string[];
}

const VERSION_MIN = 6;

/** Asks the server about itself. Throws FS_STATE_UNAVAILABLE. */
export async function checkRedis(client: RedisClient): Promise<RedisReport> {
  await client.ready();
  let info: Map<string, string>;
  try {
    info = parseInfo(String(await client.call('INFO')));
  } catch (thrown) {
    throw client.error(thrown, 'INFO', {});
  }
  const facts = {
    version: info.get('redis_version') ?? 'unknown',
    role: info.get('role') ?? 'unknown',
    maxmemoryPolicy: info.get('maxmemory_policy') ?? 'unknown',
    maxmemoryBytes: Number(info.get('maxmemory') ?? 0),
    usedMemoryBytes: Number(info.get('used_memory') ?? 0),
    aofEnabled: info.get('aof_enabled') === '1',
    rdbSchedule: await readSchedule(client),
    clusterEnabled: info.get('cluster_enabled') === '1',
  };
  return { ...facts, advice: adviceOn(facts) };
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

async function readSchedule(client: RedisClient): Promise<string | null> {
  try {
    const reply = (await client.call('CONFIG', 'GET', 'save')) as Buffer[];
    return reply[1] === undefined ? null : String(reply[1]);
  } catch {
    // Managed services forbid CONFIG: not knowing is no fault.
    return null;
  }
}

/** Advice on a server's facts, most serious first. */
export function adviceOn(facts: Omit<RedisReport, 'advice'>): string[] {
  const advice: string[] = [];
  if (facts.role !== 'master' && facts.role !== 'unknown') {
    advice.push('this server is a replica: point redis.url at the master');
  }
  if (facts.maxmemoryPolicy !== 'noeviction' && facts.maxmemoryPolicy !== 'unknown') {
    advice.push(
      `maxmemory-policy is ${facts.maxmemoryPolicy}: histories of users would vanish in silence; set it to noeviction`,
    );
  }
  if (facts.clusterEnabled) {
    advice.push('this server is a cluster node, and redis.mode is standalone: use a server that is not');
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
