import type { UserHistory } from './history.ts';
import { LABEL, type LabelState } from './layout.ts';
import type { PendingLabel } from './pending-labels.ts';

/** A verdict as the history sees it. */
export interface LabelView {
  /** of the payment's transaction id */
  readonly transactionHash: number;
  /** event time of the payment */
  readonly timeMs: number;
  readonly fraud: boolean;
  /** when the verdict was given, ms; kept in seconds */
  readonly labelledAtMs: number;
  /** in the label log: a fold at or below the last one was done before */
  readonly offset: number;
}

/**
 * `pending`: its payment has not come yet. `gone`: its payment is not kept any more. `older`: a later verdict is known.
 * `known`: folded before.
 */
export type LabelOutcome = 'applied' | 'older' | 'pending' | 'gone' | 'known';

const SECOND_MAX = 0xffff_fffe;

/**
 * Folds a verdict in. Verdicts are folded in the order of their log, but it does not matter when between the payments:
 * the state depends on what was folded alone. The verdict given last holds; of those given in the same second, the later one
 * of the log.
 */
export function foldLabel(history: UserHistory, label: LabelView): LabelOutcome {
  if (label.offset <= history.lastLabelOffset) return 'known';
  history.lastLabelOffset = label.offset;
  return applyLabel(history, {
    timeMs: label.timeMs,
    transactionHash: label.transactionHash,
    label: label.fraud ? LABEL.fraud : LABEL.genuine,
    labelledAtS: Math.min(SECOND_MAX, Math.max(0, Math.floor(label.labelledAtMs / 1_000))),
  });
}

/** The same without a place in the label log. */
export function applyLabel(history: UserHistory, label: PendingLabel): LabelOutcome {
  const { layout, panes } = history;
  if (layout.labelFilters === 0 || label.timeMs <= history.newestMs - layout.horizonMs) return 'gone';
  const row = rowOf(history, label);
  if (row >= 0) return relabel(history, row, label.label, label.labelledAtS) ? 'applied' : 'older';
  if (panes.length > 0 && label.timeMs <= panes[panes.length - 1]!.lastMs) return 'gone';
  history.pendingLabels.put(label);
  return 'pending';
}

/** The first row of the transaction; -1 = none. */
function rowOf({ rows }: UserHistory, { timeMs, transactionHash }: PendingLabel): number {
  for (let row = rows.upperBound(timeMs - 1); row < rows.end && rows.timeMs(row) === timeMs; row++) {
    if (rows.transactionHash(row) >>> 0 === transactionHash >>> 0) return row;
  }
  return -1;
}

function relabel(history: UserHistory, row: number, label: LabelState, labelledAtS: number): boolean {
  const { rows, filterLastMs } = history;
  if (rows.label(row) !== LABEL.unknown && labelledAtS < rows.labelledAtS(row)) return false;
  const before = rows.filterMask(row);
  rows.setLabel(row, label, labelledAtS);
  const after = rows.filterMask(row);
  if (before === after) return true;
  history.relabelled(row, before);
  const timeMs = rows.timeMs(row);
  let lost = 0;
  for (let f = 1; f < filterLastMs.length; f++) {
    const bit = 1 << f;
    if (((before ^ after) & bit) === 0) continue;
    if ((after & bit) === 0) {
      if (filterLastMs[f] === timeMs) lost |= bit;
    } else if (timeMs > filterLastMs[f]!) filterLastMs[f] = timeMs;
  }
  if (lost !== 0) findLastMatches(history, lost);
  return true;
}

/** Looks for the last row that matches each of these filters. */
export function findLastMatches(history: UserHistory, filters: number): void {
  const { rows, filterLastMs, compactedLastMs } = history;
  for (let f = 1; f < filterLastMs.length; f++) {
    const bit = 1 << f;
    if ((filters & bit) === 0) continue;
    let row = rows.end - 1;
    while (row >= rows.start && (rows.filterMask(row) & bit) === 0) row--;
    filterLastMs[f] = row >= rows.start ? rows.timeMs(row) : compactedLastMs[f]!;
  }
}
