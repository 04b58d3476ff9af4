import { NO_LOCATION, type EventView } from './event-view.ts';
import type { UserHistory } from './history.ts';
import { MEASURE, addAmount, windowsBefore } from './layout.ts';
import type { Measures } from './measures.ts';
import { addPanes } from './panes.ts';
import { runScans } from './scans.ts';
import { LIMITS } from '../domain/limits.ts';

/** Which part of the log an event may see. */
export interface AsOf {
  /** rows at or after this index are not seen */
  readonly row: number;
  /** rows with this offset or a later one are not seen: for a repeat, what came after the first */
  readonly beforeOffset: number;
}

const stamps = new Uint32Array(LIMITS.dictionaryEntriesMax + 1);
let stamp = 0;

/**
 * The history as of an event's own time, by a scan of the log: for late events, events too far ahead, repeats, and
 * histories with amounts whose squares need more than a double. Changes nothing in the history.
 */
export function measureAsOf(history: UserHistory, event: EventView, seen: AsOf, out: Measures): void {
  out.reset();
  const { layout, rows } = history;
  const timeMs = event.timeMs;
  for (let field = 0; field < event.hashes.length; field++) {
    if (event.hashes[field]! < 0) out.valueLastMs[field] = NaN;
  }
  if (history.isForgottenAt(timeMs)) return;
  scanAmounts(history, event, seen, out);
  scanValues(history, event, seen, out);
  if (layout.scans.length > 0) runScans(history, event, seen.row, seen.beforeOffset, out);
  findLocation(history, event, seen, out);
  out.firstSeenMs = firstSeen(history, timeMs, seen);
  if (!history.filtersKnown) out.inexactWindows = (1 << layout.windowsMs.length) - 1;
  const unsure = windowsBefore(layout, timeMs, history.knownFromMs) | unsureOfRepeat(history, timeMs, seen);
  out.inexactWindows |= unsure;
  out.inexactDistinct |= unsure;
  if (out.previousMs === -Infinity && rows.start >= seen.row) {
    const pane = history.panes.findLast((candidate) => candidate.firstMs <= timeMs);
    if (pane) out.previousMs = Math.min(pane.lastMs, timeMs);
  }
}

/** For a repeat: the first payment that had been folded before the payment was first decided. */
function firstSeen(history: UserHistory, timeMs: number, seen: AsOf): number {
  const { rows, firstSeenMs } = history;
  if (firstSeenMs > timeMs) return Infinity;
  const whole = history.detailStart === rows.start && history.panes.length === 0;
  if (seen.beforeOffset === Infinity || !whole || rows.timeMs(rows.start) !== firstSeenMs) return firstSeenMs;
  for (let row = rows.start; row < seen.row; row++) if (rows.offset(row) < seen.beforeOffset) return rows.timeMs(row);
  return Infinity;
}

/** Bit w: a repeat's window w holds rows whose offsets are gone, or has lost some: what came after the first may count. */
function unsureOfRepeat(history: UserHistory, timeMs: number, seen: AsOf): number {
  if (seen.beforeOffset === Infinity) return 0;
  const { rows, layout, detailStart } = history;
  const whole = detailStart === rows.start && history.panes.length === 0;
  const sureFromMs = whole ? -Infinity : rows.timeMs(detailStart);
  const droppedMs =
    history.firstSeenMs <= history.newestMs - layout.horizonMs ? history.newestMs - layout.horizonMs : -Infinity;
  const fromMs = Math.max(sureFromMs, droppedMs);
  return windowsBefore(layout, timeMs, fromMs);
}

function scanAmounts(history: UserHistory, event: EventView, seen: AsOf, out: Measures): void {
  const { layout, rows, panes } = history;
  const windows = layout.windowsMs;
  const stride = MEASURE.stride;
  const running = new Float64Array(layout.filters.length * stride);
  for (let at = 0; at < running.length; at += stride) {
    running[at + MEASURE.min] = Infinity;
    running[at + MEASURE.max] = -Infinity;
  }
  const lookbackFromMs = event.timeMs - layout.lookbackMs;
  const detailStart = history.detailStart;
  let w = 0;
  const close = (): void => {
    for (let m = layout.measureStart[w]!; m < layout.measureStart[w + 1]!; m++) {
      const from = layout.measureFilter[m]! * stride;
      out.values.set(running.subarray(from, from + stride), m * stride);
    }
    w++;
  };
  for (let row = seen.row - 1; row >= rows.start; row--) {
    // A stored row without details has no offset: one in memory must not know more.
    if (row >= detailStart && rows.offset(row) >= seen.beforeOffset) continue;
    const rowMs = rows.timeMs(row);
    if (rowMs <= lookbackFromMs) break;
    while (w < layout.plainWindows && rowMs <= event.timeMs - windows[w]!) close();
    const mask = rows.filterMask(row);
    const amountMinor = rows.amountMinor(row);
    if (out.previousMs === -Infinity) out.previousMs = rowMs;
    for (let f = 0, at = 0; at < running.length; f++, at += stride) {
      if ((mask & (1 << f)) === 0) continue;
      if (out.filterLastMs[f] === -Infinity) out.filterLastMs[f] = rowMs;
      addAmount(running, at, amountMinor, 1);
      if (amountMinor < running[at + MEASURE.min]!) running[at + MEASURE.min] = amountMinor;
      if (amountMinor > running[at + MEASURE.max]!) running[at + MEASURE.max] = amountMinor;
    }
  }
  while (w < layout.plainWindows) close();
  for (; w < windows.length; w++) scanDelayed(history, event, seen, w, out.values);
  if (panes.length === 0) return;
  for (let m = 0, at = 0; at < out.values.length; m++, at += stride) {
    const window = layout.measureWindow[m]!;
    const untilMs = event.timeMs - layout.delaysMs[window]!;
    const filter = layout.measureFilter[m]!;
    const fromMs = untilMs - windows[window]!;
    const cut = addPanes(panes, filter, fromMs, untilMs, out.values, at);
    // panes know no verdicts
    const unlabelled = (layout.labelFilters & (1 << filter)) !== 0 && panes[panes.length - 1]!.lastMs > fromMs;
    if (cut || unlabelled) out.inexactWindows |= 1 << window;
  }
  for (let f = 1; f < layout.filters.length; f++) {
    if (out.filterLastMs[f]! > -Infinity) continue;
    const pane = panes.findLast((one) => one.firstMs <= event.timeMs && one.totals[f * stride]! > 0);
    if (!pane || pane.lastMs <= lookbackFromMs) continue;
    out.filterLastMs[f] = Math.min(pane.lastMs, event.timeMs);
    out.inexactWindows |= 1 << (windows.length - 1);
  }
}

