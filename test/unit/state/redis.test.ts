import { inspect } from 'node:util';
import { Command } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { adviceOn, parseInfo, worstOf } from '../../../src/state/redis/redis-check.ts';
import { redisError } from '../../../src/state/redis/redis-errors.ts';
import {
  clusterNodeOptions,
  clusterSeeds,
  describeRedis,
  maskRedisUrl,
  reconnectDelayMs,
  redisOptions,
  secretsOf,
} from '../../../src/state/redis/redis-settings.ts';
import { isMigrating, readSlots, redirectOf } from '../../../src/state/redis/slot-map.ts';
import { slicesOf } from '../../../src/state/redis/flush-script.ts';
import { BufferPool, EncodedCommand, RespWriter } from '../../../src/state/redis/resp-writer.ts';
import { decodeState, encodeState, partitionKeys } from '../../../src/state/redis/state-record.ts';

const TIMEOUTS = { commandTimeoutMs: 100, connectTimeoutMs: 200 };
const secret = 'canary';

describe('redis settings', () => {
  it('reads host, port, database and credentials from the url', () => {
    const options = redisOptions({ ...TIMEOUTS, url: 'redis://us%40er:p%2Fw@example.test:6380/7' });
    expect(options).toMatchObject({ host: 'example.test', port: 6380, db: 7, username: 'us@er', password: 'p/w' });
    expect(options.tls).toBeUndefined();
  });

  it('has defaults, and no credentials when none are given', () => {
    const options = redisOptions({ ...TIMEOUTS, url: 'redis://[::1]' });
    expect(options).toMatchObject({ host: '::1', port: 6379, db: 0 });
    expect(options).not.toHaveProperty('password');
    expect(options).not.toHaveProperty('username');
  });

  it('lets the settings win over the url', () => {
    const url = 'redis://a:b@h';
    expect(redisOptions({ ...TIMEOUTS, url, username: 'c', password: 'd' })).toMatchObject({
      username: 'c',
      password: 'd',
    });
  });

  it('speaks TLS when url or setting say so', () => {
    expect(redisOptions({ ...TIMEOUTS, url: 'rediss://h.test' }).tls).toEqual({ servername: 'h.test' });
    expect(redisOptions({ ...TIMEOUTS, url: 'redis://h.test', tls: true }).tls).toEqual({ servername: 'h.test' });
    const tls = redisOptions({ ...TIMEOUTS, url: 'rediss://h.test', tls: { ca: 'PEM', servername: 'other' } }).tls;
    expect(tls).toEqual({ ca: 'PEM', servername: 'other' });
  });

  it('never queues, never sends twice, and comes back for ever', () => {
    const options = redisOptions({ ...TIMEOUTS, url: 'redis://h' });
    expect(options).toMatchObject({
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: 100,
      connectTimeout: 200,
    });
    for (const attempt of [1, 10, 100_000]) expect(options.retryStrategy?.(attempt)).toBeGreaterThan(0);
  });

  it.each([
    `http://u:${secret}@h`,
    `redis:///0?password=${secret}`,
    `${secret}`,
    `redis://u:${secret}@h/nodb`,
    `redis://u:${secret}%@h`,
    `redis://u:${secret}@h:99999999`,
  ])('refuses a bad url without repeating it: %s', (url) => {
    let thrown: unknown;
    try {
      redisOptions({ ...TIMEOUTS, url });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'FS_CONFIG_INVALID' });
    expect((thrown as Error).message).not.toContain(secret);
  });

  const cluster = { ...TIMEOUTS, mode: 'cluster', nodes: ['a.test:7000', '[::1]:7001'] } as const;
  const sentinel = {
    ...TIMEOUTS,
    mode: 'sentinel',
    sentinels: ['s1.test:26379', '10.0.0.1:1'],
    sentinelMaster: 'm',
  } as const;

  it('asks sentinels for the master, never for a replica, and never gives up', () => {
    const options = redisOptions({ ...sentinel, username: 'u', password: 'p', sentinelPassword: 'q' });
    expect(options).toMatchObject({
      sentinels: [{ host: 's1.test', port: 26_379 }, { host: '10.0.0.1', port: 1 }],
      name: 'm',
      role: 'master',
      username: 'u',
      password: 'p',
      sentinelPassword: 'q',
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
    }); // prettier-ignore
    expect(options).not.toHaveProperty('tls');
    expect(options).not.toHaveProperty('host');
    for (const attempt of [1, 10, 100_000]) {
      expect(options.sentinelRetryStrategy?.(attempt)).toBeGreaterThan(0);
      expect(options.sentinelRetryStrategy?.(attempt)).toBeLessThanOrEqual(1_000);
    }
    expect(redisOptions({ ...sentinel, tls: true })).toMatchObject({
      tls: {},
      sentinelTLS: {},
      enableTLSForSentinelMode: true,
    });
  });

  it('has one connection per node of a cluster, with the name of the node for its certificate', () => {
    expect(clusterSeeds(cluster)).toEqual([{ host: 'a.test', port: 7000 }, { host: '::1', port: 7001 }]); // prettier-ignore
    const named = clusterNodeOptions({ ...cluster, password: 'p', tls: { ca: 'PEM' } }, { host: 'a.test', port: 7000 });
    expect(named).toMatchObject({
      host: 'a.test',
      port: 7000,
      password: 'p',
      tls: { ca: 'PEM', servername: 'a.test' },
    });
    expect(named).toMatchObject({ enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: 100 });
    expect(clusterNodeOptions({ ...cluster, tls: true }, { host: '10.0.0.1', port: 1 }).tls).toEqual({});
    expect(clusterNodeOptions(cluster, { host: '10.0.0.1', port: 1 })).not.toHaveProperty('tls');
  });

  it.each([
    [{ mode: 'cluster' }, /redis\.mode cluster needs redis\.nodes/],
    [{ mode: 'cluster', nodes: [] }, /redis\.nodes/],
    [{ mode: 'cluster', nodes: [`u:${secret}@h:1`] }, /redis\.nodes: each must be host:port/],
    [{ mode: 'cluster', nodes: ['h:0'] }, /host:port/],
    [{ mode: 'sentinel', sentinelMaster: 'm' }, /needs redis\.sentinels/],
    [{ mode: 'sentinel', sentinels: ['h:1'] }, /needs redis\.sentinel-master/],
    [{ mode: 'sentinel', sentinels: ['h'], sentinelMaster: 'm' }, /redis\.sentinels: each must be host:port/],
    [{ mode: 'standalone' }, /redis\.url/],
  ] as const)('needs what the mode needs: %j', (settings, text) => {
    let thrown: unknown;
    try {
      describeRedis({ ...TIMEOUTS, ...settings });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'FS_CONFIG_INVALID', message: expect.stringMatching(text) as string });
    expect((thrown as Error).message).not.toContain(secret);
  });

  it('says where it is without any secret', () => {
    expect(describeRedis({ ...cluster, password: secret })).toBe('redis-cluster://a.test:7000,[::1]:7001');
    expect(describeRedis({ ...sentinel, sentinelPassword: secret })).toBe(
      'redis-sentinel://s1.test:26379,10.0.0.1:1/m',
    );
    expect(describeRedis({ ...TIMEOUTS, url: `redis://u:${secret}@h/1` })).toBe('redis://h:6379/1');
    const settings = { ...sentinel, password: 'a', sentinelPassword: 'b' };
    expect(secretsOf(settings, redisOptions(settings))).toEqual(['a', 'b']);
  });

  it('masks a url', () => {
    expect(maskRedisUrl(`rediss://user:${secret}@h.test:1/2?x=${secret}`)).toBe('rediss://h.test:1/2');
    expect(maskRedisUrl('redis://h')).toBe('redis://h:6379');
    expect(maskRedisUrl(secret)).toBe('');
  });

  it('waits longer from attempt to attempt, up to a cap, with jitter', () => {
    expect([1, 2, 3, 4].map((attempt) => reconnectDelayMs(attempt, 0))).toEqual([25, 50, 100, 200]);
    expect([1, 2, 3].map((attempt) => reconnectDelayMs(attempt, 0.999_999))).toEqual([50, 100, 200]);
    expect(reconnectDelayMs(1e9, 0)).toBe(2_500);
    expect(reconnectDelayMs(1e9, 0.999_999)).toBe(5_000);
  });
});

