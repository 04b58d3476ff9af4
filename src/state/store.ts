/**
 * Where state lives between batches. One key space per input partition; one writer per partition.
 * Adapters: memory, Redis. Both pass `test/conformance/store-suite.ts`.
 */
export interface StateStore {
  /** Opens a partition's key space. Throws FS_STATE_UNAVAILABLE. */
  open(partition: PartitionId): Promise<PartitionStore>;
  /** Cheap liveness probe for health. Throws FS_STATE_UNAVAILABLE. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface PartitionId {
  readonly topic: string;
  readonly partition: number;
}

/** What is stored beside the blobs of a partition. */
export interface PartitionState {
  /** next input offset to fold: every record below it is in the blobs; null = no state was ever written */
  readonly watermark: number | null;
  /** layout fingerprint the blobs were written with; null as above */
  readonly fingerprint: string | null;
  /** what the owner noted beside it (`state-note.ts`); null as above */
  readonly note: string | null;
  /** watermark of a flush that has begun and not ended: histories may be ahead as far as this; null = there is none */
  readonly flushing: number | null;
}

/** of a partition whose state was never written */
export const NO_STATE: PartitionState = { watermark: null, fingerprint: null, note: null, flushing: null };

export interface LoadResult {
  /** the watermark read in the same atomic read as the blobs; null = none */
  readonly watermark: number | null;
  /** one per key, same order; null = no history */
  readonly blobs: readonly (Uint8Array | null)[];
}

export interface FlushRequest {
  /** compare-and-set: the stored watermark must equal this (null = none may exist) */
  readonly expectedWatermark: number | null;
  readonly watermark: number;
  readonly fingerprint: string;
  /** written with the watermark, not compared */
  readonly note: string;
  readonly keys: readonly string[];
  /** same length as keys */
  readonly blobs: readonly Uint8Array[];
}

export interface PartitionStore {
  readState(): Promise<PartitionState>;
  /** One read for all keys (chunked only beyond a stated number). Throws FS_STATE_UNAVAILABLE. */
  load(keys: readonly string[]): Promise<LoadResult>;
  /**
   * Writes blobs, then the watermark. Throws FS_STATE_CONFLICT when the stored watermark or fingerprint is not as
   * expected (nothing of that slice is written then), FS_STATE_UNAVAILABLE when the outcome is unknown.
   */
  flush(request: FlushRequest): Promise<void>;
  /**
   * Removes every key of this partition, the watermark first. The attempt stays. One that a flush or another removal has
   * overtaken removes nothing more and throws FS_STATE_CONFLICT.
   */
  drop(): Promise<void>;
  /** A few words on what is being tried, which outlive the process; null = nothing. */
  readAttempt(): Promise<string | null>;
  /** null removes it. */
  writeAttempt(text: string | null): Promise<void>;
  /** All histories, some at a time, in no order. What is written meanwhile may be in it or not. */
  scan(): AsyncIterable<readonly StoredBlob[]>;
}

export interface StoredBlob {
  readonly key: string;
  readonly blob: Uint8Array;
}
