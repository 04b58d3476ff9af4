import { MEASURE, type Layout } from './layout.ts';
import { SCAN } from './scans.ts';

/**
 * What a user's history was just before an event: the answer of `UserHistory.measure`, reused from event to event.
 * Never includes the event itself; features that do add it on their own.
 */
export class Measures {
  /** `layout.measureWindow.length` × MEASURE.stride; min = Infinity and max = -Infinity when empty */
  readonly values: Float64Array;
  /** field-major: distinct[field × windows without a delay + window] */
  readonly distinct: Float64Array;
  /** per field: event time at which the current value was last seen, -Infinity = never, NaN = value is null */
  readonly valueLastMs: Float64Array;
  /** per filter: event time of the last match within the horizon, -Infinity = none */
  readonly filterLastMs: Float64Array;
  /** two places per scan of the layout */
  readonly scanned: Float64Array;
  /** -Infinity when there is no history */
  previousMs = -Infinity;
  firstSeenMs = Infinity;
  /** last located payment: time is -Infinity when there is none */
  locatedMs = -Infinity;
  locatedLatE7 = 0;
  locatedLonE7 = 0;
  /** bit w: the aggregates over window w are estimated */
  inexactWindows = 0;
  /** bit w: the distinct counts over window w are estimated */
  inexactDistinct = 0;

  private readonly scans: Layout['scans'];

  constructor(layout: Layout) {
    this.values = new Float64Array(layout.measureWindow.length * MEASURE.stride);
    this.distinct = new Float64Array(layout.fields.length * layout.plainWindows);
    this.valueLastMs = new Float64Array(layout.fields.length);
    this.scanned = new Float64Array(layout.scans.length * 2);
    this.scans = layout.scans;
    this.filterLastMs = new Float64Array(layout.filters.length);
  }

  reset(): void {
    const values = this.values;
    values.fill(0);
    for (let at = 0; at < values.length; at += MEASURE.stride) {
      values[at + MEASURE.min] = Infinity;
      values[at + MEASURE.max] = -Infinity;
    }
    resetScans(this.scans, this.scanned);
    this.distinct.fill(0);
    this.valueLastMs.fill(-Infinity);
    this.filterLastMs.fill(-Infinity);
    this.previousMs = -Infinity;
    this.firstSeenMs = Infinity;
    this.locatedMs = -Infinity;
    this.inexactWindows = 0;
    this.inexactDistinct = 0;
  }
}

/** What scans of nothing find. */
function resetScans(scans: Layout['scans'], scanned: Float64Array): void {
  scanned.fill(0);
  for (let s = 0; s < scans.length; s++) {
    const { kind } = scans[s]!;
    if (kind === SCAN.min) scanned[2 * s] = Infinity;
    else if (kind === SCAN.max) scanned[2 * s] = -Infinity;
    else if (kind !== SCAN.streak && kind !== SCAN.sum) scanned[2 * s] = NaN;
  }
}
