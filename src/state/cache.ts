import type { UserHistory } from './history.ts';

/** One user's history in memory. */
export interface CacheEntry {
  readonly key: string;
  readonly history: UserHistory;
  bytes: number;
  /** folded into since the last flush */
  dirty: boolean;
  /** its blob is on the way to the store: reading it back now could return the one before */
  flushing: boolean;
  /** used since the last sweep */
  referenced: boolean;
  /** the engine's notes: the last pass that saw this user, and its first event time and number of events in it */
  segment: number;
  segmentFirstMs: number;
  segmentEvents: number;
}

/** of the budget, after room was made */
const TRIM_SHARE = 0.85;

/** Memory that all partitions of a process share. */
export class CacheBudget {
  readonly bytesMax: number;
  bytes = 0;
  entries = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

/**
 * The histories of one partition that are in memory. Second-chance eviction (an approximation of least recently
 * used that costs a hit nothing but a flag); dirty histories stay until they are flushed.
 */
export class HistoryCache {
  private readonly entries = new Map<string, CacheEntry>();
  private readonly budget: CacheBudget;
  private dirtyEntries: CacheEntry[] = [];
  /** of the histories that wait to be flushed */
  dirtyBytes = 0;

  constructor(budget: CacheBudget) {
    this.budget = budget;
  }

  get size(): number {
    return this.entries.size;
  }

  get dirtyCount(): number {
    return this.dirtyEntries.length;
  }

  get(key: string): CacheEntry | undefined {
    const entry = this.entries.get(key);
    if (entry) entry.referenced = true;
    return entry;
  }

  add(key: string, history: UserHistory): CacheEntry {
    const bytes = history.bytes + 2 * key.length;
    const entry: CacheEntry = {
      key,
      history,
      bytes,
      dirty: false,
      flushing: false,
      referenced: true,
      segment: 0,
      segmentFirstMs: 0,
      segmentEvents: 0,
    };
    this.entries.set(key, entry);
    this.budget.bytes += bytes;
    this.budget.entries++;
    return entry;
  }

  /** After a fold: what grew is counted, and what changed waits for the next flush. */
  markDirty(entry: CacheEntry): void {
    const bytes = entry.history.bytes + 2 * entry.key.length;
    this.budget.bytes += bytes - entry.bytes;
    if (entry.dirty) this.dirtyBytes += bytes - entry.bytes;
    entry.bytes = bytes;
    if (entry.dirty) return;
    entry.dirty = true;
    this.dirtyBytes += bytes;
    this.dirtyEntries.push(entry);
  }

  /** Takes the dirty entries; each stays in memory until `flushed`. */
  takeDirty(): CacheEntry[] {
    const taken = this.dirtyEntries;
    this.dirtyEntries = [];
    this.dirtyBytes = 0;
    for (const entry of taken) {
      entry.dirty = false;
      entry.flushing = true;
    }
    return taken;
  }

  flushed(entries: readonly CacheEntry[]): void {
    for (const entry of entries) entry.flushing = false;
  }

  /** Makes room. Call between batches: a history that a batch holds must not vanish under it. */
  trim(): void {
    const budget = this.budget;
    if (budget.bytes <= budget.bytesMax) return;
    // Some room at once: a sweep after every batch would look at everything for little.
    const target = budget.bytesMax * TRIM_SHARE;
    let steps = this.entries.size * 2;
    for (const entry of this.entries.values()) {
      if (budget.bytes <= target || steps-- <= 0) break;
      this.entries.delete(entry.key);
      if (entry.dirty || entry.flushing || entry.referenced) {
        entry.referenced = false;
        this.entries.set(entry.key, entry);
        continue;
      }
      budget.bytes -= entry.bytes;
      budget.entries--;
    }
  }

  clear(): void {
    for (const entry of this.entries.values()) this.budget.bytes -= entry.bytes;
    this.budget.entries -= this.entries.size;
    this.entries.clear();
    this.dirtyEntries = [];
    this.dirtyBytes = 0;
  }
}
