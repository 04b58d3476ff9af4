import { didYouMean } from '../domain/suggest.ts';
import type { EqualityOperator, OrderOperator } from './ast.ts';
import { areComparable, isNumeric, withArticle, type Read, type Typed, type Value } from './types.ts';

const MIRRORED: Record<OrderOperator, OrderOperator> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

/** Against a constant: the commonest condition of all, so it is worth a closure of its own. */
const NUMBER_BESIDE_LITERAL: Record<OrderOperator, <Env>(read: Read<Env>, bound: number) => Read<Env>> = {
  '<': (read, bound) => (env) => {
    const value = read(env);
    return typeof value === 'number' && value < bound;
  },
  '<=': (read, bound) => (env) => {
    const value = read(env);
    return typeof value === 'number' && value <= bound;
  },
  '>': (read, bound) => (env) => {
    const value = read(env);
    return typeof value === 'number' && value > bound;
  },
  '>=': (read, bound) => (env) => {
    const value = read(env);
    return typeof value === 'number' && value >= bound;
  },
};

/** Of the sign of a comparison, or of a difference. */
const HOLDS: Record<OrderOperator, (sign: number) => boolean> = {
  '<': (sign) => sign < 0,
  '<=': (sign) => sign <= 0,
  '>': (sign) => sign > 0,
  '>=': (sign) => sign >= 0,
};

/** `left operator right`, false when a side is null. */
export function order<Env>(
  operator: OrderOperator,
  left: Typed<Env>,
  right: Typed<Env>,
  report: (text: string) => void,
): Typed<Env> {
  const areNumbers = isNumeric(left.type) && isNumeric(right.type);
  const areStrings = isText(left) && isText(right);
  if (!areNumbers && !areStrings) {
    report(
      left.type === 'null' || right.type === 'null'
        ? `${operator} takes two numbers or two strings, not null; write == null or has(…)`
        : `${operator} takes two numbers or two strings, not ${pair(left, right)}`,
    );
  }
  return { type: 'bool', nullable: false, read: orderRead(operator, left, right) };
}

function isText(typed: Typed<never>): boolean {
  return typed.type === 'string' || typed.type === 'unknown';
}

function orderRead<Env>(operator: OrderOperator, left: Typed<Env>, right: Typed<Env>): Read<Env> {
  if (typeof right.literal === 'number') return NUMBER_BESIDE_LITERAL[operator](left.read, right.literal);
  if (typeof left.literal === 'number') return NUMBER_BESIDE_LITERAL[MIRRORED[operator]](right.read, left.literal);
  const holds = HOLDS[operator];
  const [a, b] = [left.read, right.read];
  return (env) => {
    const x = a(env);
    const y = b(env);
    if (typeof x === 'number') return typeof y === 'number' && holds(x < y ? -1 : x > y ? 1 : 0);
    return typeof x === 'string' && typeof y === 'string' && holds(compareStrings(x, y));
  };
}

/** By code point, as CEL does; JavaScript's own order has surrogates, so all from U+10000 on, before U+E000. */
function compareStrings(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/** `left operator right`: null is a value like any other here, equal to itself alone. */
export function equality<Env>(
  operator: EqualityOperator,
  left: Typed<Env>,
  right: Typed<Env>,
  report: (text: string) => void,
): Typed<Env> {
  if (!areComparable(left.type, right.type)) {
    report(`${operator} takes two values of one type, not ${pair(left, right)}`);
  }
  expectWord(left, right.literal, report);
  expectWord(right, left.literal, report);
  const read = operator === '==' ? equal(left, right) : unequal(left, right);
  return { type: 'bool', nullable: false, read };
}

/** A string of a closed set is compared with one of them. */
export function expectWord({ words }: Typed<never>, literal: Value | undefined, report: (text: string) => void): void {
  if (words === undefined || typeof literal !== 'string' || words.includes(literal)) return;
  report(
    `it is never ${JSON.stringify(literal.slice(0, 40))}, but one of ${words.join(', ')}${didYouMean(literal, words)}`,
  );
}

function equal<Env>(left: Typed<Env>, right: Typed<Env>): Read<Env> {
  const [a, b] = [left.read, right.read];
  const { literal } = right;
  if (literal !== undefined) return (env) => a(env) === literal;
  return (env) => a(env) === b(env);
}

function unequal<Env>(left: Typed<Env>, right: Typed<Env>): Read<Env> {
  const [a, b] = [left.read, right.read];
  const { literal } = right;
  if (literal !== undefined) return (env) => a(env) !== literal;
  return (env) => a(env) !== b(env);
}

function pair(left: Typed<never>, right: Typed<never>): string {
  const mixed = [left.type, right.type];
  const isReadable = mixed.includes('string') && mixed.some((type) => type === 'int' || type === 'double');
  const advice = isReadable ? '; double(…) reads a number from text' : '';
  return `${withArticle(left.type)} and ${withArticle(right.type)}${advice}`;
}
