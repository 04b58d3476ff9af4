/** What stands behind a backslash, for one character. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['a', '\u0007'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ['?', '?'],
  ['"', '"'],
  ["'", "'"],
  ['`', '`'],
]);

/** Escapes by number, each with its digits; octal ones begin with a digit of their own. */
const BY_NUMBER = /(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/y;

/**
 * Reads the string literal whose first quote (with an `r` before it for a raw one) is `opening`.
 * @returns `text` as written, and its value
 */
export function readString(
  source: string,
  at: number,
  opening: string,
  fail: (at: number, text: string) => never,
): { text: string; value: string } {
  const raw = opening.length === 2;
  const quote = opening.at(-1);
  let value = '';
  let position = at + opening.length;
  for (;;) {
    const character = source[position];
    if (character === undefined || character === '\n' || character === '\r') {
      return fail(at, 'this string is not closed on its line');
    }
    position++;
    if (character === quote) return { text: source.slice(at, position), value };
    if (character !== '\\' || raw) {
      value += character;
      continue;
    }
    const escape = readEscape(source, position, fail);
    value += escape.value;
    position += escape.length;
  }
}

/** @param at behind the backslash */
function readEscape(
  source: string,
  at: number,
  fail: (at: number, text: string) => never,
): { value: string; length: number } {
  const simple = ESCAPES.get(source[at] ?? '');
  if (simple !== undefined) return { value: simple, length: 1 };
  BY_NUMBER.lastIndex = at;
  const found = BY_NUMBER.exec(source);
  if (!found) {
    return fail(at - 1, `unknown escape \\${source[at] ?? ''}; a backslash is \\\\, a raw string is r"…"`);
  }
  const [text, ...digits] = found;
  const octal = digits[3];
  const code = octal === undefined ? parseInt(text.slice(1), 16) : parseInt(octal, 8);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return fail(at - 1, `\\${text} is no Unicode character`);
  return { value: String.fromCodePoint(code), length: text.length };
}
