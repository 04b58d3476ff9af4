import { FraudstreamError } from '../domain/errors.ts';
import { decodeHistory } from './blob-decode.ts';
import { encodeHistory } from './blob-encode.ts';
import { HistoryCache, type CacheBudget, type CacheEntry } from './cache.ts';
import { KeyedLayouts } from './entity-keys.ts';
import { UserHistory } from './history.ts';
import type { Layout } from './layout.ts';
import type { PartitionStore } from './store.ts';

export interface FlushReport {
  readonly users: number;
  readonly bytes: number;
}

/**
 * The histories of one input partition, between its store and the batch in hand. One writer: whoever owns the
 * partition. Counts its own cache hits and misses; the caller takes them.
 */
export class PartitionHistories {
  private readonly layout: Layout;
  private readonly store: PartitionStore;
  private readonly cache: HistoryCache;
  private readonly layouts: KeyedLayouts;
  /** what the store must hold: the last flushed watermark, and the one on its way (null = none yet) */
  private storedWatermark: number | null = null;
  private flyingWatermark: number | null = null;
  private flight: Promise<void> | null = null;
  /** next input offset to fold */
  position = 0;
  /** histories are complete from this event time (ms) on: 0 = from the beginning; NaN = the first record that is folded tells */
  knownSinceMs = 0;
  /** what is written beside the watermark of a flush that begins now */
  noteOf: () => string = () => '';
  hits = 0;
  misses = 0;

  constructor(layout: Layout, store: PartitionStore, budget: CacheBudget) {
    this.layout = layout;
    this.store = store;
    this.cache = new HistoryCache(budget);
    this.layouts = new KeyedLayouts(layout);
  }

  get watermark(): number | null {
    return this.storedWatermark;
  }

  get dirtyCount(): number {
    return this.cache.dirtyCount;
  }

  get dirtyBytes(): number {
    return this.cache.dirtyBytes;
  }

  get isFlushing(): boolean {
    return this.flight !== null;
  }

  /** Forgets what is in memory and starts from what is stored. */
  restart(watermark: number | null, knownSinceMs = 0): void {
    this.cache.clear();
    this.knownSinceMs = knownSinceMs;
    this.storedWatermark = watermark;
    this.flyingWatermark = null;
    this.position = watermark ?? 0;
  }

  clear(): void {
    this.cache.clear();
  }

  /**
   * The histories of these users, in this order: one read for all that are not in memory.
   * Throws FS_STATE_CONFLICT when the store is not where this owner left it (a failover lost writes, or somebody else
   * wrote): nothing may be decided from it, see B2 in docs/adr/0002. FS_STATE_UNAVAILABLE as the store does.
   */
  async load(keys: readonly string[]): Promise<CacheEntry[]> {
    const entries = new Array<CacheEntry | undefined>(keys.length);
    let missing: Map<string, number> | null = null;
    for (let k = 0; k < keys.length; k++) {
      const key = keys[k]!;
      const entry = this.cache.get(key);
      entries[k] = entry;
      if (entry || missing?.has(key)) continue;
      missing ??= new Map();
      missing.set(key, missing.size);
    }
    if (missing === null) {
      this.hits += keys.length;
      return entries as CacheEntry[];
    }
    this.hits += keys.length - missing.size;
    this.misses += missing.size;
    const added = await this.fetch([...missing.keys()]);
    for (let k = 0; k < keys.length; k++) entries[k] ??= added[missing.get(keys[k]!)!]!;
    return entries as CacheEntry[];
  }

  private async fetch(keys: readonly string[]): Promise<CacheEntry[]> {
    const legal = [this.storedWatermark];
    if (this.flyingWatermark !== null) legal.push(this.flyingWatermark);
    const { watermark, blobs } = await this.store.load(keys);
    // A flush may have begun while the store was read. None of them leaves a store without a watermark.
    if (!legal.includes(watermark) && (watermark === null || watermark !== this.flyingWatermark)) {
      const expected = this.flyingWatermark ?? this.storedWatermark;
      throw new FraudstreamError('FS_STATE_CONFLICT', `watermark ${watermark} found, ${expected} expected`);
    }
    return keys.map((key, k) => this.take(key, blobs[k] ?? null, watermark ?? 0));
  }

  /**
   * A blob that is ahead of its watermark was left by a flush that did not end. It holds what is folded again, so folding will not
   * change it; but a server that fails over once more may lose it and keep the watermark. So it is written again, below the next one.
   */
  private take(key: string, blob: Uint8Array | null, watermark: number): CacheEntry {
    const { layout, scratch } = this.layouts.of(key);
    if (blob === null) return this.cache.add(key, new UserHistory(layout));
    const history = decodeHistory(blob, layout, scratch);
    const entry = this.cache.add(key, history);
    if (history.lastOffset >= watermark) this.cache.markDirty(entry);
    return entry;
  }

  markDirty(entry: CacheEntry): void {
    this.cache.markDirty(entry);
  }

  /** Between batches: evicts what does not fit. */
  trim(): void {
    this.cache.trim();
  }

  /**
   * Writes what changed, and the position. The blobs are made before it returns its promise, so that the next batch
   * may fold on at once; one flush is under way at a time. Everything folded must have been committed.
   */
  flush(): Promise<FlushReport> {
    if (this.flight) throw new FraudstreamError('FS_INTERNAL', 'a flush is under way');
    const watermark = this.position;
    // Nothing was folded yet, when it is not known either since when histories are complete: a note could not say it.
    const isNew = watermark !== this.storedWatermark && !Number.isNaN(this.knownSinceMs);
    if (!isNew) return Promise.resolve({ users: 0, bytes: 0 });
    const entries = this.cache.takeDirty();
    const blobs = entries.map((entry) => encodeHistory(entry.history));
    const bytes = blobs.reduce((sum, blob) => sum + blob.length, 0);
    this.flyingWatermark = watermark;
    const flight = this.write(entries, blobs, watermark, this.noteOf());
    this.flight = flight.catch(() => undefined);
    return flight.then(() => ({ users: entries.length, bytes }));
  }

  /** Resolves when no flush is under way. */
  async settled(): Promise<void> {
    while (this.flight) await this.flight;
  }

  private async write(
    entries: readonly CacheEntry[],
    blobs: readonly Uint8Array[],
    watermark: number,
    note: string,
  ): Promise<void> {
    try {
      await this.store.flush({
        expectedWatermark: this.storedWatermark,
        watermark,
        fingerprint: this.layout.fingerprint,
        note,
        keys: entries.map((entry) => entry.key),
        blobs,
      });
      this.storedWatermark = watermark;
      this.cache.flushed(entries);
    } catch (error) {
      // The outcome may be unknown. What was to be written is dirty again, so that nothing is evicted unwritten.
      this.cache.flushed(entries);
      for (const entry of entries) this.cache.markDirty(entry);
      throw error;
    } finally {
      this.flyingWatermark = null;
      this.flight = null;
    }
  }

  /**
   * After a flush whose outcome is unknown: what does the store say? Throws FS_STATE_CONFLICT when it holds neither
   * what was there before nor what was to be written.
   */
  async resolveFlush(attempted: number): Promise<void> {
    const { watermark } = await this.store.readState();
    if (watermark === this.storedWatermark) return;
    if (watermark !== attempted) {
      throw new FraudstreamError('FS_STATE_CONFLICT', `watermark ${watermark} found after a flush of ${attempted}`);
    }
    this.storedWatermark = watermark;
  }
}
