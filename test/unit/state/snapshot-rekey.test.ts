import { describe, expect, it } from 'vitest';
import { decodeHistory } from '../../../src/state/blob-decode.ts';
import { encodeHistory } from '../../../src/state/blob-encode.ts';
import { EARLIER_LOG_SHIFT, lastOffsetOf } from '../../../src/state/blob-shift.ts';
import { EventView } from '../../../src/state/event-view.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { installStage, stageHistories, type RekeyRules, type Source } from '../../../src/state/rekey.ts';
import type { PartitionStore } from '../../../src/state/store.ts';
import { partitionOf } from '../../../src/transport/kafka/murmur2.ts';
import { smallPlan } from '../../support/pipeline-engine.ts';
import { allBlobs, historyOf, START_MS, type Happening } from './snapshot-events.ts';

const { layout } = smallPlan();
const { fingerprint } = layout;
const scratch = new EventView(layout);
const OLD = 4;
const NEW = 6;
const USERS = 3_000;

const homeOf = (user: string, partitions: number): number => partitionOf(Buffer.from(user), partitions);
const user = (k: number): string => `user-${k}`;
const paymentsOf = (k: number): Happening[] => [
  { offset: k, timeMs: START_MS + k },
  { offset: 10_000 + k, timeMs: START_MS + k + 500, amountMinor: 5 },
];

async function openAll(count: number): Promise<PartitionStore[]> {
  const state = new MemoryStateStore();
  return Promise.all(Array.from({ length: count }, (_, partition) => state.open({ topic: 't', partition })));
}

async function filled(): Promise<{ sources: Source[]; stores: PartitionStore[] }> {
  const stores = await openAll(OLD);
  for (let partition = 0; partition < OLD; partition++) {
    const keys = Array.from({ length: USERS }, (_, k) => user(k)).filter((name) => homeOf(name, OLD) === partition);
    await stores[partition]!.flush({
      expectedWatermark: null,
      watermark: 20_000,
      fingerprint,
      note: 'n',
      keys,
      blobs: keys.map((name) => encodeHistory(historyOf(layout, paymentsOf(Number(name.slice(5)))))),
    });
  }
  return { stores, sources: stores.map((store, partition) => ({ store, partition })) };
}

const rules: RekeyRules = {
  layout,
  targetOf: (name) => homeOf(name, NEW),
  isShifted: (source, target) => source !== target,
};

describe('histories when partitions were added', () => {
  it('stand where their users are now, those that moved with the offsets of no log', async () => {
    const { sources } = await filled();
    const stages = await openAll(NEW);
    const counts = await stageHistories(sources, stages, rules);
    expect(counts).toMatchObject({ users: USERS, merged: 0 });
    let moved = 0;
    let found = 0;
    for (let target = 0; target < NEW; target++) {
      for (const [name, blob] of await allBlobs(stages[target]!)) {
        found++;
        expect(homeOf(name, NEW)).toBe(target);
        const k = Number(name.slice(5));
        const stays = homeOf(name, OLD) === target;
        expect(lastOffsetOf(blob)).toBe(stays ? 10_000 + k : -1);
        if (stays) expect(blob).toEqual(encodeHistory(historyOf(layout, paymentsOf(k))));
        else {
          moved++;
          expect(decodeHistory(blob, layout, scratch).rows.offset(1)).toBe(10_000 + k - EARLIER_LOG_SHIFT);
        }
      }
    }
    expect(found).toBe(USERS);
    expect(counts.moved).toBe(moved);
    expect(moved).toBeGreaterThan(USERS / 2);
  });

  it('are joined when a user has paid under both counts', async () => {
    const { sources, stores } = await filled();
    const wanderer = Array.from({ length: USERS }, (_, k) => user(k)).find(
      (name) => homeOf(name, OLD) !== homeOf(name, NEW) && homeOf(name, NEW) < OLD,
    )!;
    const target = homeOf(wanderer, NEW);
    await stores[target]!.flush({
      expectedWatermark: 20_000,
      watermark: 20_000,
      fingerprint,
      note: 'n',
      keys: [wanderer],
      blobs: [encodeHistory(historyOf(layout, [{ offset: 15_000, timeMs: START_MS + 5_000 }]))],
    });
    const stages = await openAll(NEW);
    expect((await stageHistories(sources, stages, rules)).merged).toBe(1);
    const blob = (await allBlobs(stages[target]!)).get(wanderer)!;
    const history = decodeHistory(blob, layout, scratch);
    const k = Number(wanderer.slice(5));
    const offsets = [0, 1, 2].map((row) => history.rows.offset(row));
    expect(offsets).toEqual([k - EARLIER_LOG_SHIFT, 10_000 + k - EARLIER_LOG_SHIFT, 15_000]);
    expect(history.lastOffset).toBe(15_000);
  });

  it('are the same when the work is begun again, and when it is installed twice', async () => {
    const { sources } = await filled();
    const stages = await openAll(NEW);
    await stageHistories(sources, stages, rules);
    const first = await Promise.all(stages.map(allBlobs));
    await stageHistories(sources, stages, rules);
    expect(await Promise.all(stages.map(allBlobs))).toEqual(first);
    const real = (await openAll(NEW))[5]!;
    const record = { watermark: 77, fingerprint, note: 'new' };
    await installStage(stages[5]!, real, record);
    await installStage(stages[5]!, real, record);
    expect(await real.readState()).toMatchObject(record);
    expect(await allBlobs(real)).toEqual(first[5]);
  });
});
