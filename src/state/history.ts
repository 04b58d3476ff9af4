import { LIMITS } from '../domain/limits.ts';
import { Dictionary } from './dictionary.ts';
import { NO_LOCATION, type EventView } from './event-view.ts';
import { findLastMatches } from './label-fold.ts';
import { EXACT_SQUARE_LIMIT, type Layout } from './layout.ts';
import type { Measures } from './measures.ts';
import { measureInOrder } from './measure-in-order.ts';
import { addToPane, compact, rowsMax, type Pane } from './panes.ts';
import type { PendingLabels } from './pending-labels.ts';
import { Rows } from './rows.ts';
import { shrinkDictionary } from './dictionary-shrink.ts';
import { WindowTotals } from './window-totals.ts';

/**
 * The history of one user: a log of events and, per window, a tail cursor with running integer totals.
 * A window of length L holds at time t exactly the events in (t - L, t]. O(1) amortised per event in event-time order;
 * late events are measured by `measureAsOf`.
 *
 * A fold depends on the folded events alone, in offset order: never on when it was loaded, stored or measured, nor on when
 * verdicts came between them (`foldLabel`).
 */
export class UserHistory {
  readonly layout: Layout;
  readonly rows: Rows;
  dictionary: Dictionary;
  readonly panes: Pane[] = [];
  /** event time of the newest folded event, ms */
  newestMs = -Infinity;
  /** event time of the oldest folded event since the last gap longer than the horizon */
  firstSeenMs = Infinity;
  /** input offset of the last folded event: a fold at or below it was done before */
  lastOffset = -1;
  /** place in the label log of the last folded verdict */
  lastLabelOffset = -1;
  /** verdicts that came before their payments; null = there were none */
  pendingLabels: PendingLabels | null = null;
  /** distinct values last seen at or before this were dropped for want of room */
  dictionaryFloorMs = -Infinity;
  /** what happened at or before this was dropped under a catalogue with shorter windows */
  knownFromMs = -Infinity;
  /** false when rows without details were filtered by other filters than the layout's */
  filtersKnown = true;
  readonly filterLastMs: Float64Array;
  /** per filter that asks for verdicts: event time of its last match in the panes; empty when there is no such filter */
  readonly compactedLastMs: Float64Array;
  locatedMs = -Infinity;
  locatedLatE7 = 0;
  locatedLonE7 = 0;
  /** events whose squares are beyond exact doubles: while there are any, windows are summed afresh */
  private large = 0;
  private readonly totals: WindowTotals;
  private readonly detailRowsMax: number;

  constructor(layout: Layout, rows = newRows(layout), dictionary = new Dictionary()) {
    this.layout = layout;
    this.rows = rows;
    this.dictionary = dictionary;
    this.detailRowsMax = detailRowsMax(layout.fields.length);
    // One buffer for both: what costs with many users is the number of buffers.
    const filters = layout.filters.length;
    const compacted = layout.labelFilters === 0 ? 0 : filters;
    const buffer = new ArrayBuffer((filters + compacted) * 8 + WindowTotals.bytesFor(layout));
    this.filterLastMs = new Float64Array(buffer, 0, filters).fill(-Infinity);
    this.compactedLastMs =
      compacted === 0 ? NO_TIMES : new Float64Array(buffer, filters * 8, compacted).fill(-Infinity);
    this.totals = new WindowTotals(layout, rows, buffer, (filters + compacted) * 8);
  }

  /** Approximate resident size, for the cache's bound. */
  get bytes(): number {
    const parts = this.rows.bytes + this.dictionary.bytes + this.totals.values.byteLength;
    return parts + 1_000 + this.panes.length * 600 + (this.pendingLabels?.size ?? 0) * 80;
  }

  /** First row that still has its details (all fields), not only time, amount and filters. */
  get detailStart(): number {
    return Math.max(this.rows.start, this.rows.end - this.detailRowsMax);
  }

  get isEmpty(): boolean {
    return this.rows.length === 0 && this.panes.length === 0;
  }

  isLate(timeMs: number): boolean {
    return timeMs < this.newestMs - this.layout.latenessMs;
  }

  /** A user who was away for longer than anything asks for is a new user: the store may have forgotten them too. */
  isForgottenAt(timeMs: number): boolean {
    return timeMs - this.newestMs >= this.layout.horizonMs;
  }

