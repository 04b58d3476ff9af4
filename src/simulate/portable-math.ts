/**
 * exp, ln and cos from additions and multiplications alone. IEEE 754 fixes those to the last bit, while Math.exp and
 * its kin may differ between engines and versions: a seed must give the same bytes on every machine.
 */
const LN2 = 0.6931471805599453;

/** e^x for |x| < 700; relative error below 1e-14. */
export function exp(x: number): number {
  let k = Math.round(x / LN2);
  const r = x - k * LN2;
  let term = 1;
  let sum = 1;
  for (let i = 1; i <= 14; i++) {
    term *= r / i;
    sum += term;
  }
  for (; k > 0; k--) sum *= 2;
  for (; k < 0; k++) sum *= 0.5;
  return sum;
}

/** Natural logarithm of x > 0; relative error below 1e-14. */
export function ln(x: number): number {
  let k = 0;
  let m = x;
  for (; m > 1.4142135623730951; k++) m *= 0.5;
  for (; m < 0.7071067811865476; k--) m *= 2;
  const s = (m - 1) / (m + 1);
  const q = s * s;
  let power = s;
  let sum = 0;
  for (let i = 1; i <= 19; i += 2) {
    sum += power / i;
    power *= q;
  }
  return 2 * sum + k * LN2;
}

/** Cosine of an angle in degrees, -90 … 90. */
export function cosDegrees(degrees: number): number {
  const x = (degrees * 3.141592653589793) / 180;
  const q = x * x;
  return 1 - (q / 2) * (1 - (q / 12) * (1 - (q / 30) * (1 - (q / 56) * (1 - q / 90))));
}

/** Kilometres between two places, flat approximation: good enough to plan a journey. */
export function roughKm(latA: number, lonA: number, latB: number, lonB: number): number {
  const dy = (latA - latB) * 111.2;
  const dx = (lonA - lonB) * 111.2 * cosDegrees((latA + latB) / 2);
  return Math.sqrt(dx * dx + dy * dy);
}
