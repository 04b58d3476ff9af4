/**
 * Processor time that loading and flushing blobs costs in our process, and how long one slice of a flush blocks Redis.
 *
 *   redis-server --port 6390 --bind 127.0.0.1 --save '' &     # on a busy machine: chrt -f 50 redis-server …
 *   node bench/redis-store.ts redis://127.0.0.1:6390  
 */
import { performance } from 'node:perf_hooks';
import { RedisClient } from '../src/state/redis/redis-client.ts';
import { RedisStateStore } from '../src/state/redis/redis-store.ts';

const url = process.argv[2];
if (url === undefined) throw new Error('usage: node bench/redis-store.ts redis://127.0.0.1:<port>');
const client = new RedisClient({ url, commandTimeoutMs: 10_000, connectTimeoutMs: 5_000 });
const store = new RedisStateStore(client, { app: 'bench', ttlMs: 3_600_000 });
const partition = await store.open({ topic: 'transactions', partition: 0 });
await partition.drop();

async function measure(name: string, keyCount: number, rounds: number, work: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 50; i++) await work();
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < rounds; i++) await work();
  const wallUs = (performance.now() - start) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  const per = (us: number): string => (us / rounds / keyCount).toFixed(2).padStart(6);
  console.log(`${name.padEnd(34)} ${per(user + system)} µs CPU/key ${per(wallUs)} µs elapsed/key`);
}

let watermark: number | null = null;
const SIZES = [
  [500, 512],
  [500, 2048],
  [5_000, 700],
  [50, 700],
  [1, 700],
] as const;
for (const [count, size] of [...SIZES, ...SIZES]) {
  const keys = Array.from({ length: count }, (_, i) => `user-${(i * 7919) % 1_000_000}`);
  const blobs = keys.map((_, i) => new Uint8Array(size).fill(i & 255));
  const rounds = Math.max(20, Math.floor(200_000 / count));
  await measure(`flush ${count} keys of ${size} B`, count, rounds, async () => {
    const next: number = (watermark ?? 0) + 1;
    await partition.flush({
      expectedWatermark: watermark,
      watermark: next,
      fingerprint: 'bench',
      note: 'note',
      keys,
      blobs,
    });
    watermark = next;
  });
  await measure(`load ${count} keys of ${size} B`, count, rounds, () => partition.load(keys));
}

/** Sizes that fall off exponentially, as those of histories do; the same in every run. */
function exponentialSizes(count: number, meanBytes: number): number[] {
  let state = 42;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.max(64, Math.round(-Math.log((state + 1) / 2 ** 32) * meanBytes));
  });
}

// The calls as the server itself measured them; the bound leaves out the commands within a script.
await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '100');
await client.call('CONFIG', 'SET', 'slowlog-max-len', '4096');
const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
const KIB = 1_024;
const MIXED = exponentialSizes(keys.length, KIB);
const SHAPES: readonly (readonly [string, (i: number) => number])[] = [
  ['512 B', () => 512],
  ['1 KiB on average', (i) => MIXED[i] as number],
  ['1 KiB on average, one in 2,000 of 1.5 MiB', (i) => (i % 2_000 === 7 ? 1_536 * KIB : (MIXED[i] as number))],
  ['2 KiB', () => 2 * KIB],
  ['16 KiB', () => 16 * KIB],
];
async function slowest(name: string, command: string): Promise<void> {
  const log = (await client.call('SLOWLOG', 'GET', '4096')) as [number, number, number, Buffer[]][];
  const took = log.filter((entry) => String(entry[3][0]).toLowerCase().startsWith(command)).map((entry) => entry[2]);
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor((took.length - 1) * share)] ?? 0;
  const late = took.filter((us) => us > 5_000).length;
  console.log(
    `${name}: ${took.length} seen, µs in Redis p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)}; above 5 ms: ${late}`,
  );
}
for (const [shape, sizeOf] of SHAPES) {
  const blobs = keys.map((_, i) => new Uint8Array(sizeOf(i)).fill(i & 255));
  const rounds = Math.max(1, Math.floor(20 / (blobs.reduce((sum, blob) => sum + blob.length, 0) / (20 << 20))));
  await client.call('SLOWLOG', 'RESET');
  for (let round = 0; round < rounds; round++) {
    const next: number = (watermark ?? 0) + 1;
    const request = { expectedWatermark: watermark, watermark: next, fingerprint: 'bench', note: 'note' };
    await partition.flush({ ...request, keys, blobs });
    watermark = next;
  }
  await slowest(`slices of blobs of ${shape}`, 'eval');
  await client.call('SLOWLOG', 'RESET');
  for (let at = 0; at + 500 <= keys.length; at += 500) await partition.load(keys.slice(at, at + 500));
  await slowest('  loads of 500', 'mget');
  await client.call('SLOWLOG', 'RESET');
  for (let at = 0; at + 5_000 <= keys.length; at += 5_000) await partition.load(keys.slice(at, at + 5_000));
  await slowest('  loads of 5,000', 'mget');
}
await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '10000');
await partition.drop();
await store.close();
