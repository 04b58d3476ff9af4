import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeHistory } from '../../../src/state/blob-encode.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { restoreSnapshot, writeSnapshot } from '../../../src/state/snapshot.ts';
import { PARTIAL_NOTE } from '../../../src/state/snapshot-load.ts';
import type { PartitionStore } from '../../../src/state/store.ts';
import { FileSnapshots } from '../../../src/snapshot/file-snapshots.ts';
import { smallPlan } from '../../support/pipeline-engine.ts';
import { allBlobs, historyOf, scanned, START_MS } from './snapshot-events.ts';

const { layout } = smallPlan();
const { fingerprint } = layout;
const PLACE = { topic: 'transactions', partition: 3 };

let folder: string;
let unreadable: string[];
let snapshots: FileSnapshots;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fs-snapshots-'));
  unreadable = [];
  snapshots = new FileSnapshots(folder, 'app one', (path, error) => unreadable.push(`${error.code} ${path}`));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const openStore = (): Promise<PartitionStore> => new MemoryStateStore().open(PLACE);

async function storeWith(users: number, watermark: number, note = 'note'): Promise<PartitionStore> {
  const store = await openStore();
  const keys = Array.from({ length: users }, (_, k) => `user ${k} é`);
  const blobs = keys.map((_, k) => encodeHistory(historyOf(layout, [{ offset: k, timeMs: START_MS + k }])));
  await store.flush({ expectedWatermark: null, watermark, fingerprint, note, keys, blobs });
  return store;
}

const options = (committed: number, fits = (note: string) => note === 'note') => ({
  fingerprint,
  committed,
  fits,
  onUnreadable: (snapshot: { name: string }) => unreadable.push(`passed over ${snapshot.name}`),
});

async function snapshotFiles(): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.endsWith('.fssnap')).map((name) => join(folder, name));
}

