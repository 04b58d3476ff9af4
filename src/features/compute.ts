import { MEASURE, sumOf, varianceOf, addAmount } from '../state/layout.ts';
import { NO_LOCATION, type EventView } from '../state/event-view.ts';
import type { Measures } from '../state/measures.ts';
import type { Plan, Step } from './plan.ts';

const DAY_MS = 86_400_000;
const EARTH_RADIUS_KM = 6_371.0088;
/** two payments nearer than this say nothing about speed: clocks and coordinates are not that good */
const SPEED_KM_MIN = 1;

const withCurrent = new Float64Array(MEASURE.stride);

/**
 * The feature values of one event: `measures` is its history, `event` the event itself.
 * @param out receives one value per feature from `at` on; NaN = the feature has no value
 */
export function computeFeatures(plan: Plan, event: EventView, measures: Measures, out: Float64Array, at: number): void {
  const steps = plan.steps;
  for (let k = 0; k < steps.length; k++) out[at + k] = compute(plan, steps[k]!, event, measures, out, at);
}

/** Is any window that a feature uses estimated? Bits as in `Measures.inexactWindows`. */
export function inexactWindows(measures: Measures): number {
  return measures.inexactWindows | measures.inexactDistinct;
}

function compute(plan: Plan, step: Step, event: EventView, m: Measures, out: Float64Array, base: number): number {
  const values = m.values;
  const at = step.measureAt;
  const counts = step.includesCurrent && (event.filterMask & (1 << step.filter)) !== 0;
  switch (step.aggregate) {
    case 'amount':
      return event.amountMinor;
    case 'count':
      return values[at]! + (counts ? 1 : 0);
    case 'sum':
      return sumOf(values, at) + (counts ? event.amountMinor : 0);
    case 'mean': {
      const count = values[at]! + (counts ? 1 : 0);
      return count > 0 ? (sumOf(values, at) + (counts ? event.amountMinor : 0)) / count : NaN;
    }
    case 'std':
      return Math.sqrt(counts ? varianceWith(values, at, event.amountMinor) : varianceOf(values, at));
    case 'min': {
      const min = counts ? Math.min(values[at + MEASURE.min]!, event.amountMinor) : values[at + MEASURE.min]!;
      return min === Infinity ? NaN : min;
    }
    case 'max': {
      const max = counts ? Math.max(values[at + MEASURE.max]!, event.amountMinor) : values[at + MEASURE.max]!;
      return max === -Infinity ? NaN : max;
    }
    case 'share': {
      const all = values[step.allAt]! + (step.includesCurrent ? 1 : 0);
      return all > 0 ? (values[at]! + (counts ? 1 : 0)) / all : NaN;
    }
    case 'zscore': {
      const deviation = Math.sqrt(varianceOf(values, at));
      return deviation > 0 ? (event.amountMinor - sumOf(values, at) / values[at]!) / deviation : NaN;
    }
    case 'ratio_to_mean': {
      const sum = sumOf(values, at);
      return sum > 0 ? (event.amountMinor * values[at]!) / sum : NaN;
    }
    case 'ratio_to_max': {
      const max = values[at + MEASURE.max]!;
      return max > 0 ? event.amountMinor / max : NaN;
    }
    case 'distinct': {
      const known = m.distinct[step.field * plan.layout.windowsMs.length + step.window]!;
      if (!step.includesCurrent) return known;
      const lastMs = m.valueLastMs[step.field]!;
      return known + (lastMs <= event.timeMs - step.windowMs ? 1 : 0);
    }
    case 'is_new': {
      const lastMs = m.valueLastMs[step.field]!;
      if (Number.isNaN(lastMs)) return NaN;
      return lastMs <= event.timeMs - step.windowMs ? 1 : 0;
    }
    case 'time_since_last': {
      const lastMs = step.filter === 0 ? m.previousMs : m.filterLastMs[step.filter]!;
      return lastMs === -Infinity ? NaN : (event.timeMs - lastMs) / 1_000;
    }
    case 'time_since_value': {
      const lastMs = m.valueLastMs[step.field]!;
      return lastMs > -Infinity ? (event.timeMs - lastMs) / 1_000 : NaN;
    }
    case 'time_since_first':
      return m.firstSeenMs === Infinity ? NaN : (event.timeMs - m.firstSeenMs) / 1_000;
    case 'speed_kmh': {
      const km = distanceKm(event, m);
      if (Number.isNaN(km)) return NaN;
      if (km < SPEED_KM_MIN) return 0;
      return km / (Math.max(event.timeMs - m.locatedMs, 1_000) / 3_600_000);
    }
    case 'distance_km':
      return distanceKm(event, m);
    case 'matches':
      return (event.filterMask & (1 << step.filter)) !== 0 ? 1 : 0;
    case 'hour_of_day':
      return (event.timeMs % DAY_MS) / 3_600_000;
    case 'day_of_week':
      return (Math.floor(event.timeMs / DAY_MS) + 3) % 7;
    case 'ratio': {
      const divisor = out[base + step.operandB]!;
      return divisor === 0 ? NaN : out[base + step.operandA]! / divisor;
    }
    case 'difference':
      return out[base + step.operandA]! - out[base + step.operandB]!;
  }
}

function varianceWith(values: Float64Array, at: number, amountMinor: number): number {
  withCurrent.set(values.subarray(at, at + MEASURE.stride));
  addAmount(withCurrent, 0, amountMinor, 1);
  return varianceOf(withCurrent, 0);
}

/** Great-circle distance (haversine) from the previous located payment; NaN when one of the two has no place. */
function distanceKm(event: EventView, m: Measures): number {
  if (event.latE7 === NO_LOCATION || m.locatedMs === -Infinity) return NaN;
  const radians = Math.PI / 180 / 1e7;
  const sinLat = Math.sin(((event.latE7 - m.locatedLatE7) * radians) / 2);
  const sinLon = Math.sin(((event.lonE7 - m.locatedLonE7) * radians) / 2);
  const cosines = Math.cos(event.latE7 * radians) * Math.cos(m.locatedLatE7 * radians);
  const h = sinLat * sinLat + cosines * sinLon * sinLon;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}