describe('redis errors', () => {
  it.each([
    ['WRONGPASS invalid username-password pair or user is disabled.', /redis\.password/],
    ['NOAUTH Authentication required.', /redis\.password/],
    ["OOM command not allowed when used memory > 'maxmemory'. script: 123, on @user_script:1.", /maxmemory/],
    ['ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed', /maxmemory/],
    ["READONLY You can't write against a read only replica.", /master/],
    ['LOADING Redis is loading the dataset in memory', /wait/],
    ['Command timed out', /unknown/],
    ['Reached the max retries per request limit (which is 0).', /unknown/],
    ['MOVED 1234 127.0.0.1:7000', /cluster/],
    ['TRYAGAIN Multiple keys request during rehashing of slot', /wait/],
    ['CLUSTERDOWN Hash slot not served', /wait/],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", /failover/],
    ['ERR This instance has cluster support disabled', /redis\.mode/],
    ['All sentinels are unreachable. Retrying from scratch after 1ms.', /redis\.sentinels/],
    ['connect ECONNREFUSED 127.0.0.1:6379', /listens/],
  ])('explains %s', (message, advice) => {
    const error = redisError(new Error(message), 'load', { topic: 't', partition: 1 }, null);
    expect(error).toMatchObject({ code: 'FS_STATE_UNAVAILABLE', retriable: true, place: { topic: 't', partition: 1 } });
    expect(error.message).toMatch(advice);
    expect(error.message).toContain(message);
  });

  it('passes on what it does not know', () => {
    expect(redisError('ERR strange', 'load', {}, 'ECONNRESET').message).toMatch(/load: ERR strange; .*ECONNRESET/);
  });

  it('names every address of a host that cannot be reached', () => {
    const errors = ['::1', '127.0.0.1'].map((host) => new Error(`connect ECONNREFUSED ${host}:1`));
    const { message } = redisError(new AggregateError(errors), 'load', {}, null);
    expect(message).toMatch(/listens.*::1:1, connect ECONNREFUSED 127\.0\.0\.1:1/);
  });

  it('tells a key of a foreign type from a server that is away', () => {
    const thrown = new Error('WRONGTYPE Operation against a key holding the wrong kind of value');
    expect(redisError(thrown, 'load', {}, null).code).toBe('FS_STATE_CORRUPT');
  });

  it('drops the command that ioredis hangs on its errors', () => {
    const thrown = Object.assign(new Error('ERR x'), { command: { name: 'auth', args: [secret] } });
    expect(inspect(redisError(thrown, 'load', {}, null), { depth: 10, showHidden: true })).not.toContain(secret);
  });
});

