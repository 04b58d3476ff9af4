import { loadHistories, PARTIAL_NOTE } from './snapshot-load.ts';
import type { SnapshotInfo, SnapshotStore } from './snapshot-store.ts';
import type { PartitionId, PartitionStore, StoredBlob } from './store.ts';

/**
 * Copies a partition's state to `target` while its owner goes on deciding: the record first, then the histories, which may be newer.
 * Null when there is no state yet, or none that is whole. Throws what the ports throw.
 */
export async function writeSnapshot(
  store: PartitionStore,
  place: PartitionId,
  target: SnapshotStore,
  nowMs: number,
): Promise<SnapshotInfo | null> {
  const { watermark, fingerprint, note } = await store.readState();
  if (watermark === null || fingerprint === null || note === PARTIAL_NOTE) return null;
  return target.write(place, { watermark, fingerprint, note: note ?? '', createdMs: nowMs, blobs: store.scan() });
}

export interface RestoreOptions {
  /** of the layout that the histories must have */
  readonly fingerprint: string;
  /** C: nothing that is not decided may be in it */
  readonly committed: number;
  /** says of its note whether it is of the log that is read now */
  readonly fits: (note: string) => boolean;
  /** one that cannot be read is passed over */
  readonly onUnreadable: (snapshot: SnapshotInfo, error: unknown) => void;
}

/**
 * Loads the newest snapshot that fits into a store without state. What is left to do is to fold [its watermark, C). Null: none
 * fits, and nothing was written. A process that dies meanwhile leaves a record with PARTIAL_NOTE: no state.
 * Throws FS_STATE_CONFLICT or FS_STATE_UNAVAILABLE as `flush` does.
 */
export async function restoreSnapshot(
  store: PartitionStore,
  place: PartitionId,
  from: SnapshotStore,
  options: RestoreOptions,
): Promise<SnapshotInfo | null> {
  for (const snapshot of await from.list(place)) {
    const { watermark, reach, fingerprint, note } = snapshot;
    const decided = watermark <= options.committed && reach <= options.committed;
    if (!decided || fingerprint !== options.fingerprint || !options.fits(note)) continue;
    const blobs = from.read(snapshot)[Symbol.asyncIterator]();
    let first: IteratorResult<readonly StoredBlob[]>;
    try {
      first = await blobs.next();
    } catch (thrown) {
      options.onUnreadable(snapshot, thrown);
      continue;
    }
    try {
      await loadHistories(store, chained(first, blobs), { watermark, fingerprint, note });
      return snapshot;
    } finally {
      await blobs.return?.();
    }
  }
  return null;
}

async function* chained<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  for (let one = first; one.done !== true; one = await rest.next()) yield one.value;
}
