import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSnapshots, StateSnapshots, type OwnedPartition } from '../../../src/commands/state-snapshots.ts';
import { encodeNote } from '../../../src/delivery/state-note.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { encodeHistory } from '../../../src/state/blob-encode.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { ManualClock, smallPlan } from '../../support/pipeline-engine.ts';
import { historyOf, START_MS } from '../state/snapshot-events.ts';

const { layout } = smallPlan();
const { fingerprint } = layout;
const LOG = { clusterId: 'c', topicId: 't', partitions: 4 };
const HOUR_MS = 3_600_000;

let folder: string;
let clock: ManualClock;
let snapshots: StateSnapshots;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fs-snapshots-'));
  clock = new ManualClock();
  const target = openSnapshots(folder, 'app', SILENT_LOGGER);
  snapshots = new StateSnapshots({ target, fingerprint, clock, log: SILENT_LOGGER }, HOUR_MS);
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function owned(partition: number, watermark: number): Promise<OwnedPartition> {
  const place = { topic: 'transactions', partition };
  const store = await new MemoryStateStore().open(place);
  const mark = { ...LOG, delivery: 'exactly-once' as const, lastOffset: watermark - 1, lastHash: 'h' };
  await store.flush({
    expectedWatermark: null,
    watermark,
    fingerprint,
    note: encodeNote({ mark, knownSinceMs: 0 }),
    keys: ['u'],
    blobs: [encodeHistory(historyOf(layout, [{ offset: 3, timeMs: START_MS }]))],
  });
  return { ...place, store };
}

const written = async (): Promise<number> =>
  (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.fssnap')).length;

describe('snapshots of what a process owns', () => {
  it('are written an interval after a partition was taken, and then every interval', async () => {
    const both = [await owned(0, 10), await owned(1, 20)];
    snapshots.tick(both);
    clock.advance(HOUR_MS - 1);
    snapshots.tick(both);
    await snapshots.settled();
    expect(await written()).toBe(0);
    clock.advance(1);
    snapshots.tick(both);
    await snapshots.settled();
    expect(await written()).toBe(2);
    clock.advance(HOUR_MS);
    snapshots.tick(both.slice(0, 1));
    await snapshots.settled();
    expect(await written()).toBe(3);
    // given away and taken again: an interval later
    clock.advance(1_000);
    snapshots.tick(both);
    clock.advance(HOUR_MS - 2_000);
    snapshots.tick(both);
    await snapshots.settled();
    expect(await written()).toBe(3);
  });

  it('do not stop anything when the folder is gone or the store is away', async () => {
    const one = await owned(0, 10);
    const away: OwnedPartition = { ...one, store: Object.create(one.store) as OwnedPartition['store'] };
    away.store.readState = () => Promise.reject(new Error('away'));
    snapshots.tick([away]);
    clock.advance(HOUR_MS);
    snapshots.tick([away]);
    await snapshots.settled();
    expect(await written()).toBe(0);
  });

  it('are restored for their own log alone', async () => {
    const one = await owned(0, 10);
    snapshots.tick([one]);
    clock.advance(HOUR_MS);
    snapshots.tick([one]);
    await snapshots.settled();
    const empty = await new MemoryStateStore().open(one);
    for (const other of [{ clusterId: 'x' }, { topicId: 'x' }, { partitions: 6 }]) {
      expect(await snapshots.restore(one, empty, { ...LOG, ...other }, 10)).toBe(false);
    }
    expect(await snapshots.restore(one, empty, LOG, 9)).toBe(false);
    expect(await snapshots.restore({ ...one, partition: 1 }, empty, LOG, 10)).toBe(false);
    expect((await empty.readState()).watermark).toBeNull();
    expect(await snapshots.restore(one, empty, LOG, 10)).toBe(true);
    expect(await empty.readState()).toEqual(await one.store.readState());
  });
});
