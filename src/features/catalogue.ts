import type { FeatureExpression } from './feature-expression.ts';

/**
 * A feature catalogue as declared in YAML. Pure data; `parse.ts` makes it, `plan.ts` compiles it.
 *
 * Glossary: a window of length L and delay D at time t holds the user's events in (t - D - L, t - D]. `current` says
 * whether the payment being decided counts as one of them; behind a delay it never does.
 */
export interface Catalogue {
  readonly features: readonly FeatureDeclaration[];
}

export const AGGREGATES = {
  amount: { text: 'amount of this payment, minor units', window: 'none', of: 'none', where: false },
  count: { text: 'number of payments', window: 'required', of: 'none', where: true },
  sum: { text: 'sum of amounts, minor units', window: 'required', of: 'kept', where: true },
  mean: { text: 'mean amount, minor units', window: 'required', of: 'kept', where: true },
  std: { text: 'sample standard deviation of amounts, minor units', window: 'required', of: 'none', where: true },
  min: { text: 'smallest amount, minor units', window: 'required', of: 'kept', where: true },
  max: { text: 'largest amount, minor units', window: 'required', of: 'kept', where: true },
  share: { text: 'share of the payments that match', window: 'required', of: 'none', where: true },
  rate: {
    text: 'share that matches, 0 when there is none',
    window: 'required',
    of: 'none',
    where: true,
    among: 'among',
  },
  zscore: {
    text: '(amount - mean) / standard deviation of earlier payments',
    window: 'required',
    of: 'none',
    where: true,
  },
  ratio_to_mean: { text: 'amount / mean of earlier payments', window: 'required', of: 'none', where: true },
  ratio_to_max: { text: 'amount / largest of earlier payments', window: 'required', of: 'none', where: true },
  trimmed_mean: {
    text: 'mean of earlier amounts without the share `trim` at each end, or `[of the smallest, of the largest]`',
    window: 'required',
    of: 'kept',
    where: true,
    earlier: true,
    numbers: ['trim', 'min_count'],
  },
  nth_last: {
    text: 'amount of the `n`-th last earlier payment',
    window: 'optional',
    of: 'kept',
    where: true,
    earlier: true,
    numbers: ['n'],
  },
  time_since_nth_last: {
    text: 'seconds since the `n`-th last earlier payment',
    window: 'optional',
    of: 'none',
    where: true,
    earlier: true,
    numbers: ['n'],
  },
  time_since_oldest: {
    text: 'seconds since the oldest payment in the window',
    window: 'required',
    of: 'none',
    where: true,
    earlier: true,
  },
  streak: {
    text: 'number of the last earlier payments that match, until one does not',
    window: 'optional',
    of: 'none',
    where: true,
    among: 'among',
    earlier: true,
  },
  streak_age: {
    text: 'seconds since the oldest payment of the streak',
    window: 'optional',
    of: 'none',
    where: true,
    among: 'among',
    earlier: true,
  },
  count_since: {
    text: 'number of payments after the last one that matches `since`',
    window: 'optional',
    of: 'none',
    where: true,
    among: 'since',
    earlier: true,
  },
  distinct: { text: 'number of different values', window: 'plain', of: 'field', where: false },
  is_new: { text: '1 when the value was not seen in the window before', window: 'plain', of: 'field', where: false },
  time_since_last: { text: 'seconds since the last earlier payment', window: 'none', of: 'none', where: true },
  time_since_value: {
    text: 'seconds since the last payment with this value',
    window: 'none',
    of: 'field',
    where: false,
  },
  time_since_first: { text: 'seconds since the first payment known', window: 'none', of: 'none', where: false },
  speed_kmh: { text: 'km/h from the previous located payment', window: 'none', of: 'none', where: false },
  distance_km: { text: 'km from the previous located payment', window: 'none', of: 'none', where: false },
  matches: { text: '1 when this payment matches', window: 'none', of: 'none', where: true },
  hour_of_day: { text: 'hour of the day in UTC, 0 … 24, with fractions', window: 'none', of: 'none', where: false },
  day_of_week: { text: 'day of the week in UTC, Monday = 0', window: 'none', of: 'none', where: false },
  ratio: { text: 'first feature / second feature', window: 'none', of: 'features', where: false },
  difference: { text: 'first feature - second feature', window: 'none', of: 'features', where: false },
  expression: {
    text: 'an expression over this payment and earlier features',
    window: 'none',
    of: 'expression',
    where: false,
  },
} as const satisfies Record<string, AggregateRule>;

interface AggregateRule {
  readonly text: string;
  /** `plain`: required, and without a delay; `optional`: the longest of the entity where none is said */
  readonly window: 'required' | 'plain' | 'optional' | 'none';
  /** `kept`: the amount, or an earlier feature as it was at each payment */
  readonly of: 'none' | 'field' | 'features' | 'kept' | 'expression';
  readonly where: boolean;
  /** a second set of conditions, and its name: what it is a share of, or what ends a count */
  readonly among?: 'among' | 'since';
  /** the payment being decided never counts */
  readonly earlier?: true;
  readonly numbers?: readonly ('n' | 'trim' | 'min_count')[];
}

