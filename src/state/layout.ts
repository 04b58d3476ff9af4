import type { EventView } from './event-view.ts';
import type { Question } from './questions.ts';
import { KEPT_UNITS, type Scan } from './scans.ts';

/**
 * What the state keeps of an event, and what it is asked for: the compiled form of a catalogue, as far as the
 * history needs it. Pure data; made by `features/plan.ts`.
 */
export interface Layout {
  /** identifies the kept fields, in order, and the blob format: blobs of another layout cannot be read */
  readonly fingerprint: string;
  /** identifies the filters, in order: kept per blob, since rows without details keep only the filters' answers */
  readonly filterFingerprint: number;
  /** kept fields whose values are compared (merchant_id, mcc, attributes.auth_result …), canonical order; then the questions */
  readonly fields: readonly string[];
  /** what is asked of each event once: their answers are kept like values of fields */
  readonly questions: readonly Question[];
  /** lengths in ms: first the windows without a delay, ascending, then those with one; (length, delay) is distinct */
  readonly windowsMs: Float64Array;
  /** per window, ms: at time t it holds (t - delay - length, t - delay] */
  readonly delaysMs: Float64Array;
  /** number of windows without a delay; they come first, and only they have distinct counts */
  readonly plainWindows: number;
  readonly latenessMs: number;
  /** longest window with its delay: what is older than this, seen from an event, is not seen */
  readonly lookbackMs: number;
  /** lookback + allowed lateness: nothing older than this, seen from the newest event, is kept */
  readonly horizonMs: number;
  /** filter 0 matches every event */
  readonly filters: readonly Filter[];
  /** bit f: filter f asks for the verdict on a payment; 0 = none does, and rows have none */
  readonly labelFilters: number;
  /** number of features whose values the rows keep */
  readonly kept: number;
  readonly scans: readonly Scan[];
  /** (window, filter) pairs that features use, ordered by window; parallel arrays */
  readonly measureWindow: Int32Array;
  readonly measureFilter: Int32Array;
  /** measures of window w: [measureStart[w], measureStart[w + 1]) */
  readonly measureStart: Int32Array;
  /** of the entities whose histories stand beside the users'; empty but in the users' layout */
  readonly beside: readonly { readonly keyPrefix: string; readonly layout: Layout }[];
  /** 1 where a feature counts distinct values of the field */
  readonly distinctFields: Uint8Array;
}

/** A conjunction over one event. Evaluated on hashes, so that a kept row can be asked again. */
export interface Filter {
  readonly text: string;
  readonly conditions: readonly FilterCondition[];
}

export type FilterCondition =
  | { readonly kind: 'field'; readonly field: number; readonly hashes: readonly number[]; readonly negate: boolean }
  | { readonly kind: 'amount'; readonly overMinor: number; readonly atMostMinor: number }
  /** a value that the row keeps; none is in no range */
  | {
      readonly kind: 'kept';
      readonly kept: number;
      readonly over: number;
      readonly atMost: number;
      readonly negate: boolean;
    }
  /** the answer to a question, which may depend on the verdict */
  | { readonly kind: 'answer'; readonly field: number; readonly labelled: boolean }
  /** bit s: matches when LABEL is s */
  | { readonly kind: 'label'; readonly states: number };

/** What is known of a payment. */
export const LABEL = { unknown: 0, genuine: 1, fraud: 2 } as const;
export type LabelState = (typeof LABEL)[keyof typeof LABEL];

/** Bit w is set where window w, seen from `timeMs`, reaches back to before `sinceMs` (0 = the beginning of all). */
export function windowsBefore(
  { windowsMs, delaysMs }: Pick<Layout, 'windowsMs' | 'delaysMs'>,
  timeMs: number,
  sinceMs: number,
): number {
  if (sinceMs <= 0) return 0;
  let bits = 0;
  for (let w = 0; w < windowsMs.length; w++) if (timeMs - delaysMs[w]! - windowsMs[w]! < sinceMs) bits |= 1 << w;
  return bits;
}

/** Columns of one measure: count, sum in two limbs of 2^26, sum of squares in limbs of 2^18, extremes. */
export const MEASURE = { count: 0, sumHi: 1, sumLo: 2, ll: 3, hl: 4, hh: 5, min: 6, max: 7, stride: 8 } as const;

/** Below this, sums of squares are exact integers in doubles over any log that fits the limits. */
export const EXACT_SQUARE_LIMIT = 2 ** 36;

const LIMB_SUM = 2 ** 26;
const LIMB_SQUARE = 2 ** 18;

const NONE_KEPT: Float64Array = new Float64Array(0);

