const DIGITS_MIN = 13;
const DIGITS_MAX = 19;
/** 19 digits with one space or dash between each two, and one at both ends */
const LENGTH_MAX = 2 * DIGITS_MAX + 1;

/**
 * Does this id look like a primary account number: 13 to 19 digits, single spaces or dashes between them, with a right
 * check digit (Luhn, ISO/IEC 7812-1)? One in ten numeric ids of that length does by chance: such senders switch the
 * guard off.
 */
export function looksLikeCardNumber(id: string): boolean {
  const length = id.length;
  if (length < DIGITS_MIN || length > LENGTH_MAX) return false;
  if (!isDigitOrSeparator(id.charCodeAt(0))) return false;
  let digits = 0;
  let sum = 0;
  let separated = false;
  for (let i = length - 1; i >= 0; i--) {
    const code = id.charCodeAt(i);
    if (code === SPACE || code === DASH) {
      if (separated) return false;
      separated = true;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9) return false;
    separated = false;
    const doubled = (digits & 1) === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
    digits++;
  }
  return digits >= DIGITS_MIN && digits <= DIGITS_MAX && sum % 10 === 0;
}

/** Is there one anywhere in it: behind other words, or between separators? */
export function holdsCardNumber(text: string): boolean {
  const runs = [...(text.match(/\d(?:[ -]?\d)*/g) ?? []), ...(text.match(/\d+/g) ?? [])];
  return runs.some(looksLikeCardNumber);
}

const ZERO = 48;
const SPACE = 32;
const DASH = 45;

function isDigitOrSeparator(code: number): boolean {
  return (code >= ZERO && code <= ZERO + 9) || code === SPACE || code === DASH;
}