export type Aggregate = keyof typeof AGGREGATES;

export function ruleOf(aggregate: Aggregate): AggregateRule {
  return AGGREGATES[aggregate];
}

export interface FeatureDeclaration {
  readonly name: string;
  readonly aggregate: Aggregate;
  /** ms; 0 where the aggregate has no window */
  readonly windowMs: number;
  /** as declared, e.g. `10m`; for words */
  readonly windowText: string;
  /** ms by which the window ends before the payment; 0 = at it */
  readonly delayMs: number;
  /** does the payment being decided count in its own window? */
  readonly includesCurrent: boolean;
  /** fields whose values make the id of the entity whose history it is of: [`user_id`] where nothing else is said */
  readonly entity: readonly string[];
  /** field of `distinct`, `is_new`, `time_since_value` */
  readonly field: string | null;
  /** index of the earlier feature that it is of, as it was at each payment; -1 = of the amount */
  readonly kept: number;
  /** of the n-th last; a trimmed mean of fewer has no value; else 0 */
  readonly n: number;
  /** shares left out of a trimmed mean: of the smallest, of the largest; else 0 */
  readonly trim: readonly [low: number, high: number];
  /** indexes of earlier features, for `ratio`, `difference` and `expression` */
  readonly operands: readonly number[];
  readonly expression: FeatureExpression | null;
  readonly where: readonly WhereCondition[];
  /** what `where` is counted among, or since the last of; none = all payments */
  readonly among: readonly WhereCondition[];
  readonly reason: ReasonRule | null;
  readonly description: string;
}

export type WhereCondition =
  | { readonly kind: 'field'; readonly field: string; readonly values: readonly string[]; readonly negate: boolean }
  | { readonly kind: 'amount'; readonly overMinor: number; readonly atMostMinor: number }
  /** the value of an earlier feature as it was at the payment */
  | {
      readonly kind: 'kept';
      readonly feature: number;
      readonly name: string;
      readonly over: number;
      readonly atMost: number;
      readonly negate: boolean;
    }
  | { readonly kind: 'label'; readonly states: readonly LabelWord[] }
  | {
      readonly kind: 'expression';
      /** canonical, see docs/expressions.md */
      readonly text: string;
      /** the earlier features that it reads, as they were at the payment */
      readonly features: readonly { readonly name: string; readonly feature: number }[];
      /** does it ask for the verdict? */
      readonly labelled: boolean;
    };

/** Does the answer change when a verdict comes? */
export function asksLabel(condition: WhereCondition): boolean {
  return condition.kind === 'label' || (condition.kind === 'expression' && condition.labelled);
}

/** What is known of a payment: found to be genuine, found to be fraud, or nothing yet. In the order of LABEL. */
export const LABEL_WORDS = ['unknown', 'genuine', 'fraud'] as const;
export type LabelWord = (typeof LABEL_WORDS)[number];

/** When a feature of a flagged payment is worth saying, and how. */
export interface ReasonRule {
  /** said when the value is at least this … */
  readonly atLeast: number;
  /** … or, when set, at most this … */
  readonly atMost: number | null;
  /** … and, when above 0, at least this many times what is usual */
  readonly timesUsual: number;
  /** `{value}`, `{usual}`, `{window}` are filled in */
  readonly text: string;
  readonly unit: ReasonUnit;
  /** orders reasons of equal strength */
  readonly weight: number;
}

export const REASON_UNITS = ['number', 'money', 'duration', 'percent', 'speed', 'distance', 'hour', 'flag'] as const;
export type ReasonUnit = (typeof REASON_UNITS)[number];

export const USER = 'user_id';

/** Aggregates without a window that look at a history all the same. */
export const LOOKS_BACK: ReadonlySet<Aggregate> = new Set<Aggregate>([
  'time_since_last',
  'time_since_value',
  'time_since_first',
  'speed_kmh',
  'distance_km',
]);

/** Fields whose values can be compared. `attributes.<key>` as well. */
export const VALUE_FIELDS = [
  'user_id',
  'card_id',
  'merchant_id',
  'mcc',
  'terminal_id',
  'device_id',
  'ip',
  'country',
  'currency',
  'channel',
] as const;

/** What a verdict says of its payment: entities of these, or pairs of them, may have features over verdicts. */
export const LABEL_FIELDS: readonly string[] = ['user_id', 'card_id', 'merchant_id', 'terminal_id', 'device_id', 'ip'];

/** Features whose values the rows must keep: in the order of the catalogue. */
export function keptFeatures(features: readonly FeatureDeclaration[]): number[] {
  const kept = new Set<number>();
  for (const feature of features) {
    if (feature.kept >= 0) kept.add(feature.kept);
    for (const condition of [...feature.where, ...feature.among]) {
      if (condition.kind === 'kept') kept.add(condition.feature);
      else if (condition.kind === 'expression') for (const { feature } of condition.features) kept.add(feature);
    }
  }
  return [...kept].sort((a, b) => a - b);
}

export function isValueField(word: string): boolean {
  return (VALUE_FIELDS as readonly string[]).includes(word) || /^attributes\.[^\s]{1,64}$/.test(word);
}