/** The measures of window w, which has a delay. */
function scanDelayed(history: UserHistory, event: EventView, seen: AsOf, w: number, values: Float64Array): void {
  const { layout, rows, detailStart } = history;
  const untilMs = event.timeMs - layout.delaysMs[w]!;
  const fromMs = untilMs - layout.windowsMs[w]!;
  for (let row = Math.min(seen.row, rows.upperBound(untilMs)) - 1; row >= rows.start; row--) {
    if (row >= detailStart && rows.offset(row) >= seen.beforeOffset) continue;
    if (rows.timeMs(row) <= fromMs) return;
    const mask = rows.filterMask(row);
    const amountMinor = rows.amountMinor(row);
    for (let m = layout.measureStart[w]!; m < layout.measureStart[w + 1]!; m++) {
      if ((mask & (1 << layout.measureFilter[m]!)) === 0) continue;
      const at = m * MEASURE.stride;
      addAmount(values, at, amountMinor, 1);
      if (amountMinor < values[at + MEASURE.min]!) values[at + MEASURE.min] = amountMinor;
      if (amountMinor > values[at + MEASURE.max]!) values[at + MEASURE.max] = amountMinor;
    }
  }
}

/**
 * Values seen in each window: from the rows with details, newest first; beyond them from the time of the last row with
 * the value. An event older than all details is answered as of the oldest detail: the nearest time that is known.
 */
function scanValues(history: UserHistory, event: EventView, seen: AsOf, out: Measures): void {
  const { layout, rows, dictionary } = history;
  const windows = layout.windowsMs;
  const windowCount = layout.plainWindows;
  const detailStart = history.detailStart;
  const entries = event.hashes.map((hash, field) => (hash < 0 ? 0 : dictionary.find(field, hash)));
  const oldestDetailMs = detailStart < rows.end ? rows.timeMs(detailStart) : Infinity;
  const complete = detailStart === rows.start && history.panes.length === 0;
  const note = (field: number, entry: number, seenMs: number): void => {
    if (entry === entries[field] && out.valueLastMs[field] === -Infinity) out.valueLastMs[field] = seenMs;
    if (stamps[entry] === stamp) return;
    stamps[entry] = stamp;
    if (layout.distinctFields[field] === 0) return;
    const ageMs = event.timeMs - seenMs;
    for (let w = windowCount - 1; w >= 0 && ageMs < windows[w]!; w--) out.distinct[field * windowCount + w]!++;
  };
  if (++stamp > 0xfffffff0) {
    stamps.fill(0);
    stamp = 1;
  }
  const lookbackFromMs = event.timeMs - layout.lookbackMs;
  for (let row = seen.row - 1; row >= detailStart && rows.timeMs(row) > lookbackFromMs; row--) {
    if (rows.offset(row) >= seen.beforeOffset) continue;
    for (let field = 0; field < rows.fieldCount; field++) {
      const entry = rows.entry(row, field);
      if (entry !== 0) note(field, entry, rows.timeMs(row));
    }
  }
  if (complete) return;
  const shiftMs = Math.max(0, oldestDetailMs - event.timeMs);
  for (let entry = 1; entry <= dictionary.size; entry++) {
    const seenMs = dictionary.oldMsOf(entry) - shiftMs;
    if (seenMs > lookbackFromMs) note(dictionary.fieldOf(entry), entry, seenMs);
  }
  for (let w = 0; w < windowCount; w++) {
    if (shiftMs > 0 || event.timeMs - windows[w]! < history.dictionaryFloorMs) out.inexactDistinct |= 1 << w;
  }
}

/** Locations are kept for the allowed lateness, and the last one before that: what an accepted event can ask for. */
function findLocation(history: UserHistory, event: EventView, seen: AsOf, out: Measures): void {
  const rows = history.rows;
  const keptFromMs = history.newestMs - history.layout.latenessMs;
  let oldLocated = false;
  for (let row = rows.end - 1; row >= history.detailStart; row--) {
    if (rows.latE7(row) === NO_LOCATION) continue;
    const rowMs = rows.timeMs(row);
    if (rowMs <= keptFromMs) {
      if (oldLocated) return;
      oldLocated = true;
    }
    if (row >= seen.row || rows.offset(row) >= seen.beforeOffset) continue;
    if (rowMs <= event.timeMs - history.layout.lookbackMs) return;
    out.locatedMs = rowMs;
    out.locatedLatE7 = rows.latE7(row);
    out.locatedLonE7 = rows.lonE7(row);
    return;
  }
}
