import { MEASURE, setMasks, sumOf, varianceOf, addAmount, type Layout } from '../state/layout.ts';
import { KEPT_UNITS, keptValue } from '../state/scans.ts';
import type { EventView } from '../state/event-view.ts';
import type { Measures } from '../state/measures.ts';
import type { Aggregate } from './catalogue.ts';
import { distanceKm } from './distance.ts';
import type { Step } from './entity-plan.ts';
import { valueOf, type FeatureExpression } from './feature-expression.ts';
import type { Plan } from './plan.ts';

const DAY_MS = 86_400_000;
/** two payments nearer than this say nothing about speed: clocks and coordinates are not that good */
const SPEED_KM_MIN = 1;

const withCurrent = new Float64Array(MEASURE.stride);

/** The steps of a plan as numbers, column by column: the loop below runs them for every payment. */
interface Program {
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

const programs = new WeakMap<Plan, Program>();

/** What an event is to another entity than its user. */
export interface EntityView {
  readonly event: EventView;
  readonly measures: Measures;
  /** false: the payment has no such entity; no feature of it has a value */
  present: boolean;
}

const NO_OTHERS: readonly EntityView[] = [];

/**
 * The feature values of one event: `measures` is its user's history, `event` the event itself.
 * @param others one per entity of the plan after the user
 * @param out receives one value per feature from `at` on; NaN = the feature has no value
 */
export function computeFeatures(
  plan: Plan,
  event: EventView,
  measures: Measures,
  out: Float64Array,
  at: number,
  others = NO_OTHERS,
): void {
  let program = programs.get(plan);
  if (!program) programs.set(plan, (program = programOf(plan)));
  const count = program.aggregates.length;
  if (plan.entities.length === 1 && plan.kept.length === 0) {
    for (let k = 0; k < count; k++) out[at + k] = compute(program, k, event, measures, out, at);
    return;
  }
  for (let k = 0; k < count; k++) {
    const e = program.entity[k]!;
    if (e === 0) out[at + k] = compute(program, k, event, measures, out, at);
    else {
      const other = others[e - 1];
      out[at + k] = other?.present === true ? compute(program, k, other.event, other.measures, out, at) : NaN;
    }
    if (program.keptAs[k]! >= 0) keep(program, k, out[at + k]!, event, others);
  }
}

/** From here on, filters may ask for it. */
function keep(p: Program, k: number, value: number, event: EventView, others: readonly EntityView[]): void {
  const place = p.keptAs[k]!;
  event.kept[place] = keptValue(value);
  setMasks(p.layouts[0]!, event);
  for (let e = 0; e < others.length; e++) {
    const other = others[e]!;
    if (!other.present || other.event.kept.length === 0) continue;
    other.event.kept[place] = event.kept[place];
    setMasks(p.layouts[e + 1]!, other.event);
  }
}

/** Is any window that a feature uses estimated? Bits as in `Measures.inexactWindows`. */
export function inexactWindows(measures: Measures): number {
  return measures.inexactWindows | measures.inexactDistinct;
}

/** Numbers in the order in which the default catalogue has most of them; a switch on them is one jump. */
const AGGREGATE = {
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
const OF_KEPT = 32;

function programOf({ steps, entities, kept }: Plan): Program {
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

function compute(p: Program, k: number, event: EventView, m: Measures, out: Float64Array, base: number): number {
  const values = m.values;
  const at = p.measureAt[k]!;
  const counts = (event.filterMask & p.currentBit[k]!) !== 0;
  switch (p.aggregates[k]! as (typeof AGGREGATE)[Aggregate] | typeof OF_KEPT) {
    case AGGREGATE.count:
      return values[at]! + (counts ? 1 : 0);
    case AGGREGATE.sum:
      return sumOf(values, at) + (counts ? event.amountMinor : 0);
    case AGGREGATE.distinct: {
      const known = m.distinct[p.distinctAt[k]!]!;
      if (p.includesCurrent[k] === 0) return known;
      const lastMs = m.valueLastMs[p.field[k]!]!;
      return known + (lastMs <= event.timeMs - p.windowMs[k]! ? 1 : 0);
    }
    case AGGREGATE.is_new: {
      const lastMs = m.valueLastMs[p.field[k]!]!;
      if (Number.isNaN(lastMs)) return NaN;
      return lastMs <= event.timeMs - p.windowMs[k]! ? 1 : 0;
    }
    case AGGREGATE.mean: {
      const count = values[at]! + (counts ? 1 : 0);
      return count > 0 ? (sumOf(values, at) + (counts ? event.amountMinor : 0)) / count : NaN;
    }
    case AGGREGATE.share: {
      const all = values[p.allAt[k]!]! + p.includesCurrent[k]!;
      return all > 0 ? (values[at]! + (counts ? 1 : 0)) / all : NaN;
    }
    case AGGREGATE.trimmed_mean:
    case AGGREGATE.nth_last:
    case AGGREGATE.time_since_nth_last:
    case AGGREGATE.time_since_oldest:
    case AGGREGATE.streak:
    case AGGREGATE.streak_age:
    case AGGREGATE.count_since:
      return m.scanned[p.scanAt[k]!]!;
    case OF_KEPT:
      return ofKept(p, k, counts ? event.kept[p.kept[k]!]! : NaN, m.scanned);
    case AGGREGATE.rate: {
      const all = values[p.allAt[k]!]! + ((event.filterMask & p.currentAllBit[k]!) !== 0 ? 1 : 0);
      return all > 0 ? (values[at]! + (counts ? 1 : 0)) / all : 0;
    }
    case AGGREGATE.std:
      return Math.sqrt(counts ? varianceWith(values, at, event.amountMinor) : varianceOf(values, at));
    case AGGREGATE.min: {
      const min = counts ? Math.min(values[at + MEASURE.min]!, event.amountMinor) : values[at + MEASURE.min]!;
      return min === Infinity ? NaN : min;
    }
    case AGGREGATE.max: {
      const max = counts ? Math.max(values[at + MEASURE.max]!, event.amountMinor) : values[at + MEASURE.max]!;
      return max === -Infinity ? NaN : max;
    }
    case AGGREGATE.zscore: {
      const deviation = Math.sqrt(varianceOf(values, at));
      return deviation > 0 ? (event.amountMinor - sumOf(values, at) / values[at]!) / deviation : NaN;
    }
    case AGGREGATE.ratio_to_mean: {
      const sum = sumOf(values, at);
      return sum > 0 ? (event.amountMinor * values[at]!) / sum : NaN;
    }
    case AGGREGATE.ratio_to_max: {
      const max = values[at + MEASURE.max]!;
      return max > 0 ? event.amountMinor / max : NaN;
    }
    case AGGREGATE.time_since_last: {
      const lastMs = p.filter[k] === 0 ? m.previousMs : m.filterLastMs[p.filter[k]!]!;
      return lastMs === -Infinity ? NaN : (event.timeMs - lastMs) / 1_000;
    }
    case AGGREGATE.time_since_value: {
      const lastMs = m.valueLastMs[p.field[k]!]!;
      return lastMs > -Infinity ? (event.timeMs - lastMs) / 1_000 : NaN;
    }
    case AGGREGATE.time_since_first:
      return m.firstSeenMs === Infinity ? NaN : (event.timeMs - m.firstSeenMs) / 1_000;
    case AGGREGATE.amount:
      return event.amountMinor;
    case AGGREGATE.matches:
      return (event.filterMask & p.filterBit[k]!) !== 0 ? 1 : 0;
    case AGGREGATE.speed_kmh: {
      const km = distanceKm(event, m);
      if (Number.isNaN(km)) return NaN;
      if (km < SPEED_KM_MIN) return 0;
      return km / (Math.max(event.timeMs - m.locatedMs, 1_000) / 3_600_000);
    }
    case AGGREGATE.distance_km:
      return distanceKm(event, m);
    case AGGREGATE.hour_of_day:
      return (event.timeMs % DAY_MS) / 3_600_000;
    case AGGREGATE.day_of_week:
      return (Math.floor(event.timeMs / DAY_MS) + 3) % 7;
    case AGGREGATE.ratio: {
      const divisor = out[base + p.operandB[k]!]!;
      return divisor === 0 ? NaN : out[base + p.operandA[k]!]! / divisor;
    }
    case AGGREGATE.difference:
      return out[base + p.operandA[k]!]! - out[base + p.operandB[k]!]!;
    case AGGREGATE.expression:
      return valueOf(p.expressions[k]!, out, base);
  }
}

function isOfKept({ kept, aggregate }: Step): boolean {
  return kept >= 0 && aggregate !== 'trimmed_mean' && aggregate !== 'nth_last';
}

/** @param current of the payment itself; NaN = it has none, or does not count */
function ofKept(p: Program, k: number, current: number, scanned: Float64Array): number {
  const at = p.scanAt[k]!;
  let value = scanned[at]!;
  let count = scanned[at + 1]!;
  const sign = p.sign[k]!;
  if (!Number.isNaN(current)) {
    count++;
    if (sign === 0) value += current;
    else value = sign < 0 ? Math.min(value, current) : Math.max(value, current);
  }
  if (sign === 0 && p.isMean[k] === 0) return value / KEPT_UNITS;
  if (count === 0) return NaN;
  return p.isMean[k] === 1 ? value / count / KEPT_UNITS : value / KEPT_UNITS;
}

function varianceWith(values: Float64Array, at: number, amountMinor: number): number {
  for (let k = 0; k < MEASURE.stride; k++) withCurrent[k] = values[at + k]!;
  addAmount(withCurrent, 0, amountMinor, 1);
  return varianceOf(withCurrent, 0);
}
