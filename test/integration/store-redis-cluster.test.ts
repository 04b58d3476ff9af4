import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inspect } from 'node:util';
import { CacheBudget } from '../../src/state/cache.ts';
import { PartitionHistories } from '../../src/state/partition-histories.ts';
import { assertNoEviction, checkRedis } from '../../src/state/redis/redis-check.ts';
import { RedisClient } from '../../src/state/redis/redis-client.ts';
import type { RedisEvent } from '../../src/state/redis/redis-connection.ts';
import { RedisStateStore } from '../../src/state/redis/redis-store.ts';
import type { FlushRequest, PartitionStore } from '../../src/state/store.ts';
import { storeSuite } from '../conformance/store-suite.ts';
import { sleep, waitUntil } from '../servers/process.ts';
import { startRedisCluster, type ClusterNode, type RedisCluster } from '../servers/redis-cluster.ts';
import { cutReplication, redisCli, startRedis } from '../servers/redis.ts';
import { smallPlan } from '../support/pipeline-engine.ts';

const TTL_MS = 3_600_000;
const ID = { topic: 'transactions', partition: 3 };
/** A key of that partition, for the cluster's own questions. */
const KEY = '{app:transactions:3}:w';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());

interface Extra {
  readonly nodes?: readonly string[];
  readonly username?: string;
  readonly password?: string;
  readonly commandTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
}

function clientOf(extra: Extra = {}, listener: (event: RedisEvent) => void = () => undefined): RedisClient {
  const settings = {
    mode: 'cluster',
    nodes: cluster.addresses,
    commandTimeoutMs: 5_000,
    connectTimeoutMs: 3_000,
  } as const;
  return new RedisClient({ ...settings, ...extra }, listener);
}

storeSuite('redis cluster', async (app) => {
  const client = clientOf();
  await client.ready();
  return new RedisStateStore(client, { app, ttlMs: TTL_MS });
});

