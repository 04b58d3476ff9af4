/**
 * Processor time that loading and flushing blobs costs in our process, and how long one slice of a flush blocks Redis.
 *
 *   redis-server --port 6390 --bind 127.0.0.1 --save '' &
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

// The script calls, as the server itself measured them; the bound leaves out the commands within a script.
await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '100');
await client.call('CONFIG', 'SET', 'slowlog-max-len', '512');
await client.call('SLOWLOG', 'RESET');
const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
for (const size of [512, 2_048, 16_384]) {
  const blobs = keys.map(() => new Uint8Array(size));
  const next: number = (watermark ?? 0) + 1;
  await client.call('SLOWLOG', 'RESET');
  await partition.flush({
    expectedWatermark: watermark,
    watermark: next,
    fingerprint: 'bench',
    note: 'note',
    keys,
    blobs,
  });
  watermark = next;
  const log = (await client.call('SLOWLOG', 'GET', '512')) as [number, number, number, Buffer[]][];
  const took = log.filter((entry) => String(entry[3][0]).startsWith('eval')).map((entry) => entry[2]);
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor((took.length - 1) * share)] ?? 0;
  console.log(
    `slices of ${size} B blobs: ${took.length} seen, µs in Redis p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)}`,
  );
}
await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '10000');
await partition.drop();
await store.close();
