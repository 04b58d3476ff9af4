import type { Layout } from '../state/layout.ts';
import type { Aggregate } from './catalogue.ts';
import type { Step } from './entity-plan.ts';
import type { FeatureExpression } from './feature-expression.ts';
import type { Plan } from './plan.ts';

/** The steps of a plan as numbers, column by column: `computeFeatures` runs them for every payment. */
export interface Program {
  /** one per entity */
  readonly layouts: readonly Layout[];
  /** place of the step's value among those that rows keep; -1 = they do not */
  readonly keptAs: Int32Array;
  readonly kept: Int32Array;
  readonly scanAt: Int32Array;
  readonly isMean: Uint8Array;
  /** -1 minimum, 1 maximum, 0 sum or mean */
  readonly sign: Int32Array;
  readonly entity: Uint8Array;
  readonly aggregates: Uint8Array;
  readonly measureAt: Int32Array;
  readonly allAt: Int32Array;
  readonly windowMs: Float64Array;
  /** place of the field's window in `Measures.distinct` */
  readonly distinctAt: Int32Array;
  readonly field: Int32Array;
  readonly filter: Int32Array;
  readonly filterBit: Int32Array;
  /** the filter's bit when the payment itself counts, else 0 */
  readonly currentBit: Int32Array;
  /** the bit of the filter that it is a share of, when the payment itself counts, else 0 */
  readonly currentAllBit: Int32Array;
  readonly includesCurrent: Uint8Array;
  readonly operandA: Int32Array;
  readonly operandB: Int32Array;
  readonly expressions: readonly (FeatureExpression | null)[];
}

/** Numbers in the order in which the default catalogue has most of them; a switch on them is one jump. */
export const AGGREGATE = {
  count: 0,
  sum: 1,
  distinct: 2,
  is_new: 3,
  mean: 4,
  share: 5,
  std: 6,
  min: 7,
  max: 8,
  zscore: 9,
  ratio_to_mean: 10,
  ratio_to_max: 11,
  time_since_last: 12,
  time_since_value: 13,
  time_since_first: 14,
  amount: 15,
  matches: 16,
  speed_kmh: 17,
  distance_km: 18,
  hour_of_day: 19,
  day_of_week: 20,
  ratio: 21,
  difference: 22,
  rate: 23,
  trimmed_mean: 24,
  nth_last: 25,
  time_since_nth_last: 26,
  time_since_oldest: 27,
  streak: 28,
  streak_age: 29,
  count_since: 30,
  expression: 31,
} as const satisfies Record<Aggregate, number>;

/** Of kept values: `sum`, `mean`, `min`, `max` of an earlier feature. */
export const OF_KEPT = 255;

export function programOf({ steps, entities, kept }: Plan): Program {
  const column = (of: (step: Step, k: number) => number): Int32Array => Int32Array.from(steps, of);
  return {
    layouts: entities.map(({ layout }) => layout),
    keptAs: column((_, k) => kept.indexOf(k)),
    kept: column((step) => step.kept),
    scanAt: column((step) => step.scanAt),
    isMean: Uint8Array.from(steps, (step) => (step.aggregate === 'mean' ? 1 : 0)),
    sign: column((step) => (step.aggregate === 'min' ? -1 : step.aggregate === 'max' ? 1 : 0)),
    entity: Uint8Array.from(steps, (step) => step.entity),
    aggregates: Uint8Array.from(steps, (step) => (isOfKept(step) ? OF_KEPT : AGGREGATE[step.aggregate])),
    measureAt: column((step) => step.measureAt),
    allAt: column((step) => step.allAt),
    windowMs: Float64Array.from(steps, (step) => step.windowMs),
    distinctAt: column((step) => step.field * entities[step.entity]!.layout.plainWindows + step.window),
    field: column((step) => step.field),
    filter: column((step) => step.filter),
    filterBit: column((step) => 1 << step.filter),
    currentBit: column((step) => (step.includesCurrent ? 1 << step.filter : 0)),
    currentAllBit: column((step) => (step.includesCurrent ? 1 << step.among : 0)),
    includesCurrent: Uint8Array.from(steps, (step) => (step.includesCurrent ? 1 : 0)),
    operandA: column((step) => step.operandA),
    operandB: column((step) => step.operandB),
    expressions: steps.map((step) => step.expression),
  };
}

function isOfKept({ kept, aggregate }: Step): boolean {
  return kept >= 0 && aggregate !== 'trimmed_mean' && aggregate !== 'nth_last';
}
