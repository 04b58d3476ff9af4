import { freePorts, waitUntil } from './process.ts';
import { redisCli, startRedis, type RedisServer } from './redis.ts';

/** A real Redis Cluster on 127.0.0.1: three masters with one replica each, unless told otherwise. */

const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1_000;
/** A failover takes node time-out + up to 1 s of election; a busy machine takes longer. */
const SETTLE_MS = 30_000;

export interface ClusterNode extends RedisServer {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** node id within the cluster; stays over restarts */
  readonly id: string;
}

export interface RedisCluster {
  /** masters first, as they were at the start */
  readonly nodes: readonly ClusterNode[];
  /** of all nodes, for `redis.nodes` */
  readonly addresses: readonly string[];
  slotOf(key: string): Promise<number>;
  /** who serves the key's slot now, in the eyes of the majority */
  masterOf(key: string): Promise<ClusterNode>;
  replicasOf(key: string): Promise<ClusterNode[]>;
  kill9(node: ClusterNode): Promise<void>;
  /** On the same port, with the same id and without data. */
  restart(node: ClusterNode): Promise<void>;
  /** kill -9 of the master of a key's slot; resolves when another serves it. Returns who died. */
  failover(key: string): Promise<ClusterNode>;
  /** Resolves when every running node agrees, all slots are served, and every replica is in sync. */
  settled(): Promise<void>;
  /** Begins to move the slot of the key from its master to another. */
  startMigration(key: string): Promise<SlotMigration>;
  stop(): Promise<void>;
}

/** A slot on its way: what is not there any more is asked for at the target (ASK), half of both is TRYAGAIN. */
export interface SlotMigration {
  readonly slot: number;
  readonly source: ClusterNode;
  readonly target: ClusterNode;
  /** Moves these keys, or all that the slot has. */
  move(keys?: readonly string[]): Promise<void>;
  /** The target owns the slot from now on (MOVED). */
  finish(): Promise<void>;
}

interface Row {
  readonly id: string;
  readonly address: string;
  readonly flags: readonly string[];
  readonly master: string;
  readonly connected: boolean;
  readonly ranges: readonly (readonly [number, number])[];
}

function rowsOf(text: string): Row[] {
  return text.split('\n').map((line) => {
    const [id = '', address = '', flags = '', master = '', , , , link = '', ...slots] = line.trim().split(' ');
    const ranges = slots
      .filter((slot) => !slot.startsWith('['))
      .map((slot) => {
        const [first = '0', last = first] = slot.split('-');
        return [Number(first), Number(last)] as const;
      });
    return {
      id,
      address: address.replace(/@.*/, ''),
      flags: flags.split(','),
      master,
      connected: link === 'connected',
      ranges,
    };
  });
}

