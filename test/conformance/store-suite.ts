import { afterEach, describe, expect, it } from 'vitest';
import type { PartitionStore, StateStore } from '../../src/state/store.ts';

const TOPIC = 'transactions';
const LAYOUT = 'layout-1';
const NOTE = 'note-1';
const NOTHING = { watermark: null, fingerprint: null, note: null, flushing: null };

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const filled = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >>> 8)) & 255);
/** Plain arrays, for an adapter may return Buffers, and views of larger buffers. */
const plain = (blobs: readonly (Uint8Array | null)[]): (number[] | null)[] =>
  blobs.map((blob) => (blob === null ? null : Array.from(blob)));
const sameBytes = (a: Uint8Array | null | undefined, b: Uint8Array): boolean =>
  a instanceof Uint8Array && Buffer.compare(a, b) === 0;

/**
 * What every adapter of the state store port must do. `makeStore(app)` opens a new client on the same storage each time
 * where the storage is outside the process; `app` is unique per test.
 */
export function storeSuite(name: string, makeStore: (app: string) => Promise<StateStore>): void {
  describe(`state store: ${name}`, () => {
    const opened: StateStore[] = [];
    let serial = 0;
    const run = `${process.pid}-${Date.now()}`;

    async function makeApp(app = `suite-${run}-${serial++}`): Promise<StateStore> {
      const store = await makeStore(app);
      opened.push(store);
      return store;
    }

    async function makePartition(): Promise<PartitionStore> {
      return (await makeApp()).open({ topic: TOPIC, partition: 0 });
    }

    const first = (keys: string[], blobs: Uint8Array[], watermark = 10) => ({
      expectedWatermark: null,
      watermark,
      fingerprint: LAYOUT,
      note: NOTE,
      keys,
      blobs,
    });

    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });

    it('answers a ping', async () => {
      const store = await makeApp();
      await expect(store.ping()).resolves.toBeUndefined();
    });

    it('has no state at first', async () => {
      const partition = await makePartition();
      expect(await partition.readState()).toEqual(NOTHING);
      expect(await partition.load(['a', 'b'])).toEqual({ watermark: null, blobs: [null, null] });
      expect(await partition.load([])).toEqual({ watermark: null, blobs: [] });
    });

    it('loads in the order of the keys, with null where there is nothing', async () => {
      const partition = await makePartition();
      await partition.flush(first(['a', 'b', 'c'], [bytes(1), bytes(2, 2), bytes(3, 3, 3)]));
      const { watermark, blobs } = await partition.load(['c', 'x', 'a', 'c', 'b']);
      expect(watermark).toBe(10);
      expect(plain(blobs)).toEqual([[3, 3, 3], null, [1], [3, 3, 3], [2, 2]]);
      expect(await partition.readState()).toEqual({ watermark: 10, fingerprint: LAYOUT, note: NOTE, flushing: null });
    });

    it('replaces blobs and moves the watermark', async () => {
      const partition = await makePartition();
      await partition.flush(first(['a', 'b'], [bytes(1), bytes(2)]));
      await partition.flush({
        expectedWatermark: 10,
        watermark: 25,
        fingerprint: LAYOUT,
        note: NOTE,
        keys: ['b', 'c'],
        blobs: [bytes(22, 22, 22), bytes(3)],
      });
      const { watermark, blobs } = await partition.load(['a', 'b', 'c']);
      expect(watermark).toBe(25);
      expect(plain(blobs)).toEqual([[1], [22, 22, 22], [3]]);
    });

    it('moves the watermark without any key, up to the largest safe offset', async () => {
      const partition = await makePartition();
      await partition.flush(first([], [], 0));
      expect((await partition.readState()).watermark).toBe(0);
      const largest = Number.MAX_SAFE_INTEGER;
      await partition.flush({
        expectedWatermark: 0,
        watermark: largest,
        fingerprint: LAYOUT,
        note: NOTE,
        keys: [],
        blobs: [],
      });
      expect(await partition.load([])).toEqual({ watermark: largest, blobs: [] });
    });

    it('takes a flush that does not move the watermark', async () => {
      const partition = await makePartition();
      await partition.flush(first(['a'], [bytes(1)]));
      await partition.flush({
        expectedWatermark: 10,
        watermark: 10,
        fingerprint: LAYOUT,
        note: NOTE,
        keys: ['a'],
        blobs: [bytes(2)],
      });
      expect(plain((await partition.load(['a'])).blobs)).toEqual([[2]]);
    });

    it.each([
      ['another watermark', { expectedWatermark: 9, fingerprint: LAYOUT }],
      ['none expected, one there', { expectedWatermark: null, fingerprint: LAYOUT }],
      ['another fingerprint', { expectedWatermark: 10, fingerprint: 'layout-2' }],
      ['a fingerprint that only begins the same', { expectedWatermark: 10, fingerprint: `${LAYOUT} ` }],
    ])('refuses a flush and writes nothing: %s', async (_name, expectation) => {
      const partition = await makePartition();
      await partition.flush(first(['a'], [bytes(1)]));
      const request = { ...expectation, watermark: 20, note: 'other', keys: ['a', 'b'], blobs: [bytes(9), bytes(9)] };
      await expect(partition.flush(request)).rejects.toMatchObject({
        code: 'FS_STATE_CONFLICT',
        place: { topic: TOPIC, partition: 0 },
      });
      expect(plain((await partition.load(['a', 'b'])).blobs)).toEqual([[1], null]);
      expect(await partition.readState()).toEqual({ watermark: 10, fingerprint: LAYOUT, note: NOTE, flushing: null });
    });

    it('refuses a flush that expects a watermark where there is none', async () => {
      const partition = await makePartition();
      const request = {
        expectedWatermark: 10,
        watermark: 20,
        fingerprint: LAYOUT,
        note: NOTE,
        keys: ['a'],
        blobs: [bytes(9)],
      };
      await expect(partition.flush(request)).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' });
      expect(await partition.load(['a'])).toEqual({ watermark: null, blobs: [null] });
    });

    it('lets one of two flushes with the same expectation win', async () => {
      const partition = await makePartition();
      const results = await Promise.allSettled([
        partition.flush(first(['a'], [bytes(1)], 11)),
        partition.flush(first(['a'], [bytes(2)], 12)),
      ]);
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const winner = results[0]?.status === 'fulfilled' ? 1 : 2;
      const { watermark, blobs } = await partition.load(['a']);
      expect({ watermark, blobs: plain(blobs) }).toEqual({ watermark: 10 + winner, blobs: [[winner]] });
    });

    it.each([
      ['fewer blobs than keys', { keys: ['a', 'b'], blobs: [bytes(1)], watermark: 1, expectedWatermark: null }],
      ['a negative watermark', { keys: [], blobs: [], watermark: -1, expectedWatermark: null }],
      ['a watermark that is no integer', { keys: [], blobs: [], watermark: 1.5, expectedWatermark: null }],
      ['a watermark that goes back', { keys: [], blobs: [], watermark: 4, expectedWatermark: 5 }],
    ])('reports a flush that is a bug: %s', async (_name, request) => {
      const partition = await makePartition();
      await expect(partition.flush({ ...request, fingerprint: LAYOUT, note: NOTE })).rejects.toMatchObject({
        code: 'FS_INTERNAL',
      });
      expect((await partition.readState()).watermark).toBeNull();
    });

    it('keeps partitions, topics and apps apart', async () => {
      const app = `suite-${run}-${serial++}`;
      const store = await makeApp(app);
      const other = await makeApp(`${app}x`);
      const spaces = [
        await store.open({ topic: TOPIC, partition: 1 }),
        await store.open({ topic: TOPIC, partition: 11 }),
        await store.open({ topic: `${TOPIC}:1`, partition: 1 }),
        await store.open({ topic: `${TOPIC}}`, partition: 1 }),
        await other.open({ topic: TOPIC, partition: 1 }),
      ];
      for (const [i, space] of spaces.entries()) await space.flush(first(['a'], [bytes(i)], i));
      for (const [i, space] of spaces.entries()) {
        const { watermark, blobs } = await space.load(['a']);
        expect({ watermark, blobs: plain(blobs) }).toEqual({ watermark: i, blobs: [[i]] });
      }
      await (spaces[0] as PartitionStore).drop();
      for (const [i, space] of spaces.entries()) {
        expect((await space.load(['a'])).watermark).toBe(i === 0 ? null : i);
      }
    });

    it('shows a partition that is opened again what was flushed', async () => {
      const store = await makeApp();
      await (await store.open({ topic: TOPIC, partition: 3 })).flush(first(['a'], [bytes(7)]));
      const again = await store.open({ topic: TOPIC, partition: 3 });
      expect(plain((await again.load(['a'])).blobs)).toEqual([[7]]);
      expect((await again.readState()).watermark).toBe(10);
    });

    it('takes any id', async () => {
      const partition = await makePartition();
      const ids = [
        'plain', 'with space', '{brace', 'brace}', '{a}{b}', '}{', ':', 'a:b', '*', '?', '[a]', '\\', '\0', '\r\n', '$3\r\nabc',
        'ü', '漢字', '😀', 'e\u0301', '\u00e9', '__proto__', 'constructor', 'toString', '', ' ', '0', '-1', 'A', 'a', 'é'.repeat(128),
        'x'.repeat(127), 'x'.repeat(128), '😀'.repeat(64), 'w', 'u', 'f',
      ].filter((id, i, all) => all.indexOf(id) === i); // prettier-ignore
      await partition.flush(first(ids, ids.map((_, i) => bytes(i, 255 - i)))); // prettier-ignore
      const { blobs } = await partition.load(ids);
      expect(plain(blobs)).toEqual(ids.map((_, i) => [i, 255 - i]));
      expect(await partition.readState()).toEqual({ watermark: 10, fingerprint: LAYOUT, note: NOTE, flushing: null });
    });

    it('keeps every byte value, empty blobs too', async () => {
      const partition = await makePartition();
      const all = Uint8Array.from({ length: 1024 }, (_, i) => i & 255);
      const invalidUtf8 = bytes(0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0, 13, 10);
      await partition.flush(first(['all', 'invalid', 'empty'], [all, invalidUtf8, bytes()]));
      const { blobs } = await partition.load(['all', 'invalid', 'empty']);
      expect(plain(blobs)).toEqual([Array.from(all), Array.from(invalidUtf8), []]);
    });

    it('keeps any fingerprint', async () => {
      const partition = await makePartition();
      const fingerprint = 'a b\n1 2 ü {x}';
      await partition.flush({ ...first(['a'], [bytes(1)]), fingerprint });
      await partition.flush({ expectedWatermark: 10, watermark: 11, fingerprint, note: NOTE, keys: [], blobs: [] });
      expect(await partition.readState()).toMatchObject({ watermark: 11, fingerprint, note: NOTE });
    });

    it.each(['', ' ', 'fs1 {"a":"ü"}\r\n\0', 'x'.repeat(5_000)])('keeps any note: %#', async (note) => {
      const partition = await makePartition();
      await partition.flush({ ...first(['a'], [bytes(1)]), note });
      expect((await partition.readState()).note).toBe(note);
    });

    it('replaces the note with the watermark, and compares it with nothing', async () => {
      const partition = await makePartition();
      await partition.flush(first(['a'], [bytes(1)]));
      const next = { ...first([], [], 11), expectedWatermark: 10, note: 'second' };
      await partition.flush(next);
      expect(await partition.readState()).toEqual({
        watermark: 11,
        fingerprint: LAYOUT,
        note: 'second',
        flushing: null,
      });
      await partition.flush({ ...next, expectedWatermark: 11, note: 'third' });
      expect(await partition.readState()).toEqual({
        watermark: 11,
        fingerprint: LAYOUT,
        note: 'third',
        flushing: null,
      });
    });

    it('keeps the note of a large flush', async () => {
      const partition = await makePartition();
      const keys = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);
      await partition.flush({ ...first(keys, keys.map(() => filled(700, 1))), note: 'large' }); // prettier-ignore
      expect(await partition.readState()).toEqual({
        watermark: 10,
        fingerprint: LAYOUT,
        note: 'large',
        flushing: null,
      });
    });

    it('keeps an attempt until it is removed, whatever becomes of the state', async () => {
      const store = await makeApp();
      const partition = await store.open({ topic: TOPIC, partition: 5 });
      const other = await store.open({ topic: TOPIC, partition: 6 });
      expect(await partition.readAttempt()).toBeNull();
      await partition.writeAttempt(null);
      await partition.writeAttempt('C 10, 1 death ü');
      expect(await partition.readState()).toEqual(NOTHING);
      await partition.flush(first(['a'], [bytes(1)]));
      await partition.drop();
      expect(await (await store.open({ topic: TOPIC, partition: 5 })).readAttempt()).toBe('C 10, 1 death ü');
      expect(await other.readAttempt()).toBeNull();
      await partition.writeAttempt('');
      expect(await partition.readAttempt()).toBe('');
      await partition.writeAttempt(null);
      expect(await partition.readAttempt()).toBeNull();
    });

    async function scanned(partition: PartitionStore): Promise<Map<string, number[]>> {
      const found = new Map<string, number[]>();
      for await (const portion of partition.scan()) {
        expect(portion.length).toBeGreaterThan(0);
        for (const { key, blob } of portion) found.set(key, Array.from(blob));
      }
      return found;
    }

    it('scans the histories of its partition alone', async () => {
      const store = await makeApp();
      const partition = await store.open({ topic: TOPIC, partition: 1 });
      const other = await store.open({ topic: TOPIC, partition: 11 });
      expect(await scanned(partition)).toEqual(new Map());
      const ids = ['', 'a', 'w', ':', '{b}', 'a:b', '*', 'ü', '漢字', '😀', '\0', '\r\n', '__proto__'];
      await partition.flush(first(ids, ids.map((_, i) => bytes(i)))); // prettier-ignore
      await partition.writeAttempt('an attempt');
      await other.flush(first(['other'], [bytes(99)]));
      expect(await scanned(partition)).toEqual(new Map(ids.map((id, i) => [id, [i]])));
      await partition.drop();
      expect(await scanned(partition)).toEqual(new Map());
      expect((await scanned(other)).size).toBe(1);
    });

    it('scans many histories, in portions', async () => {
      const partition = await makePartition();
      const keys = Array.from({ length: 12_345 }, (_, i) => `user-${i}`);
      await partition.flush(first(keys, keys.map((_, i) => bytes(i & 255, i >>> 8)))); // prettier-ignore
      let portions = 0;
      const found = new Map<string, number>();
      for await (const portion of partition.scan()) {
        portions++;
        for (const { key, blob } of portion) found.set(key, (blob[0] as number) + (blob[1] as number) * 256);
      }
      expect(portions).toBeGreaterThan(1);
      expect(found).toEqual(new Map(keys.map((key, i) => [key, i])));
    });

    it('does not see what the caller does with its buffers later', async () => {
      const partition = await makePartition();
      const whole = filled(64, 1);
      const view = whole.subarray(16, 32);
      const expected = Array.from(view);
      const keys = ['a'];
      await partition.flush(first(keys, [view]));
      whole.fill(0);
      keys[0] = 'b';
      expect(plain((await partition.load(['a', 'b'])).blobs)).toEqual([expected, null]);
    });

    it('leaves loaded blobs as they are when newer ones are flushed', async () => {
      const partition = await makePartition();
      const keys = Array.from({ length: 300 }, (_, i) => `user-${i}`);
      const old = keys.map((_, i) => filled(700, i));
      await partition.flush(first(keys, old));
      const { blobs } = await partition.load(keys);
      // 30 MB through a store of 0.2 MB: enough for any adapter that reuses memory to reach what it handed out.
      for (let round = 0; round < 150; round++) {
        const newer = keys.map((_, i) => filled(700, i + round + 1));
        const expectedWatermark = 10 + round;
        await partition.flush({
          expectedWatermark,
          watermark: 11 + round,
          fingerprint: LAYOUT,
          note: NOTE,
          keys,
          blobs: newer,
        });
      }
      expect(blobs.every((blob, i) => sameBytes(blob, old[i] as Uint8Array))).toBe(true);
    });

    it('takes a large flush and a large load', async () => {
      const partition = await makePartition();
      const keys = Array.from({ length: 12_345 }, (_, i) => `user-${i}`);
      const blobs = keys.map((_, i) => filled(100 + (i % 900), i));
      await partition.flush(first(keys, blobs));
      const loaded = await partition.load([...keys, 'nobody']);
      expect(loaded.watermark).toBe(10);
      expect(loaded.blobs).toHaveLength(keys.length + 1);
      expect(loaded.blobs[keys.length]).toBeNull();
      expect(keys.every((_, i) => sameBytes(loaded.blobs[i], blobs[i] as Uint8Array))).toBe(true);
      expect(await partition.readState()).toEqual({ watermark: 10, fingerprint: LAYOUT, note: NOTE, flushing: null });
    });

    it('refuses a large flush as it does a small one', async () => {
      const partition = await makePartition();
      const keys = Array.from({ length: 3_000 }, (_, i) => `user-${i}`);
      await partition.flush(first(['other'], [bytes(1)]));
      await expect(partition.flush(first(keys, keys.map(() => filled(700, 1)), 20))).rejects.toMatchObject({ code: 'FS_STATE_CONFLICT' }); // prettier-ignore
      const { watermark, blobs } = await partition.load(keys);
      expect(watermark).toBe(10);
      expect(blobs.every((blob) => blob === null)).toBe(true);
    });

    it('takes blobs of 1 MiB among small ones', async () => {
      const partition = await makePartition();
      const keys = ['small-1', 'large-1', 'large-2', 'small-2', 'large-3'];
      const blobs = [filled(10, 1), filled(1 << 20, 2), filled((1 << 20) + 1, 3), filled(20, 4), filled(3_000_000, 5)];
      await partition.flush(first(keys, blobs));
      const loaded = await partition.load(keys);
      expect(loaded.blobs.map((blob, i) => sameBytes(blob, blobs[i] as Uint8Array))).toEqual(keys.map(() => true));
    });

    it('answers concurrent loads each with its own', async () => {
      const partition = await makePartition();
      const keys = Array.from({ length: 400 }, (_, i) => `user-${i}`);
      await partition.flush(first(keys, keys.map((_, i) => filled(300, i)))); // prettier-ignore
      const loads = Array.from({ length: 40 }, (_, n) => keys.filter((_key, i) => i % (n + 1) === 0));
      const results = await Promise.all(loads.map((wanted) => partition.load(wanted)));
      for (const [n, { blobs, watermark }] of results.entries()) {
        const wanted = loads[n] as string[];
        expect(watermark).toBe(10);
        expect(blobs.every((blob, i) => sameBytes(blob, filled(300, Number((wanted[i] as string).slice(5)))))).toBe(
          true,
        );
        expect(blobs).toHaveLength(wanted.length);
      }
    });

    it('forgets everything on drop, and starts anew', async () => {
      const partition = await makePartition();
      const keys = Array.from({ length: 2_500 }, (_, i) => `user-${i}{*}`);
      await partition.flush(first(keys, keys.map((_, i) => filled(50, i)))); // prettier-ignore
      await partition.drop();
      expect(await partition.readState()).toEqual(NOTHING);
      expect((await partition.load(keys)).blobs.every((blob) => blob === null)).toBe(true);
      await partition.drop();
      await partition.flush({ ...first(['a'], [bytes(5)], 3), fingerprint: 'layout-2' });
      expect(await partition.readState()).toEqual({
        watermark: 3,
        fingerprint: 'layout-2',
        note: NOTE,
        flushing: null,
      });
      expect(plain((await partition.load(['a'])).blobs)).toEqual([[5]]);
    });
  });
}
