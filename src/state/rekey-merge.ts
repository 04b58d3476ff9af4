import { EventView, NO_LOCATION } from './event-view.ts';
import type { UserHistory } from './history.ts';
import { applyLabel } from './label-fold.ts';
import { LABEL, type LabelState } from './layout.ts';

/**
 * One history from two of the same user that were kept apart: the partition of a user has changed, and payments were decided
 * under both counts of partitions. Exact as long as the smaller one still has the details of all its events; of what has not,
 * `knownFromMs` says that windows reaching back to it are incomplete.
 *
 * Returns one of the two, changed. Offsets of both must not overlap unless they are of the same log.
 */
export function mergeHistories(a: UserHistory, b: UserHistory): UserHistory {
  const into = weightOf(a) >= weightOf(b) ? a : b;
  const from = into === a ? b : a;
  const { layout } = into;
  if (from.isEmpty || into.newestMs - from.newestMs >= layout.horizonMs) return keepOffset(into, from);
  if (from.newestMs - into.newestMs >= layout.horizonMs) return keepOffset(from, into);
  const lastOffset = Math.max(a.lastOffset, b.lastOffset);
  const known = new Set<string>();
  for (let row = into.detailStart; row < into.rows.end; row++) known.add(identityOf(into, row));
  const event = new EventView(layout);
  for (let row = from.detailStart; row < from.rows.end; row++) {
    if (from.rows.timeMs(row) <= into.newestMs - layout.horizonMs) continue;
    if (!known.has(identityOf(from, row))) {
      viewOf(from, row, event);
      // it was compared when it was decided: here only its place in time counts
      into.lastOffset = -Infinity;
      into.fold(event);
    }
    takeLabel(into, from, row);
  }
  into.lastOffset = lastOffset;
  takeLabels(into, from);
  into.knownFromMs = Math.max(into.knownFromMs, from.knownFromMs, withoutDetailsMs(from));
  into.dictionaryFloorMs = Math.max(into.dictionaryFloorMs, from.dictionaryFloorMs);
  into.firstSeenMs = Math.min(into.firstSeenMs, from.firstSeenMs);
  if (!from.filtersKnown) into.filtersKnown = false;
  return into;
}

function keepOffset(kept: UserHistory, left: UserHistory): UserHistory {
  kept.lastOffset = Math.max(kept.lastOffset, left.lastOffset);
  takeLabels(kept, left);
  return kept;
}

/** A row takes its verdict with it. */
function takeLabel(into: UserHistory, { rows }: UserHistory, row: number): void {
  if (!rows.labelled) return;
  const label = rows.label(row) as LabelState;
  if (label === LABEL.unknown) return;
  applyLabel(into, {
    timeMs: rows.timeMs(row),
    transactionHash: rows.transactionHash(row) >>> 0,
    label,
    labelledAtS: rows.labelledAtS(row),
  });
}

function takeLabels(into: UserHistory, from: UserHistory): void {
  into.lastLabelOffset = Math.max(into.lastLabelOffset, from.lastLabelOffset);
  for (const label of from.pendingLabels.labels) applyLabel(into, label);
}

/** What would be lost if it were the one that is folded into the other. */
function weightOf(history: UserHistory): number {
  const compacted = history.panes.length * 1_000 + (history.detailStart - history.rows.start);
  return compacted * 1_000_000 + history.rows.length;
}

/** Event time of the newest event that is kept without its details; -Infinity = all have theirs. */
function withoutDetailsMs({ rows, panes, detailStart }: UserHistory): number {
  if (detailStart > rows.start) return rows.timeMs(detailStart - 1);
  return panes[panes.length - 1]?.lastMs ?? -Infinity;
}

function identityOf({ rows }: UserHistory, row: number): string {
  return `${rows.timeMs(row)} ${rows.offset(row)} ${rows.transactionHash(row)}`;
}

function viewOf({ rows, dictionary }: UserHistory, row: number, out: EventView): void {
  out.timeMs = rows.timeMs(row);
  out.amountMinor = rows.amountMinor(row);
  out.offset = rows.offset(row);
  out.transactionHash = rows.transactionHash(row);
  out.contentHash = rows.contentHash(row);
  out.latE7 = rows.latE7(row);
  out.lonE7 = out.latE7 === NO_LOCATION ? NO_LOCATION : rows.lonE7(row);
  out.filterMask = rows.unlabelledMask(row);
  for (let k = 0; k < rows.keptCount; k++) out.kept[k] = rows.kept(row, k);
  if (rows.labelled) {
    out.genuineMask = rows.maskIf(row, LABEL.genuine);
    out.fraudMask = rows.maskIf(row, LABEL.fraud);
  }
  for (let field = 0; field < rows.fieldCount; field++) {
    const entry = rows.entry(row, field);
    out.hashes[field] = entry === 0 ? -1 : dictionary.hashOf(entry);
  }
}
