import { LIMITS } from '../domain/limits.ts';
import type { LabelState } from './layout.ts';

/** A verdict on a payment that has not come yet. */
export interface PendingLabel {
  readonly timeMs: number;
  readonly transactionHash: number;
  readonly label: LabelState;
  readonly labelledAtS: number;
}

/**
 * Verdicts that came before their payments, by event time and then by transaction. Bounded: the oldest payments' are given up.
 * Which ones are left depends on the verdicts alone, never on the order in which they came.
 */
export class PendingLabels {
  readonly labels: PendingLabel[] = [];

  get size(): number {
    return this.labels.length;
  }

  /** Of two for one payment the one given last holds; of those given in the same second, this one. */
  put(label: PendingLabel): void {
    const at = this.placeOf(label.timeMs, label.transactionHash);
    const known = this.labels[at];
    if (known && known.timeMs === label.timeMs && known.transactionHash === label.transactionHash) {
      if (label.labelledAtS >= known.labelledAtS) this.labels[at] = label;
      return;
    }
    this.labels.splice(at, 0, label);
    if (this.labels.length > LIMITS.pendingLabelsMax) this.labels.shift();
  }

  /** The verdict on this payment, which is not pending any more; undefined = there is none. */
  take(timeMs: number, transactionHash: number): PendingLabel | undefined {
    const at = this.placeOf(timeMs, transactionHash);
    const known = this.labels[at];
    if (known?.timeMs !== timeMs || known.transactionHash !== transactionHash) return undefined;
    this.labels.splice(at, 1);
    return known;
  }

  /** Forgets those of payments at or before this time. */
  expire(untilMs: number): void {
    if (this.labels.length === 0 || this.labels[0]!.timeMs > untilMs) return;
    const kept = this.labels.findIndex((label) => label.timeMs > untilMs);
    this.labels.splice(0, kept < 0 ? this.labels.length : kept);
  }

  private placeOf(timeMs: number, transactionHash: number): number {
    let low = 0;
    let high = this.labels.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const one = this.labels[middle]!;
      if (one.timeMs < timeMs || (one.timeMs === timeMs && one.transactionHash < transactionHash)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
