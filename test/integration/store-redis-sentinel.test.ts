import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assertNoEviction, checkRedis } from '../../src/state/redis/redis-check.ts';
import { RedisClient } from '../../src/state/redis/redis-client.ts';
import type { RedisEvent } from '../../src/state/redis/redis-connection.ts';
import { RedisStateStore } from '../../src/state/redis/redis-store.ts';
import type { FlushRequest, PartitionStore } from '../../src/state/store.ts';
import { storeSuite } from '../conformance/store-suite.ts';
import { freePorts, sleep, waitUntil } from '../servers/process.ts';
import { startRedisSentinel, type RedisSentinelSet } from '../servers/redis-sentinel.ts';
import { cutReplication, redisCli } from '../servers/redis.ts';

const TTL_MS = 3_600_000;
const ID = { topic: 'transactions', partition: 3 };

let set: RedisSentinelSet;
beforeAll(async () => {
  set = await startRedisSentinel();
});
afterAll(() => set.stop());

interface Extra {
  readonly commandTimeoutMs?: number;
  readonly sentinels?: readonly string[];
  readonly sentinelMaster?: string;
}

function clientOf(extra: Extra = {}, listener: (event: RedisEvent) => void = () => undefined): RedisClient {
  const settings = {
    mode: 'sentinel',
    sentinels: set.sentinels,
    sentinelMaster: set.name,
    commandTimeoutMs: 5_000,
    connectTimeoutMs: 3_000,
  } as const;
  return new RedisClient({ ...settings, ...extra }, listener);
}

storeSuite('redis with sentinels', async (app) => {
  const client = clientOf();
  await client.ready();
  return new RedisStateStore(client, { app, ttlMs: TTL_MS });
});

describe('redis store: sentinels', () => {
  let events: RedisEvent[] = [];
  const clients: RedisClient[] = [];

  function connect(extra: Extra = {}): RedisClient {
    const client = clientOf({ commandTimeoutMs: 1_000, ...extra }, (event) => events.push(event));
    clients.push(client);
    return client;
  }
  const open = (client: RedisClient): Promise<PartitionStore> =>
    new RedisStateStore(client, { app: 'app', ttlMs: TTL_MS }).open(ID);
  function flushOf(count: number, value: number, expected: number | null, watermark: number): FlushRequest {
    const keys = Array.from({ length: count }, (_, i) => `user-${i}`);
    const blobs = keys.map(() => new Uint8Array(64).fill(value));
    return { expectedWatermark: expected, watermark, fingerprint: 'layout', note: `note ${watermark}`, keys, blobs };
  }
  async function valuesOf(partition: PartitionStore, count: number): Promise<(number | null)[]> {
    const { blobs } = await partition.load(Array.from({ length: count }, (_, i) => `user-${i}`));
    return [...new Set(blobs.map((blob) => blob?.[0] ?? null))];
  }
  const recovers = (partition: PartitionStore, what = 'the connection'): Promise<void> =>
    waitUntil(() => partition.writeAttempt('x').then(() => true), { what, timeoutMs: 15_000 });

  beforeEach(async () => {
    await set.settled();
    events = [];
    const client = connect();
    await client.ready();
    await client.call('FLUSHALL');
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });

  it('finds the master by whichever sentinel answers', async () => {
    const [nobody] = await freePorts(1);
    const client = connect({ sentinels: [`127.0.0.1:${nobody}`, set.sentinels[1] as string] });
    const partition = await open(client);
    await partition.flush(flushOf(10, 1, null, 10));
    expect(await valuesOf(partition, 10)).toEqual([1]);
    await assertNoEviction(client);
    expect(await checkRedis(client)).toMatchObject({ role: 'master', maxmemoryPolicy: 'noeviction' });
  });

  it('says what is wrong when no sentinel knows the master, and closes', async () => {
    const client = connect({ sentinelMaster: 'nobody' });
    const start = performance.now();
    await expect(open(client)).rejects.toMatchObject({
      code: 'FS_STATE_UNAVAILABLE',
      message: expect.stringContaining('redis.sentinel-master') as string,
    });
    await client.close();
    expect(performance.now() - start).toBeLessThan(6_000);
    const seen = events.length;
    await sleep(300);
    expect(events).toHaveLength(seen);
  });

  it('goes on after the failover of the master, and shows in load and flush what was lost', async () => {
    const partition = await open(connect());
    await partition.flush(flushOf(2_000, 1, null, 10));
    const master = await set.master();
    await redisCli(master.port, 'WAIT', '1', '2000');
    await cutReplication(master.port);
    await partition.flush(flushOf(2_000, 2, 10, 20));
    const dead = await set.failover();
    expect(dead.port).toBe(master.port);
    await recovers(partition);
    expect((await partition.load(['user-0'])).watermark).toBe(10);
    expect(await valuesOf(partition, 2_000)).toEqual([1]);
    await expect(partition.flush(flushOf(2_000, 3, 20, 30))).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    await partition.flush(flushOf(2_000, 3, 10, 30));
    expect(await valuesOf(partition, 2_000)).toEqual([3]);
    expect(events.at(-1)?.kind).toBe('ready');
    await set.restart(dead);
  });

  it('leaves a master that is demoted while it runs', async () => {
    const partition = await open(connect());
    await partition.flush(flushOf(10, 1, null, 10));
    await redisCli((await set.master()).port, 'WAIT', '1', '2000');
    const old = await set.demote();
    await recovers(partition);
    await partition.flush(flushOf(10, 2, 10, 20));
    expect(await valuesOf(partition, 10)).toEqual([2]);
    const client = connect();
    await client.ready();
    const address = String(await client.call('INFO', 'server'));
    expect(address).not.toContain(`tcp_port:${old.port}`);
  });

  it('leaves a master that became a replica behind its back, at the first refused write', async () => {
    const client = connect();
    const partition = await open(client);
    await partition.flush(flushOf(10, 1, null, 10));
    const master = await set.master();
    const other = set.nodes.find((node) => node !== master)!;
    // Unlike the sentinels, this ends no connection of a client.
    await redisCli(master.port, 'REPLICAOF', other.host, String(other.port));
    await expect(partition.flush(flushOf(10, 2, 10, 20))).rejects.toMatchObject({
      code: 'FS_STATE_UNAVAILABLE',
      message: expect.stringContaining('READONLY') as string,
    });
    await redisCli(other.port, 'REPLICAOF', 'NO', 'ONE');
    await recovers(partition);
    const { watermark } = await partition.readState();
    await partition.flush(flushOf(10, 3, watermark, 30));
    expect(await valuesOf(partition, 10)).toEqual([3]);
  });

  it('leaves a frozen master within its time limit', async () => {
    const partition = await open(connect({ commandTimeoutMs: 300 }));
    await partition.flush(flushOf(10, 1, null, 10));
    const master = await set.master();
    await redisCli(master.port, 'WAIT', '1', '2000');
    master.signal('SIGSTOP');
    try {
      const start = performance.now();
      await expect(partition.flush(flushOf(10, 2, 10, 20))).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
      expect(performance.now() - start).toBeLessThan(1_000);
      await recovers(partition);
      await partition.flush(flushOf(10, 3, 10, 30));
    } finally {
      master.signal('SIGCONT');
    }
    expect(await valuesOf(partition, 10)).toEqual([3]);
  });
});
