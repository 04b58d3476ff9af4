import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { checkRedis } from '../../src/state/redis/redis-check.ts';
import { RedisClient } from '../../src/state/redis/redis-client.ts';
import type { RedisEvent } from '../../src/state/redis/redis-connection.ts';
import { RedisStateStore } from '../../src/state/redis/redis-store.ts';
import type { FlushRequest, PartitionStore } from '../../src/state/store.ts';
import { storeSuite } from '../conformance/store-suite.ts';
import { sleep, waitUntil } from '../servers/process.ts';
import { startRedis, type RedisServer } from '../servers/redis.ts';

const TTL_MS = 3_600_000;
const ID = { topic: 'transactions', partition: 3 };

storeSuite('redis', async (app) => {
  const client = new RedisClient({ url: inject('redis'), commandTimeoutMs: 5_000, connectTimeoutMs: 5_000 });
  await client.ready();
  return new RedisStateStore(client, { app, ttlMs: TTL_MS });
});

describe('redis store: a server of its own', () => {
  let server: RedisServer;
  let events: RedisEvent[] = [];
  const clients: RedisClient[] = [];

  function connect(extra: { password?: string; username?: string; url?: string; commandTimeoutMs?: number } = {}) {
    const settings = { url: server.url, commandTimeoutMs: 1_000, connectTimeoutMs: 2_000, ...extra };
    const client = new RedisClient(settings, (event) => events.push(event));
    clients.push(client);
    return client;
  }
  const open = (client: RedisClient, ttlMs = TTL_MS): Promise<PartitionStore> =>
    new RedisStateStore(client, { app: 'app', ttlMs }).open(ID);

  function flushOf(count: number, value: number, expected: number | null, watermark: number): FlushRequest {
    const keys = Array.from({ length: count }, (_, i) => `user-${i}`);
    const blobs = keys.map(() => new Uint8Array(64).fill(value));
    return { expectedWatermark: expected, watermark, fingerprint: 'layout', note: 'note', keys, blobs };
  }
  /** The distinct values of the blobs that the users 0 … count − 1 have; null = no blob. */
  async function valuesOf(partition: PartitionStore, count: number): Promise<(number | null)[]> {
    const { blobs } = await partition.load(Array.from({ length: count }, (_, i) => `user-${i}`));
    return [...new Set(blobs.map((blob) => blob?.[0] ?? null))];
  }
  const recovers = (partition: PartitionStore): Promise<void> =>
    waitUntil(() => partition.readState().then(() => true), { what: 'the connection', timeoutMs: 15_000 });

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    events = [];
    const client = connect();
    await client.ready();
    await client.call('FLUSHALL');
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });

  it('names its keys in one slot and gives every one a time to live', async () => {
    const client = connect();
    const partition = await open(client, 50_000);
    await partition.flush({ ...flushOf(1, 1, null, 10), keys: ['a{b}c'] });
    await partition.writeAttempt('try');
    const keys = ((await client.call('KEYS', '*')) as Buffer[]).map(String).sort();
    const tag = '{app:transactions:3}';
    expect(keys).toEqual([`${tag}:a`, `${tag}:n`, `${tag}:u:a{b}c`, `${tag}:w`]);
    expect(String(await client.call('GET', '{app:transactions:3}:w'))).toBe('2 10 layout');
    for (const key of keys) {
      const leftMs = Number(await client.call('PTTL', key));
      expect(leftMs).toBeGreaterThan(40_000);
      expect(leftMs).toBeLessThanOrEqual(50_000);
    }
  });

  it('lets state expire', async () => {
    const partition = await open(connect(), 50);
    await partition.flush(flushOf(1, 1, null, 10));
    await sleep(80);
    expect(await partition.load(['user-0'])).toEqual({ watermark: null, blobs: [null] });
  });

  it('gives the script to a server that has lost it', async () => {
    const client = connect();
    const partition = await open(client);
    await partition.flush(flushOf(2_000, 1, null, 10));
    await client.call('SCRIPT', 'FLUSH');
    await partition.flush(flushOf(2_000, 2, 10, 20));
    expect(await valuesOf(partition, 2_000)).toEqual([2]);
    await client.call('SCRIPT', 'FLUSH');
    await expect(partition.flush(flushOf(1, 3, 10, 30))).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
  });

  it('sees in every load that the server was emptied', async () => {
    const client = connect();
    const partition = await open(client);
    await partition.flush(flushOf(1, 1, null, 10));
    await client.call('FLUSHDB');
    expect(await partition.load(['user-0'])).toEqual({ watermark: null, blobs: [null] });
    await expect(partition.flush(flushOf(1, 1, 10, 20))).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
  });

  it('says that the outcome is unknown when the server dies during a flush, and comes back by itself', async () => {
    const partition = await open(connect());
    await partition.flush(flushOf(10, 1, null, 10));
    server.signal('SIGSTOP');
    const flush = partition.flush(flushOf(10, 2, 10, 20));
    const seen = expect(flush).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE', place: ID });
    await sleep(50);
    await server.kill9();
    await seen;
    await expect(partition.load(['user-0'])).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    await server.restart();
    await recovers(partition);
    expect(await partition.readState()).toEqual({ watermark: null, fingerprint: null, note: null, flushing: null });
    await partition.flush(flushOf(10, 3, null, 5));
    expect(await valuesOf(partition, 10)).toEqual([3]);
    expect(events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['ready', 'error', 'reconnecting']));
  });

  it('does not wait for a frozen server, and goes on when it thaws', async () => {
    const client = connect({ commandTimeoutMs: 300 });
    const partition = await open(client);
    await partition.flush(flushOf(10, 1, null, 10));
    server.signal('SIGSTOP');
    const started = performance.now();
    await expect(partition.flush(flushOf(10, 2, 10, 20))).rejects.toMatchObject({
      code: 'FS_STATE_UNAVAILABLE',
      message: expect.stringContaining('unknown') as string,
    });
    await expect(client.ping()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    expect(performance.now() - started).toBeLessThan(2_000);
    server.signal('SIGCONT');
    await recovers(partition);
    // The flush may have been done late or never: blobs and watermark agree either way.
    const { watermark } = await partition.readState();
    expect([10, 20]).toContain(watermark);
    expect(await valuesOf(partition, 10)).toEqual([watermark === 20 ? 2 : 1]);
    await partition.flush(flushOf(10, 3, watermark, 30));
    expect(await valuesOf(partition, 10)).toEqual([3]);
  });

  it('comes back from a freeze that is longer than several attempts to connect', async () => {
    const partition = await open(connect({ commandTimeoutMs: 100 }));
    server.signal('SIGSTOP');
    await expect(partition.readState()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    await sleep(1_500);
    await expect(partition.readState()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    server.signal('SIGCONT');
    await recovers(partition);
    expect(events.filter(({ kind }) => kind === 'reconnecting').length).toBeGreaterThan(1);
  });

  describe('two flushes of one watermark', () => {
    /** Holds back each script call from the `after`-th on, until `go`. */
    function gate(client: RedisClient, after: number): { reached: Promise<void>; go: () => void } {
      const send = client.send.bind(client);
      let calls = 0;
      let go: () => void = () => undefined;
      let arrive: () => void = () => undefined;
      const opened = new Promise<void>((resolve) => (go = resolve));
      const reached = new Promise<void>((resolve) => (arrive = resolve));
      client.send = async (command) => {
        if (command.name.startsWith('eval') && calls++ >= after) {
          arrive();
          await opened;
        }
        return send(command);
      };
      return { reached, go: () => go() };
    }

    async function two() {
      const [oldClient, newClient] = [connect(), connect()];
      const [older, newer] = [await open(oldClient), await open(newClient)];
      // Also leaves the script on the server, so that each slice is one call.
      await older.flush(flushOf(1, 1, null, 10));
      return { oldClient, newClient, older, newer };
    }

    it('refuses the later slices of an older one', async () => {
      const { oldClient, newClient, older, newer } = await two();
      const oldGate = gate(oldClient, 1);
      const oldFlush = older.flush(flushOf(2_000, 20, 10, 20));
      const refused = expect(oldFlush).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
      await oldGate.reached;
      const newGate = gate(newClient, 3);
      const newFlush = newer.flush(flushOf(2_000, 25, 10, 25));
      await newGate.reached;
      oldGate.go();
      await refused;
      newGate.go();
      await newFlush;
      expect(await valuesOf(newer, 2_000)).toEqual([25]);
      expect((await newer.readState()).watermark).toBe(25);
    });

    it('refuses the newer one when the older one begins in its midst', async () => {
      const { oldClient, newClient, older, newer } = await two();
      const oldGate = gate(oldClient, 0);
      const oldFlush = older.flush(flushOf(2_000, 20, 10, 20));
      await oldGate.reached;
      const newGate = gate(newClient, 2);
      const newFlush = newer.flush(flushOf(2_000, 25, 10, 25));
      const refused = expect(newFlush).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
      await newGate.reached;
      oldGate.go();
      await oldFlush;
      newGate.go();
      await refused;
      expect((await newer.readState()).watermark).toBe(20);
      expect(await valuesOf(newer, 2_000)).toEqual([20]);
    });

    it('refuses the rest after a small one that left the watermark where it was', async () => {
      const { oldClient, older, newer } = await two();
      const oldGate = gate(oldClient, 1);
      const oldFlush = older.flush(flushOf(2_000, 20, 10, 20));
      const refused = expect(oldFlush).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
      await oldGate.reached;
      await newer.flush({ ...flushOf(1, 9, 10, 10), keys: ['user-1999'] });
      oldGate.go();
      await refused;
      expect((await newer.readState()).watermark).toBe(10);
    });

    it.each([1, 2])('refuses the last slice when a failover has lost %i of those before it', async (lost) => {
      const { oldClient, older, newer } = await two();
      const oldGate = gate(oldClient, 3);
      const flush = older.flush(flushOf(2_000, 20, 10, 20));
      const refused = expect(flush).rejects.toMatchObject({
        code: 'FS_STATE_CONFLICT',
        message: expect.stringContaining('failover') as string,
      });
      await oldGate.reached;
      // What a new master has that took over after the first slice, or one later: replication is a prefix.
      const token = '{app:transactions:3}:f';
      const seen = String(await oldClient.call('GET', token));
      expect(seen).toMatch(/^20 [0-9a-f-]{36}\.\.$/);
      await oldClient.call('SET', token, seen.slice(0, -lost));
      await oldClient.call('DEL', '{app:transactions:3}:u:user-1499');
      oldGate.go();
      await refused;
      expect((await newer.readState()).watermark).toBe(10);
      await newer.flush(flushOf(2_000, 25, 10, 25));
      expect(await valuesOf(newer, 2_000)).toEqual([25]);
    });

    it.each([1, 2_000])('refuses the late steps of a removal that a flush of %i has overtaken', async (count) => {
      const { oldClient, older, newer } = await two();
      await older.flush(flushOf(2_000, 9, 10, 10));
      const call = oldClient.call.bind(oldClient);
      let go: () => void = () => undefined;
      let arrive: () => void = () => undefined;
      const opened = new Promise<void>((resolve) => (go = resolve));
      const reached = new Promise<void>((resolve) => (arrive = resolve));
      oldClient.call = async (name, ...args) => {
        if (name === 'EVAL' && args.includes('more')) {
          arrive();
          await opened;
        }
        return call(name, ...args);
      };
      const drop = older.drop();
      const refused = expect(drop).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT', place: ID });
      await reached;
      await newer.flush(flushOf(count, 25, null, 25));
      go();
      await refused;
      expect(await newer.readState()).toEqual({ watermark: 25, fingerprint: 'layout', note: 'note', flushing: null });
      expect(await valuesOf(newer, count)).toEqual([25]);
    });

    it('leaves blobs ahead of the watermark, never behind, when it ends between slices', async () => {
      const { oldClient, older, newer } = await two();
      const send = oldClient.send.bind(oldClient);
      let calls = 0;
      oldClient.send = (command) =>
        calls++ === 2 ? Promise.reject(new Error('Connection is closed.')) : send(command);
      await expect(older.flush(flushOf(2_000, 20, 10, 20))).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
      // It says how far they are ahead: so far the position was committed.
      expect(await newer.readState()).toMatchObject({ watermark: 10, flushing: 20 });
      expect((await valuesOf(newer, 2_000)).sort()).toEqual([20, null]);
      await newer.flush(flushOf(2_000, 25, 10, 25));
      expect(await newer.readState()).toMatchObject({ watermark: 25, flushing: null });
      expect(await valuesOf(newer, 2_000)).toEqual([25]);
    });
  });

  describe('a load in several chunks', () => {
    const many = Array.from({ length: 12_000 }, (_, i) => `user-${i}`);

    async function whileMoving(moves: number) {
      const client = connect();
      const [reader, writer] = [await open(client), await open(connect())];
      await writer.flush(flushOf(1, 1, null, 0));
      const send = client.send.bind(client);
      let calls = 0;
      let watermark = 0;
      let firstChunk: Promise<unknown> = Promise.resolve();
      client.send = async (command) => {
        // The second of the three chunks of an attempt waits until the first is read and a flush is done.
        const place = calls++ % 3;
        if (place === 1 && watermark < moves) {
          await firstChunk;
          watermark++;
          await writer.flush(flushOf(1, 1, watermark - 1, watermark));
        }
        const reply = send(command);
        if (place === 0) firstChunk = reply;
        return reply;
      };
      return reader;
    }

    it('is read again when the watermark moved between chunks', async () => {
      const loaded = await (await whileMoving(1)).load(many);
      expect(loaded.watermark).toBe(1);
      expect(loaded.blobs).toHaveLength(many.length);
    });

    it('is a conflict when it moved again', async () => {
      await expect((await whileMoving(2)).load(many)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
    });
  });

  it.each([
    ['1 10 layout', 'FS_STATE_LAYOUT'],
    ['3 10 layout', 'FS_STATE_LAYOUT'],
    ['hello', 'FS_STATE_CORRUPT'],
  ])('does not guess what the record %s means', async (record, code) => {
    const client = connect();
    const partition = await open(client);
    await client.call('SET', '{app:transactions:3}:w', record);
    await expect(partition.readState()).rejects.toMatchObject({ code });
    await expect(partition.load(['a'])).rejects.toMatchObject({ code });
    await expect(partition.flush(flushOf(1, 1, 10, 20))).rejects.toMatchObject({ code });
    await partition.drop();
    expect((await partition.readState()).watermark).toBeNull();
  });

  it('reports a full server, keeps the old watermark, and goes on when there is memory', async () => {
    const client = connect();
    const partition = await open(client);
    await partition.flush(flushOf(10, 1, null, 10));
    await client.call('CONFIG', 'SET', 'maxmemory', '1');
    await expect(partition.flush(flushOf(10, 2, 10, 20))).rejects.toMatchObject({
      code: 'FS_STATE_UNAVAILABLE',
      message: expect.stringContaining('maxmemory') as string,
    });
    expect((await partition.readState()).watermark).toBe(10);
    await client.call('CONFIG', 'SET', 'maxmemory', '0');
    await partition.flush(flushOf(10, 2, 10, 20));
    expect(await valuesOf(partition, 10)).toEqual([2]);
  });

  it('does not write to a replica', async () => {
    const replica = await startRedis({ replicaOf: { host: server.host, port: server.port } });
    try {
      const client = connect({ url: replica.url });
      const partition = await open(client);
      await expect(partition.flush(flushOf(1, 1, null, 10))).rejects.toMatchObject({
        code: 'FS_STATE_UNAVAILABLE',
        message: expect.stringContaining('replica') as string,
      });
      const report = await checkRedis(client);
      expect(report.role).toBe('slave');
      expect(report.advice.join()).toContain('replica');
    } finally {
      await replica.stop();
    }
  });

  it('reports what doctor needs', async () => {
    const client = connect();
    await client.ready();
    await client.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    try {
      const report = await checkRedis(client);
      expect(report).toMatchObject({
        role: 'master',
        maxmemoryPolicy: 'allkeys-lru',
        aofEnabled: false,
        rdbSchedule: '',
      });
      expect(report.version).toMatch(/^\d+\.\d+\.\d+/);
      expect(report.advice.join('\n')).toMatch(/noeviction[\s\S]*appendonly/);
    } finally {
      await client.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    }
  });

  describe('with passwords', () => {
    let locked: RedisServer;
    const secret = 'canary-p@ss/word';

    beforeAll(async () => {
      locked = await startRedis({
        args: [
          ...['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all'],
          ...['--user', 'fs', 'on', `>${secret}`, '~{app:*', '+get', '+set', '+del', '+mget'],
          ...['+eval', '+evalsha', '+unlink', '+scan', '+ping'],
        ],
      });
    });
    afterAll(() => locked.stop());

    it.each([
      ['in the url', () => ({ url: `redis://fs:${encodeURIComponent(secret)}@${locked.host}:${locked.port}` })],
      ['beside the url', () => ({ url: locked.url, username: 'fs', password: secret })],
    ])('works with no more than the documented permissions, password %s', async (_name, settings) => {
      const partition = await open(connect(settings()));
      await partition.flush(flushOf(2_000, 1, null, 10));
      expect(await valuesOf(partition, 2_000)).toEqual([1]);
      await partition.drop();
      expect((await partition.readState()).watermark).toBeNull();
    });

    it('says what a wrong password means, and never shows it', async () => {
      const client = connect({ url: `redis://fs:wrong-${encodeURIComponent(secret)}@${locked.host}:${locked.port}` });
      const error: unknown = await open(client).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'FS_STATE_UNAVAILABLE', message: expect.stringContaining('redis.password') });
      expect(inspect([error, events], { depth: 10, showHidden: true })).not.toMatch(/canary/);
    });

    it('says which permission is missing, and shows no user', async () => {
      const client = connect({ url: locked.url, username: 'fs', password: secret });
      const partition = await new RedisStateStore(client, { app: 'other', ttlMs: 1_000 }).open(ID);
      const error: unknown = await partition.flush(flushOf(3, 1, null, 10)).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'FS_STATE_UNAVAILABLE', message: expect.stringContaining('permission') });
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/user-\d|canary/);
    });
  });

  it('fails soon when nothing listens, and closes', async () => {
    const client = new RedisClient({ url: 'redis://127.0.0.1:1', commandTimeoutMs: 200, connectTimeoutMs: 300 });
    await expect(open(client)).rejects.toMatchObject({
      code: 'FS_STATE_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
    await client.close();
    await expect(client.ping()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
  });

  it('takes no command after close', async () => {
    const client = connect();
    const partition = await open(client);
    await client.close();
    await client.close();
    await expect(partition.readState()).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    await expect(open(client)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
  });
});
