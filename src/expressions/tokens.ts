import { LIMITS } from '../domain/limits.ts';
import { ExpressionError, problemAt, shown } from './problem.ts';
import { readString } from './string-literal.ts';

export type Token =
  | { readonly kind: 'int' | 'double'; readonly at: number; readonly text: string; readonly value: number }
  | { readonly kind: 'string'; readonly at: number; readonly text: string; readonly value: string }
  | { readonly kind: 'name' | 'keyword' | 'symbol' | 'end'; readonly at: number; readonly text: string };

/** Words that are no names. */
export const KEYWORDS: ReadonlySet<string> = new Set(['true', 'false', 'null', 'in']);

export const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const SPACE = /(?:[ \t\r\n\f]|\/\/[^\n]*)+/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+(?:[eE][+-]?[0-9]+)?)/y;
const SYMBOL = /&&|\|\||==|!=|<=|>=|[-+*/%<>!?:()[\].,]/y;
const QUOTE = /[rR]?["']/y;

/** What people write who know another language. */
const FOREIGN: ReadonlyMap<string, string> = new Map([
  ['=', '"=" is no operator; write =='],
  ['&', '"&" is no operator; write &&'],
  ['|', '"|" is no operator; write ||'],
  ['{', 'maps and messages in braces are not part of this language'],
  [';', 'an expression is one expression, without ;'],
]);

/**
 * The tokens of an expression, the last of kind `end`.
 * @throws ExpressionError where the text is too long or no token fits
 */
export function tokensOf(source: string): Token[] {
  const fail = (at: number, text: string): never => {
    throw new ExpressionError([problemAt(source, at, text)]);
  };
  const most = LIMITS.expressionLengthMax;
  if (source.length > most) fail(most, `the expression has ${source.length} characters; at most ${most} are allowed`);
  const broken = /\p{Surrogate}/u.exec(source);
  if (broken) fail(broken.index, 'half of a surrogate pair: the text is not valid Unicode');

  const tokens: Token[] = [];
  let at = skipSpace(source, 0);
  while (at < source.length) {
    const token = tokenAt(source, at, fail);
    tokens.push(token);
    at = skipSpace(source, at + token.text.length);
  }
  tokens.push({ kind: 'end', at: source.length, text: '' });
  return tokens;
}

function tokenAt(source: string, at: number, fail: (at: number, text: string) => never): Token {
  const quote = match(QUOTE, source, at);
  if (quote !== null) return { kind: 'string', at, ...readString(source, at, quote, fail) };
  const word = match(WORD, source, at);
  if (word !== null) return { kind: KEYWORDS.has(word) ? 'keyword' : 'name', at, text: word };
  const number = match(NUMBER, source, at);
  if (number !== null) return numberToken(source, at, number, fail);
  const symbol = match(SYMBOL, source, at);
  if (symbol !== null) return { kind: 'symbol', at, text: symbol };
  const character = String.fromCodePoint(source.codePointAt(at) ?? 0);
  return fail(at, FOREIGN.get(character) ?? `unexpected character ${JSON.stringify(character)}`);
}

function numberToken(source: string, at: number, text: string, fail: (at: number, text: string) => never): Token {
  const end = at + text.length;
  const after = match(WORD, source, end);
  if (after !== null) fail(end, `unexpected ${shown(after)} behind the number ${shown(text)}`);
  const value = Number(text);
  const kind = /^[0-9]+$/.test(text) ? 'int' : 'double';
  if (kind === 'int' && !Number.isSafeInteger(value)) fail(at, `${shown(text)} is beyond 2^53 - 1, the largest int`);
  if (!Number.isFinite(value)) fail(at, `${shown(text)} is beyond the largest double`);
  return { kind, at, text, value };
}

function skipSpace(source: string, at: number): number {
  return at + (match(SPACE, source, at)?.length ?? 0);
}

function match(sticky: RegExp, source: string, at: number): string | null {
  sticky.lastIndex = at;
  return sticky.exec(source)?.[0] ?? null;
}