describe('redis store: a cluster', () => {
  let events: RedisEvent[] = [];
  const clients: RedisClient[] = [];

  function connect(extra: Extra = {}): RedisClient {
    const client = clientOf({ commandTimeoutMs: 1_000, ...extra }, (event) => events.push(event));
    clients.push(client);
    return client;
  }
  const open = (client: RedisClient, id = ID): Promise<PartitionStore> =>
    new RedisStateStore(client, { app: 'app', ttlMs: TTL_MS }).open(id);

  function flushOf(count: number, value: number, expected: number | null, watermark: number): FlushRequest {
    const keys = Array.from({ length: count }, (_, i) => `user-${i}`);
    const blobs = keys.map(() => new Uint8Array(64).fill(value));
    return { expectedWatermark: expected, watermark, fingerprint: 'layout', note: `note ${watermark}`, keys, blobs };
  }
  async function valuesOf(partition: PartitionStore, count: number): Promise<(number | null)[]> {
    const { blobs } = await partition.load(Array.from({ length: count }, (_, i) => `user-${i}`));
    return [...new Set(blobs.map((blob) => blob?.[0] ?? null))];
  }
  const recovers = (partition: PartitionStore): Promise<void> =>
    waitUntil(() => partition.readState().then(() => true), { what: 'the connection', timeoutMs: 15_000 });
  async function inMs(work: () => Promise<unknown>): Promise<number> {
    const start = performance.now();
    await work().catch(() => undefined);
    return performance.now() - start;
  }
  const scanned = async (partition: PartitionStore): Promise<number> => {
    const found = new Set<string>();
    for await (const portion of partition.scan()) for (const { key } of portion) found.add(key);
    return found.size;
  };

  beforeEach(async () => {
    events = [];
    const client = connect();
    await client.ready();
    await client.callMasters('FLUSHALL');
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
    await cluster.settled();
  });

  it('finds all nodes from one, spreads partitions over the masters, and walks each at its own', async () => {
    const client = connect({ nodes: ['127.0.0.1:1', cluster.nodes[4]!.address] });
    const ids = Array.from({ length: 12 }, (_, partition) => ({ topic: 'transactions', partition }));
    const partitions = await Promise.all(ids.map((id) => open(client, id)));
    await Promise.all(partitions.map((partition, i) => partition.flush(flushOf(1_500, i, null, i))));
    const loaded = await Promise.all(partitions.map((partition) => valuesOf(partition, 1_500)));
    expect(loaded).toEqual(ids.map((_, i) => [i]));
    const sizes = await client.callMasters('DBSIZE');
    expect(sizes.map(({ reply }) => Number(reply) > 1_000)).toEqual([true, true, true]);
    expect(await Promise.all(partitions.map(scanned))).toEqual(ids.map(() => 1_500));
    await partitions[0]!.drop();
    expect(await scanned(partitions[0]!)).toBe(0);
    expect(await scanned(partitions[1]!)).toBe(1_500);
  });

  it('has every master answer for health, eviction and doctor', async () => {
    const client = connect();
    await client.ready();
    await client.ping();
    await assertNoEviction(client);
    expect(await checkRedis(client)).toMatchObject({
      role: 'master',
      maxmemoryPolicy: 'noeviction',
      clusterEnabled: false,
    });
    const odd = await cluster.masterOf(KEY);
    await redisCli(odd.port, 'CONFIG', 'SET', 'maxmemory-policy', 'volatile-lru');
    try {
      await expect(assertNoEviction(client)).rejects.toMatchObject({
        code: 'FS_CONFIG_INVALID',
        message: expect.stringMatching(new RegExp(`${odd.address}.*maxmemory-policy is volatile-lru`)) as string,
      });
      expect((await checkRedis(client)).advice.join()).toContain('volatile-lru');
    } finally {
      await redisCli(odd.port, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    }
  });

  it('works with no more than the documented permissions, and shows no secret', async () => {
    const secret = 'canary-p@ss/word';
    const rules = [
      'on',
      `>${secret}`,
      '~{app:*',
      '+get',
      '+set',
      '+del',
      '+mget',
      '+eval',
      '+evalsha',
      '+unlink',
      '+scan',
    ];
    rules.push('+ping', '+info', '+client|setname', '+cluster|slots', '+cluster|nodes', '+asking');
    for (const node of cluster.nodes) await redisCli(node.port, 'ACL', 'SETUSER', 'fs', ...rules);
    const client = connect({ username: 'fs', password: secret });
    const partition = await open(client);
    await partition.flush(flushOf(2_000, 1, null, 10));
    expect(await scanned(partition)).toBe(2_000);
    const migration = await cluster.startMigration(KEY);
    await migration.move();
    expect(await valuesOf(partition, 2_000)).toEqual([1]);
    await migration.finish();
    await assertNoEviction(client);
    await partition.drop();
    expect(await scanned(partition)).toBe(0);
    const wrong = connect({ username: 'fs', password: `wrong-${secret}`, connectTimeoutMs: 500 });
    const error: unknown = await open(wrong).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'FS_STATE_UNAVAILABLE',
      message: expect.stringContaining('redis.password') as string,
    });
    expect(inspect([error, events], { depth: 10, showHidden: true })).not.toMatch(/canary/);
  });

  it('fails soon when no node answers, and closes at once', async () => {
    const frozen = await startRedis();
    frozen.signal('SIGSTOP');
    try {
      const client = connect({ nodes: [`127.0.0.1:${frozen.port}`, '127.0.0.1:1'], connectTimeoutMs: 500 });
      const start = performance.now();
      await expect(open(client)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
      await expect(client.ping()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
      await client.close();
      expect(performance.now() - start).toBeLessThan(2_000);
      await expect(open(client)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
      const seen = events.length;
      await sleep(600);
      expect(events).toHaveLength(seen);
    } finally {
      await frozen.kill9();
      await frozen.stop();
    }
  });

  it('says that a server is no cluster, and the other way round', async () => {
    const single = await startRedis();
    try {
      const message = expect.stringContaining('redis.mode') as string;
      const wrong = connect({ nodes: [`127.0.0.1:${single.port}`], connectTimeoutMs: 500 });
      await expect(open(wrong)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE', message });
    } finally {
      await single.stop();
    }
    const client = new RedisClient({ url: cluster.nodes[0]!.url, commandTimeoutMs: 500, connectTimeoutMs: 1_000 });
    clients.push(client);
    expect((await checkRedis(client)).advice.join()).toContain('redis.mode');
  });

  it('goes on after the failover of a master, and shows in load and flush what was lost', async () => {
    const [client, other] = [connect(), connect()];
    const partition = await open(client);
    await partition.flush(flushOf(2_000, 1, null, 10));
    const master = await cluster.masterOf(KEY);
    await redisCli(master.port, 'WAIT', '1', '2000');
    await cutReplication(master.port);
    await partition.flush(flushOf(2_000, 2, 10, 20));
    const histories = new PartitionHistories(smallPlan().layout, partition, new CacheBudget(1e6));
    histories.restart(20);
    expect((await histories.load(['nobody']))[0]?.key).toBe('nobody');

    const dead = await cluster.failover(KEY);
    expect(dead.port).toBe(master.port);
    await recovers(partition);
    await expect(histories.load(['anybody'])).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    expect((await partition.load(['user-0'])).watermark).toBe(10);
    expect(await valuesOf(partition, 2_000)).toEqual([1]);
    expect(await partition.readState()).toEqual({
      watermark: 10,
      fingerprint: 'layout',
      note: 'note 10',
      flushing: null,
    });
    await expect(partition.flush(flushOf(2_000, 3, 20, 30))).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    // The new master has not the script, either.
    await partition.flush(flushOf(2_000, 3, 10, 30));
    expect(await valuesOf(await open(other), 2_000)).toEqual([3]);
    const well = (): Promise<boolean> => Promise.resolve(events.at(-1)?.kind === 'ready');
    await waitUntil(well, { what: 'the report of health', timeoutMs: 5_000 });
    await cluster.restart(dead);
  });

  it('fails at once while nobody serves the slot, and the other slots go on', async () => {
    const client = connect();
    const here = await open(client);
    await here.flush(flushOf(10, 1, null, 10));
    const master = await cluster.masterOf(KEY);
    const elsewhere = await otherMaster(master);
    const there = await open(client, elsewhere);
    await cluster.kill9(master);
    try {
      const waits = [];
      for (let i = 0; i < 5; i++) {
        waits.push(await inMs(() => here.flush(flushOf(10, 2, 10, 20))));
        await there.flush(flushOf(10, 1, i === 0 ? null : i - 1, i));
      }
      expect(Math.max(...waits)).toBeLessThan(1_500);
      await expect(client.ping()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    } finally {
      await recovers(here);
      await cluster.restart(master);
    }
  });

  async function otherMaster(master: ClusterNode): Promise<{ topic: string; partition: number }> {
    for (let partition = 4; partition < 100; partition++) {
      const owner = await cluster.masterOf(`{app:transactions:${partition}}:w`);
      if (owner.port !== master.port) return { topic: 'transactions', partition };
    }
    throw new Error('no partition on another master');
  }

  it('leaves a frozen master within its time limit, and does not go back to it', async () => {
    const client = connect({ commandTimeoutMs: 300 });
    const partition = await open(client);
    await partition.flush(flushOf(10, 1, null, 10));
    const master = await cluster.masterOf(KEY);
    await redisCli(master.port, 'WAIT', '1', '2000');
    master.signal('SIGSTOP');
    try {
      expect(await inMs(() => partition.flush(flushOf(10, 2, 10, 20)))).toBeLessThan(1_000);
      await recovers(partition);
      await partition.flush(flushOf(10, 3, 10, 30));
    } finally {
      master.signal('SIGCONT');
    }
    await sleep(300);
    expect(await valuesOf(partition, 10)).toEqual([3]);
    await partition.flush(flushOf(10, 4, 30, 40));
    expect((await cluster.masterOf(KEY)).port).not.toBe(master.port);
  });

  it('follows a slot to another node', async () => {
    const partition = await open(connect());
    await partition.flush(flushOf(3_000, 1, null, 10));
    const keys = (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_, i) => `{app:transactions:3}:u:user-${from + i}`);
    const unavailable = (said: RegExp): object =>
      expect.objectContaining({
        code: 'FS_STATE_UNAVAILABLE',
        message: expect.stringMatching(said) as string,
      }) as object;

    const migration = await cluster.startMigration(KEY);
    // All there still, but for the token of a flush, which could be at either.
    expect(await valuesOf(partition, 3_000)).toEqual([1]);
    await expect(partition.flush(flushOf(10, 2, 10, 20))).rejects.toEqual(unavailable(/TRYAGAIN/));
    await expect(scanned(partition)).rejects.toEqual(unavailable(/TRYAGAIN/));
    await expect(partition.drop()).rejects.toEqual(unavailable(/TRYAGAIN/));
    await migration.move(keys(0, 1_000));
    await expect(valuesOf(partition, 3_000)).rejects.toEqual(unavailable(/TRYAGAIN/));
    await expect(scanned(partition)).rejects.toEqual(unavailable(/TRYAGAIN/));
    await migration.move();
    // All there, none here: asked for.
    expect(await valuesOf(partition, 3_000)).toEqual([1]);
    expect((await partition.readState()).watermark).toBe(10);
    await migration.finish();
    expect(await valuesOf(partition, 3_000)).toEqual([1]);
    await partition.flush(flushOf(3_000, 2, 10, 20));
    expect(await valuesOf(partition, 3_000)).toEqual([2]);
    expect(await scanned(partition)).toBe(3_000);
    expect((await cluster.masterOf(KEY)).port).toBe(migration.target.port);
    await partition.drop();
    expect(await scanned(partition)).toBe(0);
  });

  it('loses and mixes nothing while a slot moves to and fro', async () => {
    const partition = await open(connect());
    await partition.flush(flushOf(1_200, 0, null, 0));
    let moving = true;
    const moves = (async () => {
      for (let i = 0; i < 3; i++) {
        const migration = await cluster.startMigration(KEY);
        const { port } = migration.source;
        for (let step = 0; step < 3; step++) {
          const some = await redisCli(port, 'CLUSTER', 'GETKEYSINSLOT', String(migration.slot), '400');
          await migration.move(some.split('\n'));
        }
        await migration.move();
        await migration.finish();
        await sleep(100);
      }
      moving = false;
    })();
    let refused = 0;
    const again = async <T>(work: () => Promise<T>): Promise<T> => {
      for (let attempt = 0; attempt < 2_000; attempt++) {
        try {
          return await work();
        } catch (thrown) {
          if ((thrown as { code?: string }).code !== 'FS_STATE_UNAVAILABLE') throw thrown;
          refused++;
          await sleep(5);
        }
      }
      throw new Error('the state did not come back');
    };
    let watermark = 0;
    for (; moving && watermark < 5_000; watermark++) {
      const next = watermark + 1;
      await again(async () => {
        // As after any unknown outcome: what is stored counts.
        const stored = (await partition.readState()).watermark;
        if (stored === next) return;
        expect(stored).toBe(watermark);
        await partition.flush(flushOf(1_200, next & 255, watermark, next));
      });
      expect(await again(() => valuesOf(partition, 1_200))).toEqual([next & 255]);
    }
    await moves;
    expect(refused).toBeGreaterThan(0);
    expect(watermark).toBeGreaterThan(3);
  });
});
