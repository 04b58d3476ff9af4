/**
 * Resident memory and processor time of the memory store with many users, against a Map of Uint8Arrays.
 *
 *   node --expose-gc bench/memory-store.ts [store|map] [users, default 1000000]        (Node 22.18 or later)
 */
import { performance } from 'node:perf_hooks';
import { MemoryStateStore } from '../src/state/memory-store.ts';

const kind = process.argv[2] ?? 'store';
const users = Number(process.argv[3] ?? 1_000_000);
const GROUP = 1_000;
const BLOB_BYTES_MEAN = 700;
const UPDATE_GROUPS = 3_000;

const partition = await new MemoryStateStore().open({ topic: 'transactions', partition: 0 });
const map = new Map<string, Uint8Array>();
const source = new Uint8Array(4_096);
let watermark: number | null = null;

const sizeOf = (i: number): number => BLOB_BYTES_MEAN - 200 + ((i * 7919) % 401);
const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
function memory(name: string): void {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  console.log(`${name}: resident ${mib(rss)}, heap ${mib(heapUsed)}, buffers ${mib(external)}`);
}

async function write(numbers: readonly number[], round: number): Promise<void> {
  const keys = numbers.map((i) => `user-${i}`);
  const blobs = numbers.map((i) => source.subarray(0, sizeOf(i + round)));
  if (kind === 'map') {
    for (let i = 0; i < keys.length; i++) map.set(keys[i] as string, new Uint8Array(blobs[i] as Uint8Array));
    return;
  }
  const next: number = (watermark ?? 0) + 1;
  await partition.flush({ expectedWatermark: watermark, watermark: next, fingerprint: 'bench', note: '', keys, blobs });
  watermark = next;
}

memory('empty');
let start = performance.now();
for (let at = 0; at < users; at += GROUP) {
  await write(
    Array.from({ length: GROUP }, (_, i) => at + i),
    0,
  );
}
console.log(`first write: ${((performance.now() - start) * 1000 / users).toFixed(2)} µs a user`); // prettier-ignore
memory(`${users} users`);

start = performance.now();
let peak = 0;
for (let round = 1; round <= UPDATE_GROUPS; round++) {
  // Half of the updates hit 1 % of the users.
  const numbers = Array.from({ length: GROUP }, (_, i) =>
    Math.floor(Math.random() * (i % 2 === 0 ? users / 100 : users)),
  );
  await write(numbers, round);
  if (kind === 'store') await partition.load(numbers.map((i) => `user-${i}`));
  peak = Math.max(peak, process.memoryUsage.rss());
}
console.log(`update and load: ${((performance.now() - start) * 1000 / UPDATE_GROUPS / GROUP).toFixed(2)} µs a user, peak resident ${mib(peak)}`); // prettier-ignore
memory(`after ${UPDATE_GROUPS * GROUP} updates`);
