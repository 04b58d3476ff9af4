import type { Step } from '../features/plan.ts';
import type { UserHistory } from '../state/history.ts';

/** Earlier payments that say what is usual. Bounds the cost of a flagged event. */
const SAMPLE = 64;

/**
 * What a feature usually was at this user's earlier payments: the median over the last payments before this one.
 * Answers for counts, sums, amounts and distinct values; null for the others, and without three earlier payments.
 *
 * @param row the event's place in the log: rows before it are its past
 * @param beforeOffset rows at or after this offset are not its past
 */
export function usualOf(step: Step, history: UserHistory, row: number, beforeOffset: number): number | null {
  const rows = history.rows;
  const values: number[] = [];
  const oldest = Math.max(history.detailStart, rows.start);
  for (let k = row - 1; k >= oldest && values.length < SAMPLE; k--) {
    if (rows.offset(k) >= beforeOffset) continue;
    const value = valueAt(step, history, k, oldest, beforeOffset);
    if (value === null) return null;
    values.push(value);
  }
  if (values.length < 3) return null;
  values.sort((a, b) => a - b);
  return values[values.length >> 1]!;
}

/** The feature as it was at an earlier payment `at`, from the rows that are kept. */
function valueAt(step: Step, history: UserHistory, at: number, oldest: number, beforeOffset: number): number | null {
  const rows = history.rows;
  const fromMs = rows.timeMs(at) - step.windowMs;
  const bit = 1 << step.filter;
  const values = new Set<number>();
  let count = 0;
  let sum = 0;
  if (step.aggregate === 'amount') return rows.amountMinor(at);
  if (step.aggregate !== 'count' && step.aggregate !== 'sum' && step.aggregate !== 'distinct') return null;
  const first = step.includesCurrent ? at : at - 1;
  for (let k = first, scanned = 0; k >= oldest && rows.timeMs(k) > fromMs && scanned < SAMPLE * 4; k--, scanned++) {
    if (rows.offset(k) >= beforeOffset) continue;
    if (step.aggregate === 'distinct') {
      const entry = rows.entry(k, step.field);
      if (entry !== 0) values.add(entry);
    } else if ((rows.filterMask(k) & bit) !== 0) {
      count++;
      sum += rows.amountMinor(k);
    }
  }
  if (step.aggregate === 'distinct') return values.size;
  return step.aggregate === 'count' ? count : sum;
}
