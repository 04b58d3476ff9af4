import type { ArithmeticOperator } from './ast.ts';
import type { Report } from './problem.ts';
import { isNumeric, UNKNOWN, withArticle, type Read, type Typed } from './types.ts';

type Operation = (a: number, b: number) => number;

/** Doubles are IEEE 754. */
const DOUBLE: Record<ArithmeticOperator, Operation> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

/**
 * Division of ints drops the fraction, as in CEL. By way of the remainder it is exact, where the rounded quotient of
 * large ints may be one too much. `+ 0` makes a negative zero zero.
 */
const INT: Record<ArithmeticOperator, Operation> = {
  ...DOUBLE,
  '/': (a, b) => (a - (a % b)) / b + 0,
  '%': (a, b) => (a % b) + 0,
};

/** `left operator right`: null when a side is null or there is no finite answer (for ints: none within ±(2^53 - 1)). */
export function arithmetic<Env>(
  operator: ArithmeticOperator,
  left: Typed<Env>,
  right: Typed<Env>,
  report: (text: string) => void,
): Typed<Env> {
  if (!isNumeric(left.type) || !isNumeric(right.type)) {
    const text = left.type === 'string' || right.type === 'string' ? '; double(…) reads a number from text' : '';
    report(`${operator} takes two numbers, not ${withArticle(left.type)} and ${withArticle(right.type)}${text}`);
    return UNKNOWN;
  }
  if (left.type === 'unknown' || right.type === 'unknown') return UNKNOWN;
  const isInt = left.type === 'int' && right.type === 'int';
  return { type: isInt ? 'int' : 'double', nullable: true, read: apply(operator, isInt, left.read, right.read) };
}

function apply<Env>(operator: ArithmeticOperator, isInt: boolean, left: Read<Env>, right: Read<Env>): Read<Env> {
  const operation = (isInt ? INT : DOUBLE)[operator];
  const fits = isInt ? Number.isSafeInteger : Number.isFinite;
  return (env) => {
    const a = left(env);
    const b = right(env);
    if (typeof a !== 'number' || typeof b !== 'number') return null;
    const result = operation(a, b);
    return fits(result) ? result : null;
  };
}

/** `-operand` */
export function negate<Env>(operand: Typed<Env>, at: number, report: Report): Typed<Env> {
  const { type, nullable, read } = operand;
  if (!isNumeric(type)) {
    report(at, `- takes a number, not ${withArticle(type)}`);
    return UNKNOWN;
  }
  return {
    type,
    nullable,
    read: (env) => {
      const value = read(env);
      return typeof value === 'number' ? 0 - value : null;
    },
  };
}
