import { decodeHistory } from './blob-decode.ts';
import { encodeHistory } from './blob-encode.ts';
import { lastOffsetOf, shiftBlob } from './blob-shift.ts';
import { KeyedLayouts } from './entity-keys.ts';
import type { EventView } from './event-view.ts';
import type { Layout } from './layout.ts';
import { mergeHistories } from './rekey-merge.ts';
import { loadHistories, PARTIAL_NOTE } from './snapshot-load.ts';
import type { PartitionStore, StoredBlob } from './store.ts';

/**
 * Histories that change their partition, or their log. They are copied to key spaces beside the real ones first (a stage for each
 * target), and only when all of them are there is the real state replaced: whatever dies, the work can be begun or gone on
 * with again, and nothing is lost.
 */

export interface Source {
  readonly partition: number;
  readonly store: PartitionStore;
}

export interface RekeyRules {
  readonly layout: Layout;
  /** index of the stage that a user's history goes to */
  readonly targetOf: (user: string) => number;
  /** whether a history leaves its log on the way */
  readonly isShifted: (sourcePartition: number, target: number) => boolean;
}

export interface RekeyCounts {
  /** histories read */
  users: number;
  /** of these, taken out of their log */
  moved: number;
  /** users who had one in more than one partition */
  merged: number;
  bytes: number;
}

/** Empties the stages and fills them from the sources. Throws FS_STATE_… of the stores, FS_STATE_CORRUPT for a broken history. */
export async function stageHistories(
  sources: readonly Source[],
  stages: readonly PartitionStore[],
  rules: RekeyRules,
  onProgress: (counts: RekeyCounts) => void = () => undefined,
): Promise<RekeyCounts> {
  const { layout } = rules;
  const { fingerprint } = layout;
  const layouts = new KeyedLayouts(layout);
  const counts: RekeyCounts = { users: 0, moved: 0, merged: 0, bytes: 0 };
  for (const stage of stages) await loadHistories(stage, nothing(), { watermark: 0, fingerprint, note: PARTIAL_NOTE });
  for (const { partition, store } of sources) {
    for await (const some of store.scan()) {
      for (const [target, blobs] of grouped(some, rules.targetOf)) {
        const stage = stages[target]!;
        const shifts = rules.isShifted(partition, target);
        const keys = blobs.map(({ key }) => key);
        const present = await stage.load(keys);
        const written = blobs.map(({ key, blob }, k) => {
          const { layout, scratch } = layouts.of(key);
          counts.users++;
          counts.bytes += blob.length;
          if (shifts && lastOffsetOf(blob) >= 0) counts.moved++;
          const mine = shifts ? shiftBlob(blob, layout, scratch) : blob;
          const other = present.blobs[k] ?? null;
          // a scan may show a key twice
          if (other === null || sameBytes(other, mine)) return mine;
          counts.merged++;
          return mergeBlobs(other, mine, layout, scratch);
        });
        await stage.flush({
          expectedWatermark: 0,
          watermark: 0,
          fingerprint,
          note: PARTIAL_NOTE,
          keys,
          blobs: written,
        });
      }
      onProgress(counts);
    }
  }
  return counts;
}

/** Replaces a partition's state by what was staged for it. May be repeated, also by another process after a crash. */
export function installStage(
  stage: PartitionStore,
  real: PartitionStore,
  record: { watermark: number; fingerprint: string; note: string },
  onProgress: (users: number) => void = () => undefined,
): Promise<{ users: number; bytes: number }> {
  return loadHistories(real, stage.scan(), record, onProgress);
}

function mergeBlobs(a: Uint8Array, b: Uint8Array, layout: Layout, scratch: EventView): Uint8Array {
  return encodeHistory(mergeHistories(decodeHistory(a, layout, scratch), decodeHistory(b, layout, scratch)));
}

function grouped(blobs: readonly StoredBlob[], targetOf: (user: string) => number): Map<number, StoredBlob[]> {
  const groups = new Map<number, StoredBlob[]>();
  const seen = new Set<string>();
  for (const one of blobs) {
    if (seen.has(one.key)) continue;
    seen.add(one.key);
    const target = targetOf(one.key);
    const group = groups.get(target);
    if (group === undefined) groups.set(target, [one]);
    else group.push(one);
  }
  return groups;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function nothing(): AsyncIterable<readonly StoredBlob[]> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) };
}
