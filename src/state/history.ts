import { LIMITS } from '../domain/limits.ts';
import { Dictionary } from './dictionary.ts';
import { NO_LOCATION, type EventView } from './event-view.ts';
import { EXACT_SQUARE_LIMIT, MEASURE, addAmount, type Layout } from './layout.ts';
import type { Measures } from './measures.ts';
import { addToPane, addPanes, compact, type Pane } from './panes.ts';
import { Rows } from './rows.ts';

/** a dictionary key × this, without its fraction, is the field */
const PER_FIELD = 1 / 2 ** 32;

/**
 * The history of one user: a log of events and, per window, a tail cursor with running integer totals.
 * A window of length L holds at time t exactly the events in (t - L, t]. O(1) amortised per event in event-time order;
 * late events are measured by `measureAsOf`.
 *
 * A fold depends on the folded events alone, in offset order: never on when it was loaded, stored or measured.
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
  /** distinct values last seen at or before this were dropped for want of room */
  dictionaryFloorMs = -Infinity;
  /** what happened at or before this was dropped under a catalogue with shorter windows */
  knownFromMs = -Infinity;
  /** false when rows without details were filtered by other filters than the layout's */
  filtersKnown = true;
  readonly filterLastMs: Float64Array;
  locatedMs = -Infinity;
  locatedLatE7 = 0;
  locatedLonE7 = 0;
  /** events whose squares are beyond exact doubles: while there are any, windows are summed afresh */
  private large = 0;
  private readonly totals: Float64Array;
  private readonly tails: Int32Array;
  private readonly detailRowsMax: number;
  private totalsValid = false;

  constructor(layout: Layout, rows = new Rows(layout.fields.length), dictionary = new Dictionary()) {
    this.layout = layout;
    this.rows = rows;
    this.dictionary = dictionary;
    this.detailRowsMax = detailRowsMax(layout.fields.length);
    // One buffer for the three: what costs with many users is the number of buffers.
    const filters = layout.filters.length;
    const totals = layout.measureWindow.length * MEASURE.stride;
    const buffer = new ArrayBuffer((filters + totals) * 8 + layout.windowsMs.length * 4);
    this.filterLastMs = new Float64Array(buffer, 0, filters).fill(-Infinity);
    this.totals = new Float64Array(buffer, filters * 8, totals);
    this.tails = new Int32Array(buffer, (filters + totals) * 8, layout.windowsMs.length);
  }

  /** Approximate resident size, for the cache's bound. */
  get bytes(): number {
    return this.rows.bytes + this.dictionary.bytes + this.totals.byteLength + 900 + this.panes.length * 600;
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
    const { layout, totals } = this;
    const timeMs = event.timeMs;
    if (this.isForgottenAt(timeMs)) {
      out.reset();
      for (let field = 0; field < event.hashes.length; field++) {
        if (event.hashes[field]! < 0) out.valueLastMs[field] = NaN;
      }
      return;
    }
    if (!this.totalsValid) this.rebuildTotals();
    this.advance(timeMs);
    const values = out.values;
    for (let m = 0, at = 0; at < totals.length; m++, at += MEASURE.stride) {
      if (Number.isNaN(totals[at + MEASURE.min]!)) this.rescanExtremes(m, at);
    }
    values.set(totals);
    out.inexactWindows = this.incompleteWindows(timeMs);
    out.inexactDistinct = out.inexactWindows;
    if (this.panes.length > 0) {
      for (let m = 0, at = 0; at < values.length; m++, at += MEASURE.stride) {
        const w = layout.measureWindow[m]!;
        const fromMs = timeMs - layout.windowsMs[w]!;
        if (this.panes[this.panes.length - 1]!.lastMs <= fromMs) continue;
        if (addPanes(this.panes, layout.measureFilter[m]!, fromMs, timeMs, values, at)) out.inexactWindows |= 1 << w;
      }
    }
    this.measureValues(event, out);
    const lookbackFromMs = timeMs - layout.lookbackMs;
    out.previousMs = this.newestMs > lookbackFromMs ? this.newestMs : -Infinity;
    out.firstSeenMs = this.firstSeenMs;
    out.locatedMs = this.locatedMs > lookbackFromMs ? this.locatedMs : -Infinity;
    out.locatedLatE7 = this.locatedLatE7;
    out.locatedLonE7 = this.locatedLonE7;
    for (let f = 0; f < out.filterLastMs.length; f++) {
      const lastMs = this.filterLastMs[f]!;
      out.filterLastMs[f] = lastMs > lookbackFromMs ? lastMs : -Infinity;
    }
  }

  /** Bit w: window w reaches back to what was dropped under a catalogue with shorter windows. */
  incompleteWindows(timeMs: number): number {
    if (this.knownFromMs === -Infinity) return 0;
    return this.layout.windowsMs.reduce((bits, ms, w) => (timeMs - ms < this.knownFromMs ? bits | (1 << w) : bits), 0);
  }

  /** Distinct counts and last-seen times: in order, a value is in the window exactly when it was last seen in it. */
  private measureValues(event: EventView, out: Measures): void {
    const { layout, dictionary } = this;
    const windows = layout.windowsMs;
    const windowCount = windows.length;
    const distinct = out.distinct;
    distinct.fill(0);
    const timeMs = event.timeMs;
    const counted = layout.distinctFields;
    const longestMs = windows[windowCount - 1]!;
    // The hottest loop of the engine: one turn per value that the user has had.
    const { lastMs: seenMs, keys, size } = dictionary;
    for (let entry = 1; entry <= size; entry++) {
      const ageMs = timeMs - seenMs[entry]!;
      if (ageMs >= longestMs) continue;
      const field = (keys[entry]! * PER_FIELD) | 0;
      if (counted[field] === 0) continue;
      // Most values are old: from the longest window down, few steps are needed.
      let w = windowCount - 1;
      while (w > 0 && ageMs < windows[w - 1]!) w--;
      distinct[field * windowCount + w]!++;
    }
    for (let field = 0, at = 0; field < counted.length; field++, at += windowCount) {
      for (let w = 1; w < windowCount; w++) distinct[at + w]! += distinct[at + w - 1]!;
    }
    if (this.dictionaryFloorMs > -Infinity) {
      for (let w = 0; w < windowCount; w++) {
        if (this.dictionaryFloorMs > timeMs - windows[w]!) out.inexactDistinct |= 1 << w;
      }
    }
    for (let field = 0; field < counted.length; field++) {
      const hash = event.hashes[field]!;
      if (hash < 0) {
        out.valueLastMs[field] = NaN;
        continue;
      }
      const entry = dictionary.find(field, hash);
      const lastMs = entry === 0 ? -Infinity : dictionary.lastMs[entry]!;
      out.valueLastMs[field] = lastMs > timeMs - layout.lookbackMs ? lastMs : -Infinity;
    }
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
      if (this.totalsValid) this.advance(timeMs);
      this.newestMs = timeMs;
    }
    if (timeMs < this.firstSeenMs) this.firstSeenMs = timeMs;
    this.insertRow(event, inOrder);
    if (event.latE7 !== NO_LOCATION && timeMs >= this.locatedMs) {
      this.locatedMs = timeMs;
      this.locatedLatE7 = event.latE7;
      this.locatedLonE7 = event.lonE7;
    }
    for (let f = 0; f < this.filterLastMs.length; f++) {
      if ((event.filterMask & (1 << f)) !== 0 && timeMs > this.filterLastMs[f]!) this.filterLastMs[f] = timeMs;
    }
    this.expire();
    if (!this.filtersKnown && this.detailStart === rows.start && this.panes.length === 0) this.filtersKnown = true;
    if (rows.length > LIMITS.rowsMax) this.compact();
    return true;
  }

  /** Rows that moved into panes leave the running totals: `measure` adds the panes on its own. */
  private compact(): void {
    const { rows, layout, tails } = this;
    const before = rows.start;
    if (!compact(rows, this.panes, layout)) return;
    for (let row = before; row < rows.start; row++) {
      if (rows.amountMinor(row) >= EXACT_SQUARE_LIMIT) this.dropLarge();
    }
    if (!this.totalsValid) return;
    for (let w = 0; w < tails.length; w++) {
      while (tails[w]! < rows.start) this.leave(w, tails[w]!++);
    }
  }

  private insertRow(event: EventView, inOrder: boolean): void {
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
      return;
    }
    const wanted = rows.upperBound(timeMs);
    const startBefore = rows.start;
    const row = rows.insert(wanted);
    const moved = startBefore - rows.start;
    rows.set(row, event);
    // What the memory held before must not be taken for entries if a touch rebuilds the dictionary.
    for (let field = 0; field < rows.fieldCount; field++) rows.setEntry(row, field, 0);
    for (let field = 0; field < rows.fieldCount; field++) {
      rows.setEntry(row, field, this.touch(field, event.hashes[field]!, timeMs));
    }
    const old = Math.min(row, this.detailStart - 1);
    if (old >= rows.start) this.noteOld(old);
    if (event.amountMinor >= EXACT_SQUARE_LIMIT) {
      this.large++;
      this.totalsValid = false;
    }
    if (!this.totalsValid) return;
    const { layout, tails, totals } = this;
    for (let w = 0; w < tails.length; w++) {
      if (moved !== 0) tails[w]! -= moved;
      if (timeMs <= this.newestMs - layout.windowsMs[w]!) {
        tails[w]!++;
        continue;
      }
      for (let m = layout.measureStart[w]!; m < layout.measureStart[w + 1]!; m++) {
        if ((event.filterMask & (1 << layout.measureFilter[m]!)) === 0) continue;
        const at = m * MEASURE.stride;
        addAmount(totals, at, event.amountMinor, 1);
        if (event.amountMinor < totals[at + MEASURE.min]!) totals[at + MEASURE.min] = event.amountMinor;
        if (event.amountMinor > totals[at + MEASURE.max]!) totals[at + MEASURE.max] = event.amountMinor;
      }
    }
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
    if (this.dictionary.size >= LIMITS.dictionaryEntriesMax) this.shrinkDictionary();
    return this.dictionary.add(field, hash, timeMs);
  }

  /**
   * Rebuilds the dictionary without the values that nothing can ask for; when that is not enough, also without the
   * oldest quarter of those that only rows without details refer to.
   */
  private shrinkDictionary(): void {
    const old = this.dictionary;
    const rows = this.rows;
    const used = new Uint8Array(old.size + 1);
    for (let field = 0; field < rows.fieldCount; field++) {
      for (let row = this.detailStart; row < rows.end; row++) used[rows.entry(row, field)] = 1;
    }
    const horizonMs = this.newestMs - this.layout.horizonMs;
    const candidates: number[] = [];
    for (let entry = 1; entry <= old.size; entry++) {
      if (used[entry] === 0 && old.lastMs[entry]! > horizonMs) candidates.push(entry);
    }
    let floorMs = horizonMs;
    const roomMax = LIMITS.dictionaryEntriesMax * 0.75;
    used[0] = 0;
    const liveCount = candidates.length + used.reduce((sum, flag) => sum + flag, 0);
    if (liveCount >= LIMITS.dictionaryEntriesMax) {
      const excess = liveCount - roomMax;
      const times = candidates.map((entry) => old.lastMs[entry]!).sort((a, b) => a - b);
      floorMs = times[Math.min(times.length, Math.ceil(excess)) - 1] ?? horizonMs;
      this.dictionaryFloorMs = Math.max(this.dictionaryFloorMs, floorMs);
    }
    const next = new Dictionary(LIMITS.dictionaryEntriesMax);
    const renumbered = new Uint16Array(old.size + 1);
    for (let entry = 1; entry <= old.size; entry++) {
      if (used[entry] === 0 && old.lastMs[entry]! <= floorMs) continue;
      const kept = next.add(old.fieldOf(entry), old.hashOf(entry), old.lastMs[entry]!);
      renumbered[entry] = kept;
      if (old.oldMsOf(entry) > -Infinity) next.noteOld(kept, old.oldMsOf(entry));
    }
    for (let field = 0; field < rows.fieldCount; field++) {
      for (let row = rows.start; row < rows.end; row++) {
        rows.setEntry(row, field, renumbered[rows.entry(row, field)] ?? 0);
      }
    }
    this.dictionary = next;
  }

  private advance(timeMs: number): void {
    const { rows, tails } = this;
    const windows = this.layout.windowsMs;
    const f = rows.f;
    for (let w = 0; w < tails.length; w++) {
      const fromMs = timeMs - windows[w]!;
      let tail = tails[w]!;
      if (tail >= rows.end || f[3 * tail]! > fromMs) continue;
      do this.leave(w, tail++);
      while (tail < rows.end && f[3 * tail]! <= fromMs);
      tails[w] = tail;
    }
  }

  /** Takes a row out of the totals of window w. An extreme that goes with it is looked for when it is asked for. */
  private leave(w: number, row: number): void {
    const { layout, rows, totals } = this;
    const mask = rows.filterMask(row);
    const amountMinor = rows.amountMinor(row);
    for (let m = layout.measureStart[w]!, last = layout.measureStart[w + 1]!; m < last; m++) {
      if ((mask & (1 << layout.measureFilter[m]!)) === 0) continue;
      const at = m * MEASURE.stride;
      addAmount(totals, at, amountMinor, -1);
      if (amountMinor === totals[at + MEASURE.min]! || amountMinor === totals[at + MEASURE.max]!) {
        totals[at + MEASURE.min] = NaN;
      }
    }
  }

  private rescanExtremes(measure: number, at: number): void {
    const { rows, layout, totals } = this;
    const bit = 1 << layout.measureFilter[measure]!;
    let min = Infinity;
    let max = -Infinity;
    for (let row = this.tails[layout.measureWindow[measure]!]!; row < rows.end; row++) {
      if ((rows.filterMask(row) & bit) === 0) continue;
      const amountMinor = rows.amountMinor(row);
      if (amountMinor < min) min = amountMinor;
      if (amountMinor > max) max = amountMinor;
    }
    totals[at + MEASURE.min] = min;
    totals[at + MEASURE.max] = max;
  }

  private rebuildTotals(): void {
    const { layout, rows, totals } = this;
    this.totalsValid = true;
    totals.fill(0);
    for (let w = 0; w < this.tails.length; w++) {
      const tail = rows.upperBound(this.newestMs - layout.windowsMs[w]!);
      this.tails[w] = tail;
      const first = layout.measureStart[w]!;
      const last = layout.measureStart[w + 1]!;
      for (let m = first; m < last; m++) {
        totals[m * MEASURE.stride + MEASURE.min] = Infinity;
        totals[m * MEASURE.stride + MEASURE.max] = -Infinity;
      }
      for (let row = tail; row < rows.end; row++) {
        const mask = rows.filterMask(row);
        const amountMinor = rows.amountMinor(row);
        for (let m = first; m < last; m++) {
          if ((mask & (1 << layout.measureFilter[m]!)) === 0) continue;
          const at = m * MEASURE.stride;
          addAmount(totals, at, amountMinor, 1);
          if (amountMinor < totals[at + MEASURE.min]!) totals[at + MEASURE.min] = amountMinor;
          if (amountMinor > totals[at + MEASURE.max]!) totals[at + MEASURE.max] = amountMinor;
        }
      }
    }
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
  }

  private dropLarge(): void {
    this.large--;
    this.totalsValid = false;
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
    this.firstSeenMs = Infinity;
    this.newestMs = -Infinity;
    this.locatedMs = -Infinity;
    this.large = 0;
    this.totalsValid = false;
  }

  /** After `rows` were filled from a blob: what is derived from them. */
  restored(): void {
    this.large = 0;
    for (let row = this.rows.start; row < this.rows.end; row++) {
      if (this.rows.amountMinor(row) >= EXACT_SQUARE_LIMIT) this.large++;
    }
    this.totalsValid = false;
  }
}

/** Rows with details refer to at most three quarters of the dictionary: there is always something to forget. */
function detailRowsMax(fieldCount: number): number {
  return Math.min(LIMITS.detailRowsMax, Math.floor((LIMITS.dictionaryEntriesMax * 0.75) / Math.max(1, fieldCount)));
}