  /** @returns row of an event with this transaction id and content, -1 = id unknown, -2 = id known with other content */
  findRepeat(event: EventView): number {
    const rows = this.rows;
    const base = 3 * rows.capacity;
    let answer = -1;
    for (let row = rows.end - 1, stop = this.detailStart; row >= stop; row--) {
      if (rows.f[base + row] !== event.transactionHash) continue;
      if (rows.contentHash(row) === event.contentHash && rows.amountMinor(row) === event.amountMinor) return row;
      answer = -2;
    }
    return answer;
  }

  /** True when `measure` may be used: in order, with running totals that are exact. */
  isInOrder(timeMs: number): boolean {
    return timeMs >= this.newestMs && this.large === 0 && this.filtersKnown;
  }

  /**
   * The history as of `event.timeMs`, for an event that is in order and will be folded next: moves the windows' tails.
   */
  measure(event: EventView, out: Measures): void {
    measureInOrder(this, this.totals, event, out);
  }

  /**
   * Folds an event in. Idempotent by offset. Too late or too far ahead events must not be given.
   * @returns false when it had been folded before
   */
  fold(event: EventView): boolean {
    if (event.offset <= this.lastOffset) return false;
    this.lastOffset = event.offset;
    const rows = this.rows;
    const timeMs = event.timeMs;
    if (!this.isEmpty && this.isForgottenAt(timeMs)) this.forget();
    const inOrder = timeMs >= this.newestMs;
    if (inOrder) {
      this.totals.advance(timeMs);
      this.newestMs = timeMs;
    }
    if (timeMs < this.firstSeenMs) this.firstSeenMs = timeMs;
    const mask = this.insertRow(event, inOrder);
    if (event.latE7 !== NO_LOCATION && timeMs >= this.locatedMs) {
      this.locatedMs = timeMs;
      this.locatedLatE7 = event.latE7;
      this.locatedLonE7 = event.lonE7;
    }
    for (let f = 0; f < this.filterLastMs.length; f++) {
      if ((mask & (1 << f)) !== 0 && timeMs > this.filterLastMs[f]!) this.filterLastMs[f] = timeMs;
    }
    this.expire();
    if (!this.filtersKnown && this.detailStart === rows.start && this.panes.length === 0) this.filtersKnown = true;
    if (rows.length > rowsMax(this.layout)) this.compact();
    return true;
  }

  /** Rows that moved into panes leave the running totals: `measure` adds the panes on its own. */
  private compact(): void {
    const { rows, layout } = this;
    const before = rows.start;
    if (!compact(rows, this.panes, layout)) return;
    for (let row = before; row < rows.start; row++) {
      if (rows.amountMinor(row) >= EXACT_SQUARE_LIMIT) this.dropLarge();
      if (layout.labelFilters !== 0) this.noteCompacted(rows.timeMs(row), rows.unlabelledMask(row));
    }
    this.totals.dropped();
    if (layout.labelFilters === 0) return;
    this.pendingLabels?.expire(this.panes[this.panes.length - 1]!.lastMs);
    findLastMatches(this, layout.labelFilters);
  }

  private noteCompacted(timeMs: number, mask: number): void {
    const last = this.compactedLastMs;
    for (let f = 0; f < last.length; f++) if ((mask & (1 << f)) !== 0 && timeMs > last[f]!) last[f] = timeMs;
  }

  /** After a verdict has changed a row's filter mask. */
  relabelled(row: number, maskBefore: number): void {
    this.totals.relabelled(row, maskBefore);
  }

