import { LIMITS } from '../domain/limits.ts';
import { MEASURE, addAmount, type Layout } from './layout.ts';
import type { Rows } from './rows.ts';

/**
 * What is left of the oldest events of a very busy user: runs of consecutive events, each with its totals per filter.
 * A window that covers whole panes stays exact; only a pane that its tail cuts is estimated, by time. Panes grow with
 * age, so that none holds more than 1 % of the events after it (the exponential histogram of Datar, Gionis, Indyk,
 * Motwani, "Maintaining stream statistics over sliding windows", SIAM J. Comput. 2002).
 */
export interface Pane {
  firstMs: number;
  lastMs: number;
  /** per filter of the layout: MEASURE columns */
  readonly totals: Float64Array;
}

const ROWS_PER_PANE = 64;
const ROWS_PER_COMPACTION = 1_024;
const SHARE_MAX = 0.01;

export function emptyPane(layout: Layout): Pane {
  const totals = new Float64Array(layout.filters.length * MEASURE.stride);
  for (let at = 0; at < totals.length; at += MEASURE.stride) {
    totals[at + MEASURE.min] = Infinity;
    totals[at + MEASURE.max] = -Infinity;
  }
  return { firstMs: Infinity, lastMs: -Infinity, totals };
}

export function addToPane(pane: Pane, timeMs: number, amountMinor: number, mask: number): void {
  if (timeMs < pane.firstMs) pane.firstMs = timeMs;
  if (timeMs > pane.lastMs) pane.lastMs = timeMs;
  const totals = pane.totals;
  for (let f = 0, at = 0; at < totals.length; f++, at += MEASURE.stride) {
    if ((mask & (1 << f)) === 0) continue;
    addAmount(totals, at, amountMinor, 1);
    if (amountMinor < totals[at + MEASURE.min]!) totals[at + MEASURE.min] = amountMinor;
    if (amountMinor > totals[at + MEASURE.max]!) totals[at + MEASURE.max] = amountMinor;
  }
}

/** Rows that are kept one by one. */
export function rowsMax(layout: Layout): number {
  if (layout.kept > 0) return LIMITS.keptRowsMax;
  return layout.labelFilters === 0 ? LIMITS.rowsMax : LIMITS.labelledRowsMax;
}

/**
 * Moves the oldest rows into panes once there are more than fit. A function of the folded events alone: a verdict on what is in
 * a pane cannot be found any more, so that verdicts which came before are forgotten, too.
 */
export function compact(rows: Rows, panes: Pane[], layout: Layout): boolean {
  if (rows.length <= rowsMax(layout)) return false;
  for (let taken = 0; taken < ROWS_PER_COMPACTION; taken += ROWS_PER_PANE) {
    const pane = emptyPane(layout);
    for (let k = 0; k < ROWS_PER_PANE; k++) {
      const row = rows.start++;
      addToPane(pane, rows.timeMs(row), rows.amountMinor(row), rows.unlabelledMask(row));
    }
    panes.push(pane);
  }
  if (panes.length > panesMax(layout)) mergePanes(panes, rows.length, panesMax(layout));
  return true;
}

/** Bounded so that the panes of a blob stay under about 200 KB however many filters there are. */
function panesMax(layout: Layout): number {
  return Math.min(LIMITS.panesMax, Math.floor(200_000 / (12 + 50 * layout.filters.length)));
}

function mergePanes(panes: Pane[], rowCount: number, most: number): void {
  let newer = rowCount;
  const kept: Pane[] = [];
  for (let p = panes.length - 1; p >= 0; p--) {
    const pane = panes[p]!;
    const before = kept[kept.length - 1];
    if (before && before.totals[0]! + pane.totals[0]! <= SHARE_MAX * (newer - before.totals[0]!)) {
      kept[kept.length - 1] = merged(pane, before);
    } else {
      kept.push(pane);
    }
    newer += pane.totals[0]!;
  }
  kept.reverse();
  for (let p = 0; kept.length > most && p + 1 < kept.length; p++) kept.splice(p, 2, merged(kept[p]!, kept[p + 1]!));
  panes.length = 0;
  panes.push(...kept);
}

function merged(older: Pane, newer: Pane): Pane {
  const totals = older.totals.slice();
  for (let at = 0; at < totals.length; at += MEASURE.stride) {
    for (let c = 0; c < MEASURE.min; c++) totals[at + c]! += newer.totals[at + c]!;
    totals[at + MEASURE.min] = Math.min(totals[at + MEASURE.min]!, newer.totals[at + MEASURE.min]!);
    totals[at + MEASURE.max] = Math.max(totals[at + MEASURE.max]!, newer.totals[at + MEASURE.max]!);
  }
  return {
    firstMs: Math.min(older.firstMs, newer.firstMs),
    lastMs: Math.max(older.lastMs, newer.lastMs),
    totals,
  };
}

/**
 * Adds what the panes hold of (timeMs - windowMs, timeMs] to one measure.
 * @returns true when a pane was cut, so that the measure is an estimate
 */
export function addPanes(
  panes: readonly Pane[],
  filter: number,
  fromMs: number,
  toMs: number,
  out: Float64Array,
  at: number,
): boolean {
  let cut = false;
  const base = filter * MEASURE.stride;
  for (let p = panes.length - 1; p >= 0; p--) {
    const pane = panes[p]!;
    if (pane.lastMs <= fromMs) break;
    if (pane.firstMs > toMs) continue;
    let share = 1;
    if (pane.firstMs <= fromMs || pane.lastMs > toMs) {
      cut = true;
      const span = pane.lastMs - pane.firstMs;
      share = span === 0 ? 1 : (Math.min(pane.lastMs, toMs) - Math.max(pane.firstMs, fromMs)) / span;
    }
    for (let c = 0; c < MEASURE.min; c++) {
      const value = pane.totals[base + c]! * share;
      out[at + c]! += c === MEASURE.count && share < 1 ? Math.round(value) : value;
    }
    out[at + MEASURE.min] = Math.min(out[at + MEASURE.min]!, pane.totals[base + MEASURE.min]!);
    out[at + MEASURE.max] = Math.max(out[at + MEASURE.max]!, pane.totals[base + MEASURE.max]!);
  }
  return cut;
}
