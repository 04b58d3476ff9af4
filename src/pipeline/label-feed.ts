import type { LabelView } from '../state/label-fold.ts';

/** A verdict, and the keys of the histories that its payment is part of. */
export interface DueLabel {
  readonly label: LabelView;
  /** when it may be known, ms */
  readonly dueMs: number;
  /** per entity of the plan, the user first; null = the verdict does not say */
  readonly keys: readonly (string | null)[];
}

/** The label stream beside the payments. */
export interface LabelFeed {
  /** The verdicts given at or before this time that were not taken yet, in their order. */
  take(untilMs: number): readonly DueLabel[];
}
