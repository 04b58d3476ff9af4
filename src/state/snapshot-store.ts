import type { PartitionId, StoredBlob } from './store.ts';

/** Where copies of a partition's state are kept, beside the store: so that what is older than the log survives a lost store. */
export interface SnapshotStore {
  /** Those that are whole by their length, newest first. Throws FS_FILE_INVALID when the place cannot be read. */
  list(partition: PartitionId): Promise<readonly SnapshotInfo[]>;
  /**
   * Writes one, which is there as a whole or not at all; older ones beyond the last two are removed. Throws FS_FILE_INVALID.
   */
  write(partition: PartitionId, snapshot: NewSnapshot): Promise<SnapshotInfo>;
  /**
   * The histories of one, some at a time. Nothing is yielded before all of it was compared with its checksum. Throws
   * FS_STATE_CORRUPT or FS_FILE_INVALID.
   */
  read(snapshot: SnapshotInfo): AsyncIterable<readonly StoredBlob[]>;
}

/** The state record that stood beside the histories when the copy began. */
export interface SnapshotRecord {
  readonly watermark: number;
  readonly fingerprint: string;
  readonly note: string;
  /** wall clock, ms */
  readonly createdMs: number;
}

export interface NewSnapshot extends SnapshotRecord {
  readonly blobs: AsyncIterable<readonly StoredBlob[]>;
}

export interface SnapshotInfo extends SnapshotRecord {
  /** what the adapter calls it, for messages */
  readonly name: string;
  readonly users: number;
  /** of all histories */
  readonly bytes: number;
  /**
   * Offset behind the newest event in it. A copy is made while the partition goes on, so histories may be ahead of the
   * watermark: they carry the offset that they have seen, and folding again from the watermark is right. It is of use only
   * when everything in it was decided: reach ≤ C.
   */
  readonly reach: number;
}
