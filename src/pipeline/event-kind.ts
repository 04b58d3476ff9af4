import type { EventView } from '../state/event-view.ts';
import type { UserHistory } from '../state/history.ts';

/** What an event is to its user's history. Depends on the log alone, so that a replay agrees. */
export const KIND = {
  /** folded in */
  normal: 0,
  /** its transaction id was folded before with other content: folded in, with a reason */
  reused: 1,
  /** the same payment again: decided from the first's history, not folded */
  repeat: 2,
  /** later than the allowed lateness: not folded */
  late: 3,
  /** too far ahead of its record timestamp: not folded */
  future: 4,
  /** folded before (after a restart) */
  known: 5,
} as const;

export type Kind = (typeof KIND)[keyof typeof KIND];

export interface Classified {
  kind: Kind;
  /** row of the first event, for a repeat */
  row: number;
}

/**
 * @param recordMs record timestamp, -1 = the source has none
 * @param out reused by the caller
 */
export function classify(
  history: UserHistory,
  event: EventView,
  recordMs: number,
  futureSkewMs: number,
  out: Classified,
): void {
  out.row = -1;
  if (event.offset <= history.lastOffset) {
    out.kind = KIND.known;
    return;
  }
  const repeat = history.findRepeat(event);
  if (repeat >= 0) {
    out.kind = KIND.repeat;
    out.row = repeat;
  } else if (recordMs >= 0 && event.timeMs > recordMs + futureSkewMs) out.kind = KIND.future;
  else if (history.isLate(event.timeMs)) out.kind = KIND.late;
  else out.kind = repeat === -2 ? KIND.reused : KIND.normal;
}

export function isFolded(kind: Kind): boolean {
  return kind === KIND.normal || kind === KIND.reused;
}
