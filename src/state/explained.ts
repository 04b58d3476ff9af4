import { detailRowsMax, type UserHistory } from './history.ts';
import type { Layout } from './layout.ts';

/** of one user, before what is said of the first of them is written */
const FOLDED_MEANWHILE_MAX = 512;

/** How many events of one user may be folded before what is said of the first of them is written. */
export function foldedMeanwhileMax({ fields }: Pick<Layout, 'fields'>): number {
  return Math.min(FOLDED_MEANWHILE_MAX, detailRowsMax(fields.length) >> 1);
}

/**
 * First row that what is said of an event may speak of: at its time, so many rows had details that they still have them when
 * it is written, whatever was folded in between. Where a batch is cut must not change a word: to a late payment of a busy user,
 * the rows before it are among the oldest with details.
 * @param beforeOffset rows at or after this offset are not the event's past
 */
export function explainedFrom({ rows, layout, detailStart }: UserHistory, beforeOffset: number): number {
  const most = detailRowsMax(layout.fields.length) - foldedMeanwhileMax(layout);
  if (rows.end - rows.start <= most) return detailStart;
  let row = rows.end;
  for (let left = most; row > detailStart && left > 0;) if (rows.offset(--row) < beforeOffset) left--;
  return row;
}