function matches(
  filter: Filter,
  hashes: Float64Array,
  amountMinor: number,
  label: LabelState,
  kept: Float64Array,
): boolean {
  for (const condition of filter.conditions) {
    if (condition.kind === 'field') {
      if (condition.hashes.includes(hashes[condition.field]!) === condition.negate) return false;
    } else if (condition.kind === 'amount') {
      if (!(amountMinor > condition.overMinor && amountMinor <= condition.atMostMinor)) return false;
    } else if (condition.kind === 'label') {
      if ((condition.states & (1 << label)) === 0) return false;
    } else if (condition.kind === 'answer') {
      const answers = hashes[condition.field]!;
      if (answers < 0 || (answers & (1 << label)) === 0) return false;
    } else {
      const value = kept[condition.kept]! / KEPT_UNITS;
      if ((value > condition.over && value <= condition.atMost) === condition.negate) return false;
    }
  }
  return true;
}

/** Bit f is set where filter f matches. */
export function filterMask(
  layout: Layout,
  hashes: Float64Array,
  amountMinor: number,
  label: LabelState = LABEL.unknown,
  kept = NONE_KEPT,
): number {
  let mask = 1;
  const filters = layout.filters;
  for (let f = 1; f < filters.length; f++) if (matches(filters[f]!, hashes, amountMinor, label, kept)) mask |= 1 << f;
  return mask;
}

/** The masks of an event whose fields are filled in. */
export function setMasks(layout: Layout, event: EventView): void {
  const { hashes, amountMinor, kept } = event;
  event.filterMask = filterMask(layout, hashes, amountMinor, LABEL.unknown, kept);
  if (layout.labelFilters === 0) return;
  event.genuineMask = filterMask(layout, hashes, amountMinor, LABEL.genuine, kept);
  event.fraudMask = filterMask(layout, hashes, amountMinor, LABEL.fraud, kept);
}

/** Adds (sign 1) or takes away (sign -1) one amount; extremes are the caller's. */
export function addAmount(out: Float64Array, at: number, amountMinor: number, sign: number): void {
  const sumHi = Math.floor(amountMinor / LIMB_SUM);
  const h = Math.floor(amountMinor / LIMB_SQUARE);
  const l = amountMinor - h * LIMB_SQUARE;
  out[at]! += sign;
  out[at + MEASURE.sumHi]! += sign * sumHi;
  out[at + MEASURE.sumLo]! += sign * (amountMinor - sumHi * LIMB_SUM);
  out[at + MEASURE.ll]! += sign * l * l;
  out[at + MEASURE.hl]! += sign * h * l;
  out[at + MEASURE.hh]! += sign * h * h;
}

/** Sum of the amounts, correctly rounded (exact below 2^53). */
export function sumOf(m: Float64Array, at: number): number {
  return m[at + MEASURE.sumHi]! * LIMB_SUM + m[at + MEASURE.sumLo]!;
}

/**
 * Sample variance (n - 1). The textbook form n·Σa² - (Σa)² cancels when the amounts are nearly equal; the limbs are
 * exact integers, so where doubles would lose digits it is evaluated in BigInt.
 * @returns NaN below two events
 */
export function varianceOf(m: Float64Array, at: number): number {
  const n = m[at]!;
  if (n < 2) return NaN;
  const ll = m[at + MEASURE.ll]!;
  const hl = m[at + MEASURE.hl]!;
  const hh = m[at + MEASURE.hh]!;
  const sum = sumOf(m, at);
  const squares = hh * 2 ** 36 + hl * 2 ** 19 + ll;
  const left = n * squares;
  let difference = left - sum * sum;
  if (left > Number.MAX_SAFE_INTEGER && difference < left * 1e-4 && isWhole(n, hh, hl, ll)) {
    const exactSum = BigInt(m[at + MEASURE.sumHi]!) * BigInt(LIMB_SUM) + BigInt(m[at + MEASURE.sumLo]!);
    const exactSquares = (BigInt(hh) << 36n) + (BigInt(hl) << 19n) + BigInt(ll);
    difference = Number(BigInt(n) * exactSquares - exactSum * exactSum);
  }
  return difference <= 0 ? 0 : difference / (n * (n - 1));
}

function isWhole(n: number, hh: number, hl: number, ll: number): boolean {
  return Number.isInteger(n) && Number.isInteger(hh) && Number.isInteger(hl) && Number.isInteger(ll);
}

const withOne = new Float64Array(MEASURE.stride);

/** The same with one amount more. */
export function varianceWith(values: Float64Array, at: number, amountMinor: number): number {
  for (let k = 0; k < MEASURE.stride; k++) withOne[k] = values[at + k]!;
  addAmount(withOne, 0, amountMinor, 1);
  return varianceOf(withOne, 0);
}
