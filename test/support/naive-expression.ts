import type { Expression } from '../../src/expressions/ast.ts';
import type { Seen } from './expression-scope.ts';

/**
 * The meaning of an expression by walking its tree, written for plainness: an int is a BigInt here, a double a number,
 * so that the two cannot be mixed up. Only for expressions that are typed rightly.
 */
export type Naive = bigint | number | string | boolean | null | readonly Naive[];

const SAFE = 2n ** 53n - 1n;

export function naiveValue(node: Expression, seen: Seen): Naive {
  const value = (part: Expression): Naive => naiveValue(part, seen);
  switch (node.kind) {
    case 'literal':
      return node.type === 'int' ? BigInt(node.value) : node.value;
    case 'list':
      return node.items.map(value);
    case 'name':
      return named(node.name, seen);
    case 'field':
      return node.of === 'attributes'
        ? (new Map(Object.entries(seen.attributes)).get(node.key) ?? null)
        : seen.is_fraud;
    case 'not':
      return value(node.operand) !== true;
    case 'negate': {
      const operand = value(node.operand);
      return typeof operand === 'bigint' ? -operand : typeof operand === 'number' ? -operand : null;
    }
    case 'and':
      return node.operands.every((operand) => value(operand) === true);
    case 'or':
      return node.operands.some((operand) => value(operand) === true);
    case 'conditional':
      return asDeclared(node, value(node.condition) === true ? value(node.yes) : value(node.no));
    case 'binary':
      return binary(node.operator, value(node.left), value(node.right));
    case 'method':
      return method(node.name, value(node.target), node.args.map(value));
    case 'call':
      return asDeclared(node, call(node.name, node.args.map(value)));
  }
}

function named(name: string, seen: Seen): Naive {
  const int = (value: number | null): bigint | null => (value === null ? null : BigInt(value));
  switch (name) {
    case 'amount_minor':
      return int(seen.amount_minor);
    case 'visits':
      return int(seen.visits);
    case 'score':
      return Number.isFinite(seen.score) ? seen.score : null;
    case 'blocked':
      return seen.blocked === null ? null : [...seen.blocked];
    default:
      return seen[name as 'country' | 'device_id' | 'is_known'];
  }
}

/** A choice between an int and a double is a double, whichever is chosen. */
function asDeclared(node: Expression, value: Naive): Naive {
  return typeof value === 'bigint' && !isInt(node) ? Number(value) : value;
}

function isInt(node: Expression): boolean {
  switch (node.kind) {
    case 'literal':
      return node.type === 'int' || node.type === 'null';
    case 'name':
      return node.name === 'amount_minor' || node.name === 'visits';
    case 'negate':
      return isInt(node.operand);
    case 'binary':
      return isInt(node.left) && isInt(node.right);
    case 'conditional':
      return isInt(node.yes) && isInt(node.no);
    case 'call':
      return node.name === 'int' || (node.name !== 'double' && node.args.every(isInt));
    default:
      return node.kind === 'method';
  }
}

function binary(operator: string, left: Naive, right: Naive): Naive {
  if (operator === '==') return equal(left, right);
  if (operator === '!=') return !equal(left, right);
  if (operator === 'in') return Array.isArray(right) && right.some((item) => equal(left, item as Naive));
  const isOrder = /[<>]/.test(operator);
  if (left === null || right === null) return isOrder ? false : null;
  if (isOrder) return inOrder(operator, left, right);
  if (typeof left === 'bigint' && typeof right === 'bigint') return intArithmetic(operator, left, right);
  const result = doubleArithmetic(operator, Number(left), Number(right));
  return Number.isFinite(result) ? result : null;
}

function equal(left: Naive, right: Naive): boolean {
  if (left === null || right === null) return left === right;
  // 1n === 1 is false, yet the two have an order
  if (typeof left === 'bigint' || typeof right === 'bigint') return !(left < right) && !(left > right);
  return left === right;
}

function inOrder(operator: string, left: Naive, right: Naive): boolean {
  const sign =
    typeof left === 'string' ? byCodePoint(left, String(right)) : left! < right! ? -1 : left! > right! ? 1 : 0;
  if (operator === '<') return sign < 0;
  if (operator === '<=') return sign <= 0;
  return operator === '>' ? sign > 0 : sign >= 0;
}

/** UTF-8 sorts as code points do. */
function byCodePoint(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function intArithmetic(operator: string, left: bigint, right: bigint): bigint | null {
  if (right === 0n && (operator === '/' || operator === '%')) return null;
  const results: Record<string, () => bigint> = {
    '+': () => left + right,
    '-': () => left - right,
    '*': () => left * right,
    '/': () => left / right,
    '%': () => left % right,
  };
  return safe(results[operator]!());
}

function safe(value: bigint): bigint | null {
  return value > SAFE || value < -SAFE ? null : value;
}

function doubleArithmetic(operator: string, left: number, right: number): number {
  if (operator === '+') return left + right;
  if (operator === '-') return left - right;
  if (operator === '*') return left * right;
  return operator === '/' ? left / right : left % right;
}

function method(name: string, target: Naive, [argument]: Naive[]): Naive {
  if (name === 'size') {
    return target === null ? null : BigInt(Array.isArray(target) ? target.length : Array.from(String(target)).length);
  }
  if (typeof target !== 'string' || typeof argument !== 'string') return false;
  if (name === 'startsWith') return target.slice(0, argument.length) === argument;
  if (name === 'endsWith') return argument === '' || target.slice(-argument.length) === argument;
  if (name === 'contains') return target.split(argument).length > 1 || argument === '';
  return new RegExp(argument, 'su').test(target);
}

function call(name: string, args: Naive[]): Naive {
  const [first] = args;
  if (name === 'has') return first !== null;
  if (args.some((argument) => argument === null)) return null;
  if (name === 'double') return toDouble(first!);
  if (name === 'int') return toInt(first!);
  if (name === 'abs') return typeof first === 'bigint' ? (first < 0n ? -first : first) : Math.abs(Number(first));
  const numbers = args as (bigint | number)[];
  return numbers.reduce((best, number) => ((name === 'min' ? number < best : number > best) ? number : best));
}

function toDouble(value: Naive): number | null {
  if (typeof value !== 'string') return Number(value);
  const number = /^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(value) ? Number(value) : NaN;
  return Number.isFinite(number) ? number : null;
}

function toInt(value: Naive): bigint | null {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return safe(BigInt(Math.trunc(value)));
  return typeof value === 'string' && /^[-+]?\d+$/.test(value) ? safe(BigInt(value.replace('+', ''))) : null;
}
