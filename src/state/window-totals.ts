import type { EventView } from './event-view.ts';
import { MEASURE, addAmount, type Layout } from './layout.ts';
import type { Rows } from './rows.ts';

/**
 * Running totals of a log's rows: per window a tail cursor, per measure count, sum, squares and extremes as integers.
 * A window with a delay has a head cursor, too: rows enter it when they are old enough.
 * An event costs the rows that enter and leave with it: O(1) amortised. Built when they are first asked for.
 */
export class WindowTotals {
  /** MEASURE columns per measure of the layout; a minimum of NaN = the extremes must be looked for */
  readonly values: Float64Array;
  private readonly layout: Layout;
  private readonly rows: Rows;
  /** per window: first row inside it */
  private readonly tails: Int32Array;
  /** per window with a delay: first row that is too young for it */
  private readonly heads: Int32Array;
  private valid = false;

  /** @param buffer room for `bytesFor(layout)` from `byteOffset` on: a history has one buffer for all it owns */
  constructor(layout: Layout, rows: Rows, buffer: ArrayBuffer, byteOffset: number) {
    const columns = layout.measureWindow.length * MEASURE.stride;
    this.layout = layout;
    this.rows = rows;
    this.values = new Float64Array(buffer, byteOffset, columns);
    const windows = layout.windowsMs.length;
    this.tails = new Int32Array(buffer, byteOffset + columns * 8, windows);
    this.heads = new Int32Array(buffer, byteOffset + columns * 8 + windows * 4, windows - layout.plainWindows);
  }

  static bytesFor(layout: Layout): number {
    const cursors = layout.windowsMs.length * 2 - layout.plainWindows;
    return layout.measureWindow.length * MEASURE.stride * 8 + cursors * 4;
  }

  /** The rows changed in a way that totals cannot follow. */
  invalidate(): void {
    this.valid = false;
  }

  /** Totals as of `timeMs`, which must not be before the newest row. */
  bringTo(timeMs: number, newestMs: number): void {
    if (!this.valid) this.rebuild(newestMs);
    this.advance(timeMs);
    const values = this.values;
    for (let m = 0, at = 0; at < values.length; m++, at += MEASURE.stride) {
      if (Number.isNaN(values[at + MEASURE.min]!)) this.rescanExtremes(m, at);
    }
  }

  /** Before an event in event-time order is added. */
  advance(timeMs: number): void {
    if (!this.valid) return;
    const { rows, tails, heads } = this;
    const windows = this.layout.windowsMs;
    const plain = this.layout.plainWindows;
    const f = rows.f;
    for (let d = 0; d < heads.length; d++) this.admit(plain + d, timeMs - this.layout.delaysMs[plain + d]!);
    for (let w = 0; w < tails.length; w++) {
      const fromMs = w < plain ? timeMs - windows[w]! : timeMs - this.layout.delaysMs[w]! - windows[w]!;
      let tail = tails[w]!;
      if (tail >= rows.end || f[3 * tail]! > fromMs) continue;
      do this.leave(w, tail++);
      while (tail < rows.end && f[3 * tail]! <= fromMs);
      tails[w] = tail;
    }
  }

  /** Rows up to this time enter window w, which has a delay. */
  private admit(w: number, untilMs: number): void {
    const { rows, heads, layout } = this;
    const d = w - layout.plainWindows;
    let head = heads[d]!;
    while (head < rows.end && rows.f[3 * head]! <= untilMs) this.enter(w, head++);
    heads[d] = head;
  }

  /**
   * After a row was inserted.
   * @param mask of the row: a verdict on it may have come before it
   * @param moved by how many places all rows moved to the front
   */
  inserted(event: EventView, mask: number, newestMs: number, moved: number): void {
    if (!this.valid) return;
    const { layout, tails, heads, values } = this;
    const plain = layout.plainWindows;
    for (let w = 0; w < tails.length; w++) {
      if (moved !== 0) tails[w]! -= moved;
      let untilMs = newestMs;
      if (w >= plain) {
        untilMs -= layout.delaysMs[w]!;
        if (moved !== 0) heads[w - plain]! -= moved;
        if (event.timeMs > untilMs) continue;
        heads[w - plain]!++;
      }
      if (event.timeMs <= untilMs - layout.windowsMs[w]!) tails[w]!++;
      else {
        for (let m = layout.measureStart[w]!, last = layout.measureStart[w + 1]!; m < last; m++) {
          if ((mask & (1 << layout.measureFilter[m]!)) !== 0) enter(values, m, event.amountMinor);
        }
      }
    }
  }