describe('redis state record', () => {
  it.each([0, 1, Number.MAX_SAFE_INTEGER])('comes back: %d', (watermark) => {
    const fingerprint = 'a b\nü 1';
    expect(decodeState(Buffer.from(encodeState(watermark, fingerprint)), {})).toEqual({ watermark, fingerprint });
  });

  it('is nothing when there is none', () => {
    expect(decodeState(null, {})).toEqual({ watermark: null, fingerprint: null });
  });

  it('is read from a view in a larger buffer', () => {
    const buffer = Buffer.from(`xx${encodeState(5, 'f')}yy`);
    expect(decodeState(new Uint8Array(buffer).subarray(2, buffer.length - 2), {})).toEqual({
      watermark: 5,
      fingerprint: 'f',
    });
  });

  it.each([['1 5 f', 'FS_STATE_LAYOUT'], ['3 5 f', 'FS_STATE_LAYOUT'], ['x', 'FS_STATE_CORRUPT'], ['2 -5 f', 'FS_STATE_CORRUPT'], ['2 5', 'FS_STATE_CORRUPT']])('refuses %s', (text, code) => {
    expect(() => decodeState(Buffer.from(text), {})).toThrow(expect.objectContaining({ code }) as Error);
  }); // prettier-ignore
});

describe('redis keys', () => {
  it('has one hash tag, whatever the names hold', () => {
    const keys = partitionKeys('a}:{b', { topic: 't*[x]', partition: 2 });
    expect(keys.state).toBe('{a%7D%3A%7Bb:t*%5Bx%5D:2}:w');
    expect(keys.blobPrefix).toBe('{a%7D%3A%7Bb:t*%5Bx%5D:2}:u:');
    expect(keys.note).toBe('{a%7D%3A%7Bb:t*%5Bx%5D:2}:n');
    expect(keys.attempt).toBe('{a%7D%3A%7Bb:t*%5Bx%5D:2}:a');
    expect(keys.blobPattern).toBe('{a%7D%3A%7Bb:t\\*%5Bx%5D:2}:u:*');
  });
});