describe('snapshots in a folder', () => {
  it('bring back what was there: record, note and every history', async () => {
    const store = await storeWith(12_345, 20_000);
    const info = await writeSnapshot(store, PLACE, snapshots, 1_000);
    expect(info).toMatchObject({ watermark: 20_000, users: 12_345, reach: 12_345, createdMs: 1_000, note: 'note' });
    const restored = await openStore();
    expect(await restoreSnapshot(restored, PLACE, snapshots, options(20_000))).toEqual(info);
    expect(await restored.readState()).toEqual(await store.readState());
    expect(await allBlobs(restored)).toEqual(await allBlobs(store));
    expect(unreadable).toEqual([]);
  });

  it('are for the eyes of their owner alone, and leave no temporary file', async () => {
    await writeSnapshot(await storeWith(3, 10), PLACE, snapshots, 1_000);
    const [file] = await snapshotFiles();
    expect((await stat(file!)).mode & 0o777).toBe(0o600);
    expect((await readdir(join(file!, '..'))).length).toBe(1);
  });

  it('are kept twice, the newest first, and each partition and application has its own', async () => {
    for (const at of [1_000, 2_000, 300_000]) await writeSnapshot(await storeWith(2, at), PLACE, snapshots, at);
    expect((await snapshots.list(PLACE)).map(({ createdMs }) => createdMs)).toEqual([300_000, 2_000]);
    expect(await snapshots.list({ ...PLACE, partition: 4 })).toEqual([]);
    const others = new FileSnapshots(folder, 'app', () => undefined);
    expect(await others.list(PLACE)).toEqual([]);
  });

  it('remove what a process that died has left, after a day', async () => {
    await writeSnapshot(await storeWith(2, 5), PLACE, snapshots, 1_000);
    const place = join((await snapshotFiles())[0]!, '..');
    await writeFile(join(place, '000000000001000-5.fssnap.0011.tmp'), 'x');
    await writeSnapshot(await storeWith(2, 6), PLACE, snapshots, 2_000);
    expect((await readdir(place)).length).toBe(3);
    await writeSnapshot(await storeWith(2, 7), PLACE, snapshots, 1_000 + 86_400_001);
    expect((await readdir(place)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('are not made of a store without a state, or with half of one', async () => {
    expect(await writeSnapshot(await openStore(), PLACE, snapshots, 1)).toBeNull();
    expect(await writeSnapshot(await storeWith(2, 0, PARTIAL_NOTE), PLACE, snapshots, 1)).toBeNull();
    expect(await snapshotFiles()).toEqual([]);
  });

  it('leave nothing when the store fails half-way', async () => {
    const store = await storeWith(3, 10);
    const failing = {
      ...(await store.readState()),
      blobs: (async function* () {
        yield* scanned([{ key: 'a', blob: encodeHistory(historyOf(layout, [])) }]);
        throw new Error('away');
      })(),
    };
    const record = { watermark: 10, fingerprint, note: '', createdMs: 5, blobs: failing.blobs };
    await expect(snapshots.write(PLACE, record)).rejects.toMatchObject({ code: 'FS_FILE_INVALID' });
    expect(await readdir(folder, { recursive: true })).not.toContainEqual(expect.stringMatching(/fssnap|tmp/));
  });

  it('are passed over when a single bit has changed or the end is missing', async () => {
    const store = await storeWith(200, 300);
    await writeSnapshot(store, PLACE, snapshots, 1_000);
    const [file] = await snapshotFiles();
    const whole = await readFile(file!);
    for (let k = 0; k < 200; k++) {
      const bytes = Buffer.from(whole);
      const at = Math.floor((k * whole.length) / 200);
      bytes[at]! ^= 1 << (k % 8);
      await writeFile(file!, bytes);
      const restored = await openStore();
      unreadable = [];
      expect(await restoreSnapshot(restored, PLACE, snapshots, options(300)), `bit ${at}`).toBeNull();
      expect(unreadable.length, `bit ${at}`).toBe(1);
      expect(await restored.readState()).toMatchObject({ watermark: null });
    }
    for (let length = 0; length < whole.length; length += 97) {
      await writeFile(file!, whole);
      await truncate(file!, length);
      expect(await restoreSnapshot(await openStore(), PLACE, snapshots, options(300))).toBeNull();
    }
  });

  it('are chosen by what was decided, by layout and by log; an older one when the newest does not fit', async () => {
    await writeSnapshot(await storeWith(5, 50), PLACE, snapshots, 1_000);
    await writeSnapshot(await storeWith(5, 90), PLACE, snapshots, 2_000);
    const restore = async (more: object): Promise<number | undefined> =>
      (await restoreSnapshot(await openStore(), PLACE, snapshots, { ...options(100), ...more }))?.watermark;
    expect(await restore({})).toBe(90);
    expect(await restore({ committed: 90 })).toBe(90);
    expect(await restore({ committed: 89 })).toBe(50);
    expect(await restore({ committed: 49 })).toBeUndefined();
    expect(await restore({ fingerprint: 'another' })).toBeUndefined();
    expect(await restore({ fits: () => false })).toBeUndefined();
  });

  it('are refused when a history in them is ahead of what was decided', async () => {
    // watermark 10, but a flush that was under way has written offset 40 already
    const store = await storeWith(41, 10);
    const info = await writeSnapshot(store, PLACE, snapshots, 1_000);
    expect(info?.reach).toBe(41);
    expect(await restoreSnapshot(await openStore(), PLACE, snapshots, options(40))).toBeNull();
    expect(await restoreSnapshot(await openStore(), PLACE, snapshots, options(41))).not.toBeNull();
  });

  it('say in the record of the store that they are half-way in', async () => {
    await writeSnapshot(await storeWith(12_000, 20_000), PLACE, snapshots, 1_000);
    const store = await openStore();
    let flushes = 0;
    const dying: PartitionStore = {
      readState: () => store.readState(),
      load: (keys) => store.load(keys),
      flush: (request) => (++flushes > 2 ? Promise.reject(new Error('died')) : store.flush(request)),
      drop: () => store.drop(),
      readAttempt: () => store.readAttempt(),
      writeAttempt: (text) => store.writeAttempt(text),
      scan: () => store.scan(),
    };
    await expect(restoreSnapshot(dying, PLACE, snapshots, options(20_000))).rejects.toThrow('died');
    expect(await store.readState()).toMatchObject({ watermark: 0, fingerprint, note: PARTIAL_NOTE });
    expect((await allBlobs(store)).size).toBe(5_000);
    expect(await restoreSnapshot(store, PLACE, snapshots, options(20_000))).not.toBeNull();
    expect((await allBlobs(store)).size).toBe(12_000);
  });

  it('that cannot be read at all are named', async () => {
    await writeSnapshot(await storeWith(2, 5), PLACE, snapshots, 1_000);
    const [file] = await snapshotFiles();
    await writeFile(file!, 'nothing of ours');
    await utimes(file!, 1, 1);
    expect(await snapshots.list(PLACE)).toEqual([]);
    expect(unreadable).toEqual([`FS_STATE_CORRUPT ${file!}`]);
  });
});
