import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  freePorts,
  removeAtExit,
  removeFolder,
  startProcess,
  temporaryFolder,
  waitUntil,
  type ServerProcess,
} from './process.ts';
import { pings, redisCli, startRedis, type RedisServer } from './redis.ts';

/** A real Redis with Sentinel on 127.0.0.1: one master, one replica, three sentinels. */

const SENTINELS = 3;
const QUORUM = 2;
const DOWN_AFTER_MS = 500;
const SETTLE_MS = 30_000;

export interface RedisSentinelSet {
  /** the master's name, for `redis.sentinel-master` */
  readonly name: string;
  /** host:port of each sentinel, for `redis.sentinels` */
  readonly sentinels: readonly string[];
  /** master first, as they were at the start */
  readonly nodes: readonly RedisServer[];
  /** who the sentinels say it is, all of them alike */
  master(): Promise<RedisServer>;
  kill9(node: RedisServer): Promise<void>;
  /** On the same port, without data; the sentinels make it a replica when another is master. */
  restart(node: RedisServer): Promise<void>;
  /** kill -9 of the master; resolves when the sentinels have another. Returns who died. */
  failover(): Promise<RedisServer>;
  /** Swaps master and replica while both run; resolves when the sentinels have the other. Returns the old master. */
  demote(): Promise<RedisServer>;
  /** Resolves when all sentinels know each other and a master with a replica in sync. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedisSentinel({ name = 'fraudstream' } = {}): Promise<RedisSentinelSet> {
  const folder = temporaryFolder('sentinel');
  removeAtExit(folder);
  const ports = await freePorts(SENTINELS);
  const started: RedisServer[] = [];
  const processes: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all([...processes.map((each) => each.stop()), ...started.map((server) => server.stop())]);
    removeFolder(folder);
  };
  try {
    const args = ['--repl-diskless-sync-delay', '0'];
    const first = await startRedis({ args });
    started.push(first);
    const second = await startRedis({ args, replicaOf: { host: first.host, port: first.port } });
    started.push(second);
    const nodes = [first, second];
    for (const port of ports) {
      const file = join(folder, `sentinel-${port}.conf`);
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${folder}`,
        `sentinel monitor ${name} 127.0.0.1 ${first.port} ${QUORUM}`,
        `sentinel down-after-milliseconds ${name} ${DOWN_AFTER_MS}`,
        `sentinel failover-timeout ${name} 3000`,
        `sentinel parallel-syncs ${name} 1`,
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      const server = startProcess('redis-server', [file, '--sentinel'], join(folder, `sentinel-${port}.log`));
      processes.push(server);
      await waitUntil(() => pings(port), { what: 'Redis Sentinel', timeoutMs: 10_000, server });
      // They ask for roles every 10 s, and so would take as long to settle.
      await redisCli(port, 'SENTINEL', 'DEBUG', 'INFO-PERIOD', '500', 'PUBLISH-PERIOD', '300');
    }

    /** Null while the sentinels differ. */
    async function agreed(): Promise<RedisServer | null> {
      const answers = ports.map((port) => redisCli(port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name));
      const seen = new Set((await Promise.all(answers)).map((text) => Number(text.split('\n')[1])));
      return seen.size === 1 ? (nodes.find(({ port }) => seen.has(port)) ?? null) : null;
    }
    async function master(): Promise<RedisServer> {
      let found: RedisServer | null = null;
      const known = async (): Promise<boolean> => (found = await agreed()) !== null;
      await waitUntil(known, { what: 'the agreement of the sentinels', timeoutMs: SETTLE_MS });
      return found as unknown as RedisServer;
    }
    async function inSync(): Promise<boolean> {
      const current = await agreed();
      if (current === null) return false;
      const replication = await redisCli(current.port, 'INFO', 'replication');
      if (!replication.includes('role:master') || !replication.includes('state=online')) return false;
      for (const port of ports) {
        const fields = (await redisCli(port, 'SENTINEL', 'MASTER', name)).split('\n');
        const valueOf = (field: string): string => fields[fields.indexOf(field) + 1] ?? '';
        if (valueOf('flags') !== 'master' || valueOf('num-slaves') !== '1') return false;
        if (valueOf('num-other-sentinels') !== String(SENTINELS - 1)) return false;
        const replica = (await redisCli(port, 'SENTINEL', 'REPLICAS', name)).split('\n');
        if (replica[replica.indexOf('flags') + 1] !== 'slave') return false;
      }
      return true;
    }
    const settled = (): Promise<void> => waitUntil(inSync, { what: 'a settled Redis Sentinel', timeoutMs: SETTLE_MS });
    async function anotherThan(old: RedisServer): Promise<RedisServer> {
      const switched = async (): Promise<boolean> => {
        const current = await agreed();
        return current !== null && current !== old;
      };
      await waitUntil(switched, { what: 'the failover by the sentinels', timeoutMs: SETTLE_MS });
      return old;
    }
    await settled();

    return {
      name,
      sentinels: ports.map((port) => `127.0.0.1:${port}`),
      nodes,
      master,
      kill9: (node) => node.kill9(),
      restart: (node) => node.restart(),
      async failover() {
        const old = await master();
        await old.kill9();
        return anotherThan(old);
      },
      async demote() {
        const old = await master();
        await redisCli(ports[0] as number, 'SENTINEL', 'FAILOVER', name);
        return anotherThan(old);
      },
      settled,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
