import { finite, invalid, type JsonObject } from './manifest-values.ts';

/**
 * From a model's raw score to a probability that held on days after training. It never falls where the score grows, so
 * no ranking changes. `none` is a model without a map: the raw score counts.
 */
export type Calibration =
  | { readonly method: 'none' }
  | {
      readonly method: 'isotonic';
      /** raw scores, ascending, from 0 to 1 */
      readonly x: Float64Array;
      /** probabilities, never falling */
      readonly y: Float64Array;
    }
  | { readonly method: 'platt'; /** of the log odds, above 0 */ readonly slope: number; readonly intercept: number };

const KNOTS_MAX = 4_096;
/** Raw scores are float32: nearer to 0 and 1 they cannot be told apart. The trainer uses the same. */
const PLATT_SCORE_MIN = 2 ** -24;

/**
 * @param entry `calibration` of the manifest
 * @throws FraudstreamError FS_MODEL_INVALID that names the key
 */
export function readCalibration(entry: JsonObject): Calibration {
  const method = entry['method'];
  if (method === 'platt') {
    const slope = finite(entry, 'slope', 'calibration.');
    if (!(slope > 0)) throw invalid('calibration.slope', 'must be above 0: a higher score is more suspicious');
    return { method, slope, intercept: finite(entry, 'intercept', 'calibration.') };
  }
  if (method !== 'isotonic') throw invalid('calibration.method', 'must be isotonic or platt');
  const knots: unknown = entry['knots'];
  if (!Array.isArray(knots) || knots.length < 2 || knots.length > KNOTS_MAX) {
    throw invalid('calibration.knots', `must be a list of 2 to ${KNOTS_MAX} pairs`);
  }
  const x = new Float64Array(knots.length);
  const y = new Float64Array(knots.length);
  knots.forEach((knot: unknown, k) => {
    const [score, probability] = (Array.isArray(knot) && knot.length === 2 ? knot : []) as unknown[];
    if (!isShare(score) || !isShare(probability)) {
      throw invalid(`calibration.knots[${k}]`, 'must be [raw score, probability], both 0 to 1');
    }
    if (k > 0 && !(score > x[k - 1]! && probability >= y[k - 1]!)) {
      throw invalid(
        `calibration.knots[${k}]`,
        'must have a higher raw score and no lower probability than the one before',
      );
    }
    x[k] = score;
    y[k] = probability;
  });
  if (x[0] !== 0 || x[x.length - 1] !== 1) throw invalid('calibration.knots', 'must lead from raw score 0 to 1');
  return { method, x, y };
}

/** @param raw 0 … 1 */
export function calibrated(calibration: Calibration, raw: number): number {
  if (calibration.method === 'none') return raw;
  if (calibration.method === 'platt') {
    const clipped = Math.min(Math.max(raw, PLATT_SCORE_MIN), 1 - PLATT_SCORE_MIN);
    return 1 / (1 + Math.exp(-(calibration.slope * Math.log(clipped / (1 - clipped)) + calibration.intercept)));
  }
  const { x, y } = calibration;
  let low = 0;
  let high = x.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle]! <= raw) low = middle;
    else high = middle;
  }
  const along = (raw - x[low]!) / (x[high]! - x[low]!);
  // rounding must not lift it above the next knot: it would no longer be monotone
  return Math.min(y[low]! + along * (y[high]! - y[low]!), y[high]!);
}

function isShare(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 1;
}