describe('slices of a flush', () => {
  const lengths = (sizes: number[]): number[] =>
    slicesOf(sizes.map((size) => new Uint8Array(size))).map(({ start, end }) => end - start);

  it('is one without any blob, and one for few', () => {
    expect(slicesOf([])).toEqual([{ start: 0, end: 0 }]);
    expect(lengths([1, 2, 3])).toEqual([3]);
  });

  it('is bounded in keys', () => {
    expect(lengths(new Array<number>(1_001).fill(1))).toEqual([500, 500, 1]);
  });

  it('is bounded in bytes, and takes a blob beyond the bound alone', () => {
    expect(lengths([400_000, 100_000, 100_000, 2_000_000, 1, 1])).toEqual([2, 1, 1, 2]);
  });

  it('covers all in order', () => {
    const blobs = Array.from({ length: 3_000 }, (_, i) => new Uint8Array((i * 7919) % 20_000));
    let at = 0;
    for (const { start, end } of slicesOf(blobs)) {
      expect(start).toBe(at);
      expect(end).toBeGreaterThan(start);
      at = end;
    }
    expect(at).toBe(blobs.length);
  });
});

describe('slots of a cluster', () => {
  const node = (host: string | null, port: number): unknown[] => [
    host === null ? null : Buffer.from(host),
    port,
    Buffer.from('id'),
    [],
  ];

  it('knows the master of each slot, and the replicas apart', () => {
    const reply = [
      [0, 99, node('10.0.0.1', 7000), node('10.0.0.2', 7001)],
      [101, 16_383, node('10.0.0.3', 7002), node('10.0.0.1', 7000)],
    ];
    const { owners, masters, others } = readSlots(reply, 'x:1');
    expect([0, 99, 100, 101, 16_383].map((slot) => owners[slot])).toEqual(['10.0.0.1:7000', '10.0.0.1:7000', undefined, '10.0.0.3:7002', '10.0.0.3:7002']); // prettier-ignore
    expect([...masters]).toEqual(['10.0.0.1:7000', '10.0.0.3:7002']);
    expect(others).toEqual(['10.0.0.2:7001']);
  });

  it.each([[''], [null]])('takes a node without an address (%j) for the one that was asked', (host) => {
    expect(readSlots([[0, 1, node(host, 7000)]], '[::1]:9').owners[0]).toBe('[::1]:7000');
  });

  it('leaves out a node whose address is not known yet', () => {
    expect([...readSlots([[0, 1, node('?', 7000)], [2, 3, node('h', 1)]], 'x:1').masters]).toEqual(['h:1']); // prettier-ignore
  });

  it.each([[[]], ['x'], [[[0, 1]]], [[[0, 99_999, node('h', 1)]]], [[['a', 1, node('h', 1)]]], [[[0, 1, node('h', 0)]]]])('refuses what is no such reply: %j', (reply) => {
    expect(() => readSlots(reply, 'x:1')).toThrow(/CLUSTER/);
  }); // prettier-ignore

  it.each([
    ['MOVED 12182 10.0.0.1:7000', { ask: false, slot: 12_182, address: '10.0.0.1:7000' }],
    ['ASK 0 a.test:1', { ask: true, slot: 0, address: 'a.test:1' }],
    ['MOVED 5 ::1:7000', { ask: false, slot: 5, address: '[::1]:7000' }],
    ['MOVED 5 :7000', { ask: false, slot: 5, address: 'asked.test:7000' }],
    ['MOVED 16384 h:1', null],
    ['MOVED 5 h:0', null],
    ['MOVED 5 h', null],
    ['TRYAGAIN Multiple keys request during rehashing of slot', null],
    ['ERR MOVED 5 h:1', null],
  ])('reads the redirection %s', (message, redirect) => {
    expect(redirectOf(message, 'asked.test:1')).toEqual(redirect);
  });

  it('sees a slot on its way', () => {
    const own = 'id1 10.0.0.1:1@2 myself,master - 0 0 1 connected 0-99';
    const other = 'id2 10.0.0.2:1@2 master - 0 0 1 connected 100-200';
    expect(isMigrating(`${other}\n${own}\n`, 50)).toBe(false);
    expect(isMigrating(`${other}\n${own} [50->-id2]\n`, 50)).toBe(true);
    expect(isMigrating(`${other}\n${own} [50-<-id2]\n`, 50)).toBe(true);
    expect(isMigrating(`${own} [150->-id2]\n${other}\n`, 50)).toBe(false);
    expect(isMigrating(`${own}\n${other} [50->-id2]\n`, 50)).toBe(false);
  });
});

