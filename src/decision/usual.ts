import type { Step } from '../features/entity-plan.ts';
import { explainedFrom } from '../state/explained.ts';
import type { UserHistory } from '../state/history.ts';

/** Earlier payments that say what is usual. Bounds the cost of a flagged event. */
const SAMPLE = 64;
/** earlier payments that one earlier payment's window is counted over at most */
const SCANNED_MAX = SAMPLE * 4;

/**
 * What a feature usually was at this user's earlier payments: the median over the last payments before this one.
 * Answers for counts, sums, amounts and distinct values without a delay; null for the others, and without three earlier payments.
 * The window slides from payment to payment, so that a row is counted once and leaves once.
 *
 * @param sinceMs what was paid at or before this is out of sight
 * @param row the event's place in the log: rows before it are its past
 * @param beforeOffset rows at or after this offset are not its past
 */
export function usualOf(
  step: Step,
  history: UserHistory,
  sinceMs: number,
  row: number,
  beforeOffset: number,
): number | null {
  const { aggregate } = step;
  const windowed = aggregate === 'count' || aggregate === 'sum' || aggregate === 'distinct';
  if ((!windowed && aggregate !== 'amount') || step.delayMs > 0 || step.entity !== 0) return null;
  // What verdicts were known then is not known any more; the windows below are of amounts.
  if (step.labelled || step.kept >= 0) return null;
  const rows = history.rows;
  const oldest = Math.max(explainedFrom(history, beforeOffset), rows.upperBound(sinceMs));
  const values: number[] = [];
  const window = windowed ? new SlidingWindow(step, history, row, oldest, beforeOffset) : null;
  for (let k = row - 1; k >= oldest && values.length < SAMPLE; k--) {
    if (rows.offset(k) >= beforeOffset) continue;
    values.push(window === null ? rows.amountMinor(k) : window.valueAt(k));
  }
  if (values.length < 3) return null;
  values.sort((a, b) => a - b);
  return values[values.length >> 1]!;
}

/** A feature as it was at earlier payments, asked from the newest to the oldest, from the rows that are kept. */
class SlidingWindow {
  private readonly step: Step;
  private readonly rows: UserHistory['rows'];
  private readonly oldest: number;
  private readonly beforeOffset: number;
  /** rows low … high are counted, but for those that are not the event's past: which of them are there depends on the batch */
  private low: number;
  private high: number;
  private counted = 0;
  private count = 0;
  private sum = 0;
  private readonly values = new Map<number, number>();

  constructor(step: Step, history: UserHistory, row: number, oldest: number, beforeOffset: number) {
    this.step = step;
    this.rows = history.rows;
    this.oldest = oldest;
    this.beforeOffset = beforeOffset;
    this.low = row;
    this.high = row - 1;
  }

  valueAt(at: number): number {
    const { step, rows } = this;
    const top = step.includesCurrent ? at : at - 1;
    for (; this.high > top; this.high--) if (this.high >= this.low) this.change(this.high, -1);
    this.low = Math.min(this.low, top + 1);
    const fromMs = rows.timeMs(at) - step.windowMs;
    while (this.low > this.oldest && this.counted < SCANNED_MAX && rows.timeMs(this.low - 1) > fromMs) {
      this.change(--this.low, 1);
    }
    if (step.aggregate === 'distinct') return this.values.size;
    return step.aggregate === 'count' ? this.count : this.sum;
  }

  private change(row: number, by: 1 | -1): void {
    const { step, rows } = this;
    if (rows.offset(row) >= this.beforeOffset) return;
    this.counted += by;
    if (step.aggregate === 'distinct') {
      const entry = rows.entry(row, step.field);
      if (entry === 0) return;
      const left = (this.values.get(entry) ?? 0) + by;
      if (left === 0) this.values.delete(entry);
      else this.values.set(entry, left);
    } else if ((rows.filterMask(row) & (1 << step.filter)) !== 0) {
      this.count += by;
      this.sum += by * rows.amountMinor(row);
    }
  }
}
