import type { EventView } from './event-view.ts';
import { MEASURE, addAmount, type Layout } from './layout.ts';
import type { Rows } from './rows.ts';

/**
 * Running totals of a log's rows: per window a tail cursor, per measure count, sum, squares and extremes as integers.
 * An event costs the rows that leave with it: O(1) amortised. Built when they are first asked for.
 */
export class WindowTotals {
  /** MEASURE columns per measure of the layout; a minimum of NaN = the extremes must be looked for */
  readonly values: Float64Array;
  private readonly layout: Layout;
  private readonly rows: Rows;
  /** per window: first row inside it */
  private readonly tails: Int32Array;
  private valid = false;

  /** @param buffer room for `bytesFor(layout)` from `byteOffset` on: a history has one buffer for all it owns */
  constructor(layout: Layout, rows: Rows, buffer: ArrayBuffer, byteOffset: number) {
    const columns = layout.measureWindow.length * MEASURE.stride;
    this.layout = layout;
    this.rows = rows;
    this.values = new Float64Array(buffer, byteOffset, columns);
    this.tails = new Int32Array(buffer, byteOffset + columns * 8, layout.windowsMs.length);
  }

  static bytesFor(layout: Layout): number {
    return layout.measureWindow.length * MEASURE.stride * 8 + layout.windowsMs.length * 4;
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

  /**
   * After a row was inserted.
   * @param moved by how many places all rows moved to the front
   */
  inserted(event: EventView, newestMs: number, moved: number): void {
    if (!this.valid) return;
    const { layout, tails, values } = this;
    for (let w = 0; w < tails.length; w++) {
      if (moved !== 0) tails[w]! -= moved;
      if (event.timeMs <= newestMs - layout.windowsMs[w]!) tails[w]!++;
      else {
        for (let m = layout.measureStart[w]!, last = layout.measureStart[w + 1]!; m < last; m++) {
          if ((event.filterMask & (1 << layout.measureFilter[m]!)) !== 0) enter(values, m, event.amountMinor);
        }
      }
    }
  }

  /** After the oldest rows were taken away, while they can still be read. */
  dropped(): void {
    if (!this.valid) return;
    const { rows, tails } = this;
    for (let w = 0; w < tails.length; w++) {
      while (tails[w]! < rows.start) this.leave(w, tails[w]!++);
    }
  }

  /** Takes a row out of the totals of window w. An extreme that goes with it is looked for when it is asked for. */
  private leave(w: number, row: number): void {
    const { layout, rows, values } = this;
    const mask = rows.filterMask(row);
    const amountMinor = rows.amountMinor(row);
    for (let m = layout.measureStart[w]!, last = layout.measureStart[w + 1]!; m < last; m++) {
      if ((mask & (1 << layout.measureFilter[m]!)) === 0) continue;
      const at = m * MEASURE.stride;
      addAmount(values, at, amountMinor, -1);
      if (amountMinor === values[at + MEASURE.min]! || amountMinor === values[at + MEASURE.max]!) {
        values[at + MEASURE.min] = NaN;
      }
    }
  }

  private rescanExtremes(measure: number, at: number): void {
    const { rows, layout, values } = this;
    const bit = 1 << layout.measureFilter[measure]!;
    let min = Infinity;
    let max = -Infinity;
    for (let row = this.tails[layout.measureWindow[measure]!]!; row < rows.end; row++) {
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
      const tail = rows.upperBound(newestMs - layout.windowsMs[w]!);
      this.tails[w] = tail;
      for (let row = tail; row < rows.end; row++) {
        const mask = rows.filterMask(row);
        const amountMinor = rows.amountMinor(row);
        for (let m = layout.measureStart[w]!, last = layout.measureStart[w + 1]!; m < last; m++) {
          if ((mask & (1 << layout.measureFilter[m]!)) !== 0) enter(values, m, amountMinor);
        }
      }
    }
  }
}

function enter(values: Float64Array, measure: number, amountMinor: number): void {
  const at = measure * MEASURE.stride;
  addAmount(values, at, amountMinor, 1);
  if (amountMinor < values[at + MEASURE.min]!) values[at + MEASURE.min] = amountMinor;
  if (amountMinor > values[at + MEASURE.max]!) values[at + MEASURE.max] = amountMinor;
}