describe('RESP writer', () => {
  const values = ['', 'a', 'ü', '漢字', '😀', '\r\n$1\r\n', 'x'.repeat(9), 'x'.repeat(10), 'y'.repeat(99), 'y'.repeat(100), 'z'.repeat(99_999), 'é'.repeat(70_000)]; // prettier-ignore

  it('writes what ioredis itself writes', () => {
    const blobs = values.map((value) => Buffer.from(value));
    const prefix = Buffer.from('{a:b:0}:u:');
    const writer = new RespWriter(Buffer.alloc(16));
    writer.start(1 + values.length * 3);
    writer.text('mget');
    for (const value of values) writer.text(value);
    for (const value of values) writer.join(prefix, value);
    for (const blob of blobs) writer.binary(blob);
    const args = [...values, ...values.map((value) => `{a:b:0}:u:${value}`), ...blobs];
    const expected = new Command('mget', args).toWritable({});
    expect(Buffer.compare(writer.written(), Buffer.from(expected))).toBe(0);
  });

  it('has a command that sends these bytes and holds the routing key alone', () => {
    const command = new EncodedCommand('mget', ['k'], Buffer.from('bytes'));
    expect(String(command.toWritable())).toBe('bytes');
    expect(command.args).toEqual(['k']);
    expect(command.getKeys()).toEqual(['k']);
    const copy = command.copy();
    expect(copy).not.toBe(command);
    expect([String(copy.toWritable()), copy.name, copy.getKeys()]).toEqual(['bytes', 'mget', ['k']]);
    expect(new EncodedCommand('evalsha', ['sha', '1', 'k'], Buffer.from('')).getKeys()).toEqual(['k']);
  });

  it('reuses buffers that were given back, few and not the largest', () => {
    const pool = new BufferPool();
    const [a, b] = [pool.take(), pool.take()];
    expect(a).not.toBe(b);
    pool.giveBack(a);
    expect(pool.take()).toBe(a);
    const large = Buffer.alloc(4 << 20);
    pool.giveBack(large);
    expect(pool.take()).not.toBe(large);
    for (let i = 0; i < 10; i++) pool.giveBack(Buffer.alloc(1 << 16));
    expect(new Set(Array.from({ length: 10 }, () => pool.take()).map((buffer) => buffer.buffer)).size).toBe(10);
  });
});

describe('redis check', () => {
  const good = {
    version: '7.0.15',
    role: 'master',
    maxmemoryPolicy: 'noeviction',
    maxmemoryBytes: 0,
    usedMemoryBytes: 1,
    aofEnabled: true,
    rdbSchedule: null,
    clusterEnabled: false,
  };

  it('reads INFO', () => {
    const info = parseInfo('# Server\r\nredis_version:7.0.15\r\nexecutable:/a:b\r\n\r\n# Memory\r\nempty:\r\n');
    expect([...info]).toEqual([['redis_version', '7.0.15'], ['executable', '/a:b'], ['empty', '']]); // prettier-ignore
  });

  it('takes the worst of several servers', () => {
    expect(worstOf([good])).toEqual(good);
    const bad = [
      good,
      { ...good, maxmemoryPolicy: 'allkeys-lru', maxmemoryBytes: 100, usedMemoryBytes: 50 },
      { ...good, version: '5.0.1', maxmemoryBytes: 100, usedMemoryBytes: 90 },
      { ...good, aofEnabled: false, rdbSchedule: '', role: 'slave' },
    ];
    expect(worstOf(bad)).toEqual({
      version: '5.0.1',
      role: 'slave',
      maxmemoryPolicy: 'allkeys-lru',
      maxmemoryBytes: 100,
      usedMemoryBytes: 90,
      aofEnabled: false,
      rdbSchedule: '',
      clusterEnabled: false,
    });
    expect(worstOf(bad.toReversed())).toEqual(worstOf(bad));
  });

  it('has nothing to say about a good server', () => {
    expect(adviceOn(good)).toEqual([]);
  });

  it.each([
    [{ role: 'slave' }, /replica/],
    [{ maxmemoryPolicy: 'volatile-ttl' }, /noeviction/],
    [{ clusterEnabled: true }, /cluster/],
    [{ version: '5.0.7' }, /upgrade/],
    [{ aofEnabled: false, rdbSchedule: '' }, /appendonly/],
    [{ maxmemoryBytes: 100, usedMemoryBytes: 81 }, /80 %/],
  ])('advises on %j', (facts, text) => {
    const advice = adviceOn({ ...good, ...facts });
    expect(advice).toHaveLength(1);
    expect(advice[0]).toMatch(text);
  });
});