  /** @returns the filters that it matches, with the verdict that is known of it */
  private insertRow(event: EventView, inOrder: boolean): number {
    const rows = this.rows;
    const timeMs = event.timeMs;
    const oldestPane = this.panes[this.panes.length - 1];
    if (!inOrder && oldestPane && timeMs <= oldestPane.lastMs) {
      let p = this.panes.length - 1;
      while (p > 0 && this.panes[p]!.firstMs > timeMs) p--;
      addToPane(this.panes[p]!, timeMs, event.amountMinor, event.filterMask);
      for (let field = 0; field < rows.fieldCount; field++) {
        const entry = this.touch(field, event.hashes[field]!, timeMs);
        if (entry !== 0) this.dictionary.noteOld(entry, timeMs);
      }
      this.noteCompacted(timeMs, event.filterMask);
      return event.filterMask;
    }
    const wanted = rows.upperBound(timeMs);
    const startBefore = rows.start;
    const row = rows.insert(wanted);
    const moved = startBefore - rows.start;
    rows.set(row, event);
    if (this.pendingLabels !== null) {
      const label = this.pendingLabels.take(timeMs, event.transactionHash >>> 0);
      if (label) rows.setLabel(row, label.label, label.labelledAtS);
    }
    // What the memory held before must not be taken for entries if a touch rebuilds the dictionary.
    for (let field = 0; field < rows.fieldCount; field++) rows.setEntry(row, field, 0);
    for (let field = 0; field < rows.fieldCount; field++) {
      rows.setEntry(row, field, this.touch(field, event.hashes[field]!, timeMs));
    }
    const old = Math.min(row, this.detailStart - 1);
    if (old >= rows.start) this.noteOld(old);
    if (event.amountMinor >= EXACT_SQUARE_LIMIT) {
      this.large++;
      this.totals.invalidate();
    }
    const mask = rows.filterMask(row);
    this.totals.inserted(event, mask, this.newestMs, moved);
    return mask;
  }

  /** A row that has no details any more: the values' times stay. */
  private noteOld(row: number): void {
    const { rows, dictionary } = this;
    const timeMs = rows.timeMs(row);
    for (let field = 0; field < rows.fieldCount; field++) {
      const entry = rows.entry(row, field);
      if (entry !== 0) dictionary.noteOld(entry, timeMs);
    }
  }

  /** @returns the value's dictionary entry, its last-seen time moved forward; 0 for null */
  private touch(field: number, hash: number, timeMs: number): number {
    if (hash < 0) return 0;
    const entry = this.dictionary.find(field, hash);
    if (entry !== 0) {
      const lastMs = this.dictionary.lastMs[entry]!;
      if (lastMs > this.newestMs - this.layout.horizonMs) {
        if (timeMs > lastMs) this.dictionary.lastMs[entry] = timeMs;
        return entry;
      }
      this.dictionary.bury(entry);
    }
    if (this.dictionary.size >= LIMITS.dictionaryEntriesMax) shrinkDictionary(this);
    return this.dictionary.add(field, hash, timeMs);
  }

  /** Drops what nothing can ask for any more. Only from the front, so that indexes of other rows stay. */
  private expire(): void {
    const rows = this.rows;
    const untilMs = this.newestMs - this.layout.horizonMs;
    while (rows.start < rows.end && rows.timeMs(rows.start) <= untilMs) {
      if (rows.amountMinor(rows.start) >= EXACT_SQUARE_LIMIT) this.dropLarge();
      rows.start++;
    }
    while (this.panes.length > 0 && this.panes[0]!.lastMs <= untilMs) this.panes.shift();
    if (this.pendingLabels !== null) this.pendingLabels.expire(untilMs);
  }

  private dropLarge(): void {
    this.large--;
    this.totals.invalidate();
  }

  private forget(): void {
    this.rows.start = 0;
    this.rows.end = 0;
    this.panes.length = 0;
    this.dictionary = new Dictionary();
    this.dictionaryFloorMs = -Infinity;
    this.knownFromMs = -Infinity;
    this.filtersKnown = true;
    this.filterLastMs.fill(-Infinity);
    this.compactedLastMs.fill(-Infinity);
    this.firstSeenMs = Infinity;
    this.newestMs = -Infinity;
    this.locatedMs = -Infinity;
    this.large = 0;
    this.totals.invalidate();
  }

  /** After `rows` were filled from a blob: what is derived from them. */
  restored(): void {
    this.large = 0;
    for (let row = this.rows.start; row < this.rows.end; row++) {
      if (this.rows.amountMinor(row) >= EXACT_SQUARE_LIMIT) this.large++;
    }
    this.totals.invalidate();
  }
}

const NO_TIMES = new Float64Array(0);

function newRows(layout: Layout): Rows {
  return new Rows(layout.fields.length, 8, layout.labelFilters !== 0, layout.kept);
}

/** Rows with details refer to at most three quarters of the dictionary: there is always something to forget. */
export function detailRowsMax(fieldCount: number): number {
  return Math.min(LIMITS.detailRowsMax, Math.floor((LIMITS.dictionaryEntriesMax * 0.75) / Math.max(1, fieldCount)));
}