export async function startRedisCluster({ masters = 3, replicasEach = 1 } = {}): Promise<RedisCluster> {
  const count = masters * (1 + replicasEach);
  const ports = await freePorts(count * 2);
  const started: RedisServer[] = [];
  const down = new Set<number>();
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
  };
  try {
    const servers = await Promise.all(
      Array.from({ length: count }, (_, i) => {
        const bus = ports[count + i] as number;
        const args = [
          ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-port', String(bus)],
          ...['--cluster-node-timeout', String(NODE_TIMEOUT_MS), '--cluster-replica-validity-factor', '0'],
          ...['--cluster-allow-replica-migration', 'no', '--repl-diskless-sync-delay', '0'],
        ];
        return startRedis({ port: ports[i] as number, args });
      }),
    );
    started.push(...servers);
    const nodes = await Promise.all(
      servers.map(async (server): Promise<ClusterNode> => {
        const id = await redisCli(server.port, 'CLUSTER', 'MYID');
        return { ...server, address: `127.0.0.1:${server.port}`, id };
      }),
    );
    const running = (): ClusterNode[] => nodes.filter(({ port }) => !down.has(port));
    const rows = async (node: ClusterNode): Promise<Row[]> => rowsOf(await redisCli(node.port, 'CLUSTER', 'NODES'));

    async function agree(): Promise<boolean> {
      const views = await Promise.all(running().map(async (node) => ({ node, rows: await rows(node) })));
      const up = new Set(running().map(({ id }) => id));
      const layouts = new Set<string>();
      for (const { node, rows: seen } of views) {
        const info = await redisCli(node.port, 'CLUSTER', 'INFO');
        if (!info.includes('cluster_state:ok') || seen.length !== count) return false;
        const alive = seen.filter(({ id }) => up.has(id));
        if (alive.some(({ flags, connected }) => !connected || flags.some((flag) => flag.includes('fail'))))
          return false;
        const layout = alive.map(({ id, master, ranges }) => `${id} ${master} ${JSON.stringify(ranges)}`);
        layouts.add(layout.sort().join('\n'));
        const replication = await redisCli(node.port, 'INFO', 'replication');
        if (replication.includes('role:slave') && !replication.includes('master_link_status:up')) return false;
      }
      return layouts.size === 1;
    }
    const settled = (): Promise<void> =>
      waitUntil(agree, { what: 'the agreement of the Redis cluster', timeoutMs: SETTLE_MS });

    const slotOf = async (key: string): Promise<number> =>
      Number(await redisCli((running()[0] as ClusterNode).port, 'CLUSTER', 'KEYSLOT', key));

    /** What most of the running nodes say; null = no majority. */
    async function ownerOf(slot: number): Promise<ClusterNode | null> {
      const votes = new Map<string, number>();
      const asked = running();
      for (const node of asked) {
        const seen = await rows(node).catch(() => []);
        const row = seen.find(({ ranges }) => ranges.some(([first, last]) => first <= slot && slot <= last));
        if (row !== undefined) votes.set(row.id, (votes.get(row.id) ?? 0) + 1);
      }
      const [winner] = [...votes].filter(([, n]) => n * 2 > asked.length);
      return nodes.find(({ id }) => id === winner?.[0]) ?? null;
    }
    async function masterOf(key: string): Promise<ClusterNode> {
      const owner = await ownerOf(await slotOf(key));
      if (owner === null) throw new Error(`no majority knows a master for the slot of ${key}`);
      return owner;
    }
    async function kill9(node: ClusterNode): Promise<void> {
      down.add(node.port);
      await node.kill9();
    }

    for (let i = 0; i < masters; i++) {
      const range = [Math.floor((SLOTS * i) / masters), Math.floor((SLOTS * (i + 1)) / masters) - 1];
      await redisCli((nodes[i] as ClusterNode).port, 'CLUSTER', 'ADDSLOTSRANGE', ...range.map(String));
      await redisCli((nodes[i] as ClusterNode).port, 'CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
    }
    const seed = nodes[0] as ClusterNode;
    for (const [i, node] of nodes.entries()) {
      if (i > 0) await redisCli(node.port, 'CLUSTER', 'MEET', '127.0.0.1', String(seed.port), String(ports[count]));
    }
    const met = async (): Promise<boolean> =>
      (await Promise.all(nodes.map(async (node) => (await rows(node)).length === count))).every(Boolean);
    await waitUntil(met, { what: 'the meeting of the Redis cluster', timeoutMs: SETTLE_MS });
    for (const [i, node] of nodes.entries()) {
      if (i >= masters) await redisCli(node.port, 'CLUSTER', 'REPLICATE', (nodes[i % masters] as ClusterNode).id);
    }
    await settled();

    return {
      nodes,
      addresses: nodes.map(({ address }) => address),
      slotOf,
      masterOf,
      async replicasOf(key) {
        const { id } = await masterOf(key);
        const replicas = (await rows(running()[0] as ClusterNode)).filter(({ master }) => master === id);
        return nodes.filter((node) => replicas.some((row) => row.id === node.id));
      },
      kill9,
      async restart(node) {
        await node.restart();
        down.delete(node.port);
      },
      async failover(key) {
        const dead = await masterOf(key);
        const slot = await slotOf(key);
        await kill9(dead);
        const taken = async (): Promise<boolean> => {
          const owner = await ownerOf(slot);
          return owner !== null && owner.id !== dead.id;
        };
        await waitUntil(taken, { what: 'the failover of a Redis cluster node', timeoutMs: SETTLE_MS });
        return dead;
      },
      settled,
      async startMigration(key) {
        const slot = await slotOf(key);
        const source = await masterOf(key);
        const owners = new Set((await rows(source)).filter(({ ranges }) => ranges.length > 0).map(({ id }) => id));
        const target = running().find(({ id }) => id !== source.id && owners.has(id));
        if (target === undefined) throw new Error('a migration needs another master');
        await redisCli(target.port, 'CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', source.id);
        await redisCli(source.port, 'CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', target.id);
        const move = async (keys?: readonly string[]): Promise<void> => {
          const all =
            keys ?? (await redisCli(source.port, 'CLUSTER', 'GETKEYSINSLOT', String(slot), '10000')).split('\n');
          const wanted = all.filter((name) => name !== '');
          for (let at = 0; at < wanted.length; at += 500) {
            const to = ['127.0.0.1', String(target.port), '', '0', '5000', 'KEYS'];
            await redisCli(source.port, 'MIGRATE', ...to, ...wanted.slice(at, at + 500));
          }
        };
        return {
          slot,
          source,
          target,
          move,
          async finish() {
            for (const node of [target, source, ...running()]) {
              // Replicas refuse it, and learn it from their masters.
              const told = redisCli(node.port, 'CLUSTER', 'SETSLOT', String(slot), 'NODE', target.id);
              await (node === target || node === source ? told : told.catch(() => undefined));
            }
          },
        };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
