import { LIMITS } from '../domain/limits.ts';
import type { EventView } from './event-view.ts';
import type { UserHistory } from './history.ts';
import type { Measures } from './measures.ts';

/** What running totals cannot say: found by looking at the rows, the newest first. */
export const SCAN = {
  trimmedMean: 0,
  nthLast: 1,
  timeSinceNthLast: 2,
  timeSinceOldest: 3,
  streak: 4,
  streakAge: 5,
  countSince: 6,
  /** sum and number */
  sum: 7,
  min: 8,
  max: 9,
} as const;
export type ScanKind = (typeof SCAN)[keyof typeof SCAN];

export interface Scan {
  readonly kind: ScanKind;
  /** index of the window that is marked when the answer is estimated */
  readonly window: number;
  readonly windowMs: number;
  readonly delayMs: number;
  readonly filter: number;
  /** streak: what is looked at; countSince: what ends the count; else the same as `filter` */
  readonly among: number;
  /** index of the kept value; -1 = the amount */
  readonly kept: number;
  /** of the n-th last; fewer matches than this have no trimmed mean */
  readonly n: number;
  /** share of the matches that is left out at each end */
  readonly trim: number;
}

/** Kept values are integers of this part: sums do not depend on the order of the rows. */
export const KEPT_UNITS = 1_000_000;
const KEPT_MAX = 2 ** 50;

/** A feature's value as rows keep it; NaN stays NaN, and there is one zero. */
export function keptValue(value: number): number {
  return Math.max(-KEPT_MAX, Math.min(KEPT_MAX, Math.round(value * KEPT_UNITS))) + 0;
}

const sorted = new Float64Array(LIMITS.scannedRowsMax);

/**
 * Answers of a layout's scans to `out.scanned`, two places each. At most `scannedRowsMax` rows are looked at: what is estimated
 * because more would be needed, or because the rows are in panes, is marked.
 * @param end rows from this index on are not seen
 * @param beforeOffset rows with this offset or a later one are not seen
 */
export function runScans(
  history: UserHistory,
  event: EventView,
  end: number,
  beforeOffset: number,
  out: Measures,
): void {
  const { scans } = history.layout;
  for (let s = 0; s < scans.length; s++) {
    const scan = scans[s]!;
    const untilMs = event.timeMs - scan.delayMs;
    const walk = new Walk(history, scan, Math.min(end, history.rows.upperBound(untilMs)), untilMs, beforeOffset);
    const [value, count] = answer(walk, scan, event.timeMs);
    out.scanned[2 * s] = value;
    out.scanned[2 * s + 1] = count;
    if (walk.isCut) out.inexactWindows |= 1 << scan.window;
  }
}

/** The rows of a scan's window, from the newest to the oldest. */
class Walk {
  row: number;
  isCut = false;
  private left = LIMITS.scannedRowsMax;
  private readonly history: UserHistory;
  private readonly fromMs: number;
  private readonly beforeOffset: number;
  private readonly kept: number;

  constructor(history: UserHistory, scan: Scan, end: number, untilMs: number, beforeOffset: number) {
    this.history = history;
    this.fromMs = untilMs - scan.windowMs;
    this.beforeOffset = beforeOffset;
    this.kept = scan.kept;
    this.row = end;
  }

  /** Moves on; false at the end of the window. */
  next(): boolean {
    const { rows, detailStart, panes } = this.history;
    for (;;) {
      this.row--;
      if (this.row < rows.start) {
        if (panes.length > 0 && panes[panes.length - 1]!.lastMs > this.fromMs) this.isCut = true;
        return false;
      }
      if (rows.timeMs(this.row) <= this.fromMs) return false;
      if (this.left-- === 0) {
        this.isCut = true;
        return false;
      }
      if (this.row < detailStart || rows.offset(this.row) < this.beforeOffset) return true;
    }
  }

  matches(filter: number): boolean {
    return (this.history.rows.filterMask(this.row) & (1 << filter)) !== 0;
  }

  get timeMs(): number {
    return this.history.rows.timeMs(this.row);
  }

  /** In KEPT_UNITS for a kept value; NaN = none. */
  get value(): number {
    const { rows } = this.history;
    return this.kept < 0 ? rows.amountMinor(this.row) : rows.kept(this.row, this.kept);
  }
}

function answer(walk: Walk, scan: Scan, timeMs: number): readonly [value: number, count: number] {
  switch (scan.kind) {
    case SCAN.trimmedMean:
      return [trimmedMean(walk, scan), 0];
    case SCAN.nthLast:
    case SCAN.timeSinceNthLast: {
      for (let n = 0; walk.next();) {
        if (!walk.matches(scan.filter) || Number.isNaN(walk.value) || ++n < scan.n) continue;
        return [scan.kind === SCAN.nthLast ? inUnits(walk.value, scan) : (timeMs - walk.timeMs) / 1_000, 0];
      }
      return [NaN, 0];
    }
    case SCAN.timeSinceOldest: {
      let oldestMs = NaN;
      while (walk.next()) if (walk.matches(scan.filter)) oldestMs = walk.timeMs;
      return [(timeMs - oldestMs) / 1_000, 0];
    }
    case SCAN.streak:
    case SCAN.streakAge: {
      let length = 0;
      let oldestMs = NaN;
      while (walk.next()) {
        if (!walk.matches(scan.among)) continue;
        if (!walk.matches(scan.filter)) break;
        length++;
        oldestMs = walk.timeMs;
      }
      return [scan.kind === SCAN.streak ? length : (timeMs - oldestMs) / 1_000, 0];
    }
    case SCAN.countSince: {
      let count = 0;
      while (walk.next()) {
        if (walk.matches(scan.among)) return [count, 0];
        if (walk.matches(scan.filter)) count++;
      }
      return [NaN, 0];
    }
    case SCAN.sum:
    case SCAN.min:
    case SCAN.max:
      return total(walk, scan);
  }
}

function total(walk: Walk, { kind, filter }: Scan): readonly [value: number, count: number] {
  let count = 0;
  let value = kind === SCAN.sum ? 0 : kind === SCAN.min ? Infinity : -Infinity;
  while (walk.next()) {
    const one = walk.value;
    if (!walk.matches(filter) || Number.isNaN(one)) continue;
    count++;
    if (kind === SCAN.sum) value += one;
    else value = kind === SCAN.min ? Math.min(value, one) : Math.max(value, one);
  }
  return [value, count];
}

function trimmedMean(walk: Walk, scan: Scan): number {
  let count = 0;
  while (walk.next()) {
    if (walk.matches(scan.filter) && !Number.isNaN(walk.value)) sorted[count++] = walk.value;
  }
  if (count === 0 || count < scan.n) return NaN;
  const values = sorted.subarray(0, count).sort();
  const cut = Math.floor(scan.trim * count);
  let sum = 0;
  for (let k = cut; k < count - cut; k++) sum += values[k]!;
  return inUnits(sum, scan) / (count - 2 * cut);
}

function inUnits(value: number, { kept }: Scan): number {
  return kept < 0 ? value : value / KEPT_UNITS;
}
