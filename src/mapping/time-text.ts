import type { TimeFormat } from './mapping.ts';

/** Milliseconds since 1970 UTC; NaN when the text is no time of the format. */
export type TimeReader = (text: string) => number;

const UNIT_DIGITS = { seconds: 0, milliseconds: 3, microseconds: 6 } as const;
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** What is finer than a millisecond is cut off. Throws an Error with a reason when a pattern cannot be read. */
export function compileTime(format: TimeFormat): TimeReader {
  switch (format.kind) {
    case 'count': {
      const { sinceMs } = format;
      const digits = UNIT_DIGITS[format.unit];
      return (text) => sinceMs + countToMs(text, digits);
    }
    case 'iso':
      return (text) => {
        const match = ISO.exec(text);
        if (match === null) return Number.NaN;
        const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = match;
        const offset = zone === undefined ? format.offsetMs : offsetToMs(zone);
        return instant(
          Number(year),
          Number(month),
          Number(day),
          Number(hour),
          Number(minute),
          Number(second),
          Number(fraction.padEnd(3, '0').slice(0, 3)),
          offset,
        );
      };
    case 'pattern':
      return compilePattern(format.pattern, format.offsetMs);
  }
}

/** `Z`, `+02:00` or `-0530` in ms; NaN for anything else. */
export function offsetToMs(text: string): number {
  if (text === 'Z' || text === 'UTC') return 0;
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(text);
  if (match === null) return Number.NaN;
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  if (Number(match[2]) > 14 || Number(match[3]) > 59) return Number.NaN;
  return (match[1] === '-' ? -minutes : minutes) * 60_000;
}

/** From the digits, since 1530000000.123 * 1000 is a float below …123. */
function countToMs(text: string, unitDigits: number): number {
  let value = 0;
  let at = 0;
  for (; at < text.length && at < 16; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at === text.length && at > 0) return scaled(value, unitDigits);
  // A JSON number that is more precise than its digits can say comes with an exponent.
  if (/^-?\d(\.\d+)?e[+-]\d{1,3}$/.test(text)) return Math.floor(Number(text) * 10 ** (3 - unitDigits));
  const match = /^([+-]?)(\d{1,16})(?:\.(\d*))?$/.exec(text);
  if (match === null) return Number.NaN;
  const [, sign, whole = '', fraction = ''] = match;
  const padded = fraction.padEnd(3 - Math.min(3, unitDigits), '0');
  const keep = Math.max(0, 3 - unitDigits);
  const ms = unitDigits > 3 ? scaled(Number(whole), unitDigits) : Number(whole + padded.slice(0, keep));
  const rest = /[1-9]/.test(padded.slice(keep)) || (unitDigits > 3 && Number(whole) % 1_000 !== 0);
  return sign === '-' ? -ms - (rest ? 1 : 0) : ms;
}

function scaled(value: number, unitDigits: number): number {
  return unitDigits === 3 ? value : Math.floor(value * 10 ** (3 - unitDigits));
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** What a token of a pattern matches. Widths are fixed or short, so that matching is linear. */
const TOKENS: Readonly<Record<string, string>> = {
  yyyy: String.raw`(\d{4})`,
  yy: String.raw`(\d{2})`,
  MMM: `(${MONTHS.join('|')})`,
  MM: String.raw`(\d{2})`,
  M: String.raw`(\d{1,2})`,
  dd: String.raw`(\d{2})`,
  d: String.raw`(\d{1,2})`,
  HH: String.raw`(\d{2})`,
  H: String.raw`(\d{1,2})`,
  hh: String.raw`(\d{2})`,
  h: String.raw`(\d{1,2})`,
  mm: String.raw`(\d{2})`,
  m: String.raw`(\d{1,2})`,
  ss: String.raw`(\d{2})`,
  s: String.raw`(\d{1,2})`,
  S: String.raw`(\d)`,
  SS: String.raw`(\d{2})`,
  SSS: String.raw`(\d{3})`,
  SSSSSS: String.raw`(\d{6})`,
  a: '(am|pm)',
  XXX: String.raw`(Z|[+-]\d{2}:\d{2})`,
  XX: String.raw`(Z|[+-]\d{4})`,
};

function compilePattern(pattern: string, offsetMs: number): TimeReader {
  const roles: string[] = [];
  let regexp = '^';
  for (const [token] of pattern.matchAll(/'[^']*'|([a-zA-Z])\1*|[^a-zA-Z']|'/g)) {
    if (/^[a-zA-Z]/.test(token)) {
      const matches = TOKENS[token];
      if (matches === undefined) {
        throw new Error(`"${token}" in a time pattern is none of ${Object.keys(TOKENS).join(', ')}; quote words: 'T'`);
      }
      if (roles.includes(token[0]!)) throw new Error(`"${token}": a time pattern says a part twice`);
      roles.push(token[0]!);
      regexp += matches;
    } else {
      const literal = token.length > 1 ? token.slice(1, -1) : token;
      regexp += literal.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
    }
  }
  for (const [role, word] of [
    ['y', 'year (yyyy)'],
    ['M', 'month (MM)'],
    ['d', 'day (dd)'],
  ] as const) {
    if (!roles.includes(role)) throw new Error(`a time pattern needs a ${word}`);
  }
  if (roles.includes('h') !== roles.includes('a')) throw new Error('hh and a (am or pm) belong together');
  const matcher = new RegExp(`${regexp}$`, 'i');
  const place = (role: string): number => roles.indexOf(role) + 1;
  const [y, mo, d, h24, h12, mi, s, f, half, zone] = ['y', 'M', 'd', 'H', 'h', 'm', 's', 'S', 'a', 'X'].map(place);
  const part = (match: RegExpExecArray, at: number | undefined, absent: string): string =>
    at === undefined || at === 0 ? absent : (match[at] ?? absent);
  return (text) => {
    const match = matcher.exec(text);
    if (match === null) return Number.NaN;
    const year = part(match, y, '');
    const month = part(match, mo, '');
    const hour12 = part(match, h12, '');
    const afternoon = part(match, half, '').toLowerCase() === 'pm';
    if (hour12 !== '' && !(Number(hour12) >= 1 && Number(hour12) <= 12)) return Number.NaN;
    const hour = hour12 === '' ? Number(part(match, h24, '0')) : (Number(hour12) % 12) + (afternoon ? 12 : 0);
    const offset = part(match, zone, '');
    return instant(
      // Two digits: 70 … 99 are of the last century, as nothing is before 1970.
      year.length === 2 ? Number(year) + (Number(year) < 70 ? 2_000 : 1_900) : Number(year),
      /^\d/.test(month) ? Number(month) : MONTHS.indexOf(month.toLowerCase()) + 1,
      Number(part(match, d, '')),
      hour,
      Number(part(match, mi, '0')),
      Number(part(match, s, '0')),
      Number(part(match, f, '0').padEnd(3, '0').slice(0, 3)),
      offset === '' ? offsetMs : offsetToMs(offset.toUpperCase()),
    );
  };
}

/** NaN for a day or an hour that is not there: 31 February, 24:00. */
function instant(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  ms: number,
  offsetMs: number,
): number {
  // Date.UTC takes the years 0 to 99 for those of the last century.
  if (year < 100 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return Number.NaN;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 ? (leap ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  if (day > days) return Number.NaN;
  return Date.UTC(year, month - 1, day, hour, minute, second, ms) - offsetMs;
}