  /** After the filters' answers for a row have changed. */
  relabelled(row: number, before: number): void {
    if (!this.valid) return;
    const { layout, rows, values, tails, heads } = this;
    const after = rows.filterMask(row);
    const amountMinor = rows.amountMinor(row);
    for (let w = 0; w < tails.length; w++) {
      const head = w < layout.plainWindows ? rows.end : heads[w - layout.plainWindows]!;
      if (row < tails[w]! || row >= head) continue;
      for (let m = layout.measureStart[w]!, last = layout.measureStart[w + 1]!; m < last; m++) {
        const bit = 1 << layout.measureFilter[m]!;
        if (((before ^ after) & bit) === 0) continue;
        if ((after & bit) !== 0) enter(values, m, amountMinor);
        else leave(values, m, amountMinor);
      }
    }
  }

  /** After the oldest rows were taken away, while they can still be read. */
  dropped(): void {
    if (!this.valid) return;
    const { rows, tails, heads } = this;
    const plain = this.layout.plainWindows;
    for (let w = 0; w < tails.length; w++) {
      const head = w < plain ? rows.start : Math.min(rows.start, heads[w - plain]!);
      while (tails[w]! < head) this.leave(w, tails[w]!++);
      // What is gone before it was old enough for the window is added from the panes.
      if (tails[w]! < rows.start) tails[w] = rows.start;
      if (w >= plain && heads[w - plain]! < rows.start) heads[w - plain] = rows.start;
    }
  }

  private enter(w: number, row: number): void {
    const { layout, rows, values } = this;
    const mask = rows.filterMask(row);
    const amountMinor = rows.amountMinor(row);
    for (let m = layout.measureStart[w]!, last = layout.measureStart[w + 1]!; m < last; m++) {
      if ((mask & (1 << layout.measureFilter[m]!)) !== 0) enter(values, m, amountMinor);
    }
  }

  /** Takes a row out of the totals of window w. */
  private leave(w: number, row: number): void {
    const { layout, rows, values } = this;
    const mask = rows.filterMask(row);
    const amountMinor = rows.amountMinor(row);
    for (let m = layout.measureStart[w]!, last = layout.measureStart[w + 1]!; m < last; m++) {
      if ((mask & (1 << layout.measureFilter[m]!)) !== 0) leave(values, m, amountMinor);
    }
  }

  private rescanExtremes(measure: number, at: number): void {
    const { rows, layout, values } = this;
    const bit = 1 << layout.measureFilter[measure]!;
    let min = Infinity;
    let max = -Infinity;
    const w = layout.measureWindow[measure]!;
    const head = w < layout.plainWindows ? rows.end : this.heads[w - layout.plainWindows]!;
    for (let row = this.tails[w]!; row < head; row++) {
      if ((rows.filterMask(row) & bit) === 0) continue;
      const amountMinor = rows.amountMinor(row);
      if (amountMinor < min) min = amountMinor;
      if (amountMinor > max) max = amountMinor;
    }
    values[at + MEASURE.min] = min;
    values[at + MEASURE.max] = max;
  }

  private rebuild(newestMs: number): void {
    const { layout, rows, values } = this;
    this.valid = true;
    values.fill(0);
    for (let at = 0; at < values.length; at += MEASURE.stride) {
      values[at + MEASURE.min] = Infinity;
      values[at + MEASURE.max] = -Infinity;
    }
    for (let w = 0; w < this.tails.length; w++) {
      const untilMs = newestMs - layout.delaysMs[w]!;
      const tail = rows.upperBound(untilMs - layout.windowsMs[w]!);
      const head = w < layout.plainWindows ? rows.end : rows.upperBound(untilMs);
      this.tails[w] = tail;
      if (w >= layout.plainWindows) this.heads[w - layout.plainWindows] = head;
      for (let row = tail; row < head; row++) this.enter(w, row);
    }
  }
}

function enter(values: Float64Array, measure: number, amountMinor: number): void {
  const at = measure * MEASURE.stride;
  addAmount(values, at, amountMinor, 1);
  if (amountMinor < values[at + MEASURE.min]!) values[at + MEASURE.min] = amountMinor;
  if (amountMinor > values[at + MEASURE.max]!) values[at + MEASURE.max] = amountMinor;
}

/** An extreme that goes is looked for when it is asked for. */
function leave(values: Float64Array, measure: number, amountMinor: number): void {
  const at = measure * MEASURE.stride;
  addAmount(values, at, amountMinor, -1);
  if (amountMinor === values[at + MEASURE.min]! || amountMinor === values[at + MEASURE.max]!) {
    values[at + MEASURE.min] = NaN;
  }
}
