import type { AmountFormat } from './mapping.ts';

export const AMOUNT_REASONS = {
  notDecimal: 'not a decimal number',
  floating: 'a floating-point number of more digits than it can carry exactly; write amounts as texts or integers',
  grouping: 'separators between thousands stand where none belong',
  negative: 'below zero; skip such rows, or say `negative: absolute`',
  decimals: 'more decimals than the currency has; say `round: half_even`, or correct unit or exponent',
  tooLarge: 'beyond 2^53 - 1 minor units',
} as const;

const ZERO = 48;
const NINE = 57;

/**
 * Minor units from a decimal text, by exact arithmetic on its digits; never through a float.
 * @param digits decimals of the minor unit; not used when the amount is in minor units already
 * @returns an integer 0 … 2^53 - 1, or the reason why there is none
 */
export function minorUnits(text: string, format: AmountFormat, digits: number): number | string {
  const shown = format.strip === null ? text : stripped(text, format.strip);
  const keep = format.unit === 'minor' ? 0 : digits;
  const decimal = format.decimal === '.' ? 46 : 44;
  const group = format.group === null ? -1 : format.group.charCodeAt(0);
  const first = shown.charCodeAt(0);
  const negative = first === 45;
  let at = negative || first === 43 ? 1 : 0;
  let value = 0;
  let integerDigits = 0;
  let groups = 0;
  let inGroup = 0;
  for (; at < shown.length; at++) {
    const code = shown.charCodeAt(at);
    if (code >= ZERO && code <= NINE) {
      value = value * 10 + (code - ZERO);
      // Beyond 2^53 a sum could round back: the way is stopped as soon as it leaves what is exact.
      if (value > Number.MAX_SAFE_INTEGER) return AMOUNT_REASONS.tooLarge;
      integerDigits++;
      inGroup++;
    } else if (code === group) {
      // 1,234 and 12,34,567 but not 12,5: that would be a decimal of another country.
      if (inGroup > 3 || inGroup < (groups === 0 ? 1 : 2)) return AMOUNT_REASONS.grouping;
      groups++;
      inGroup = 0;
    } else break;
  }
  if (groups > 0 && inGroup !== 3) return AMOUNT_REASONS.grouping;
  let fraction = 0;
  let fractionDigits = 0;
  let half = -1;
  let beyond = false;
  if (at < shown.length && shown.charCodeAt(at) === decimal) {
    for (at++; at < shown.length; at++) {
      const digit = shown.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) break;
      if (fractionDigits < keep) fraction = fraction * 10 + digit;
      else if (fractionDigits === keep) half = digit;
      else if (digit !== 0) beyond = true;
      fractionDigits++;
    }
  }
  if (at < shown.length) {
    const code = shown.charCodeAt(at);
    const exponent = (code === 101 || code === 69) && integerDigits > 0;
    return exponent ? AMOUNT_REASONS.floating : AMOUNT_REASONS.notDecimal;
  }
  if (integerDigits + fractionDigits === 0) return AMOUNT_REASONS.notDecimal;
  for (let k = fractionDigits; k < keep; k++) fraction *= 10;
  const scale = 10 ** keep;
  if (value > (Number.MAX_SAFE_INTEGER - fraction) / scale) return AMOUNT_REASONS.tooLarge;
  let minor = value * scale + fraction;
  if (half > 0 || beyond) {
    if (format.round === 'refuse') return AMOUNT_REASONS.decimals;
    if (half > 5 || (half === 5 && (beyond || minor % 2 === 1))) minor++;
  }
  if (minor > Number.MAX_SAFE_INTEGER) return AMOUNT_REASONS.tooLarge;
  return negative && minor !== 0 && format.negative === 'refuse' ? AMOUNT_REASONS.negative : minor;
}

/** Without one occurrence of the sign, which may also stand between minus and digits. */
function stripped(text: string, strip: string): string {
  const at = text.indexOf(strip);
  return (at === -1 ? text : text.slice(0, at) + text.slice(at + strip.length)).trim();
}
