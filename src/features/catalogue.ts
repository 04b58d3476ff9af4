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
  sum: { text: 'sum of amounts, minor units', window: 'required', of: 'none', where: true },
  mean: { text: 'mean amount, minor units', window: 'required', of: 'none', where: true },
  std: { text: 'sample standard deviation of amounts, minor units', window: 'required', of: 'none', where: true },
  min: { text: 'smallest amount, minor units', window: 'required', of: 'none', where: true },
  max: { text: 'largest amount, minor units', window: 'required', of: 'none', where: true },
  share: { text: 'share of the payments that match', window: 'required', of: 'none', where: true },
  rate: { text: 'share that matches, 0 when there is none', window: 'required', of: 'none', where: true, among: true },
  zscore: {
    text: '(amount - mean) / standard deviation of earlier payments',
    window: 'required',
    of: 'none',
    where: true,
  },
  ratio_to_mean: { text: 'amount / mean of earlier payments', window: 'required', of: 'none', where: true },
  ratio_to_max: { text: 'amount / largest of earlier payments', window: 'required', of: 'none', where: true },
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
} as const satisfies Record<string, AggregateRule>;

interface AggregateRule {
  readonly text: string;
  /** `plain`: required, and without a delay */
  readonly window: 'required' | 'plain' | 'none';
  readonly of: 'none' | 'field' | 'features';
  readonly where: boolean;
  /** takes conditions on what it is a share of */
  readonly among?: boolean;
}

export type Aggregate = keyof typeof AGGREGATES;

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
  /** indexes of earlier features, for `ratio` and `difference` */
  readonly operands: readonly number[];
  readonly where: readonly WhereCondition[];
  /** what `where` is counted among; none = all payments */
  readonly among: readonly WhereCondition[];
  readonly reason: ReasonRule | null;
  readonly description: string;
}

export type WhereCondition =
  | { readonly kind: 'field'; readonly field: string; readonly values: readonly string[]; readonly negate: boolean }
  | { readonly kind: 'amount'; readonly overMinor: number; readonly atMostMinor: number }
  | { readonly kind: 'label'; readonly states: readonly LabelWord[] };

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

export function isValueField(word: string): boolean {
  return (VALUE_FIELDS as readonly string[]).includes(word) || /^attributes\.[^\s]{1,64}$/.test(word);
}
