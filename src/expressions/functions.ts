import { didYouMean } from '../domain/suggest.ts';
import { METHODS, type Argument } from './methods.ts';
import { shown, type Report } from './problem.ts';
import { isNumeric, UNKNOWN, withArticle, type Read, type Typed, type Value } from './types.ts';

const CONVERSIONS = { double: toDouble, int: toInt } as const;

const FUNCTIONS: readonly string[] = ['has', 'abs', 'min', 'max', ...Object.keys(CONVERSIONS)];

/** `name(args)` of values: null when one of them is null. `has` is compiled elsewhere: it takes a name. */
export function call<Env>(name: string, at: number, args: readonly Argument<Env>[], report: Report): Typed<Env> {
  switch (name) {
    case 'abs':
      return abs(at, args, report);
    case 'min':
    case 'max':
      return extreme(name, at, args, report);
    case 'double':
    case 'int':
      return convert(name, at, args, report);
    default: {
      const advice = METHODS.includes(name)
        ? `; ${name} is a method, as in x.${name}(…)`
        : `${didYouMean(name, FUNCTIONS)} (known: ${FUNCTIONS.join(', ')})`;
      report(at, `unknown function ${shown(name)}${advice}`);
      return UNKNOWN;
    }
  }
}

function abs<Env>(at: number, args: readonly Argument<Env>[], report: Report): Typed<Env> {
  const [argument] = args;
  if (argument === undefined || args.length !== 1) {
    report(at, `abs takes one number, not ${args.length} arguments`);
    return UNKNOWN;
  }
  expectNumber('abs', argument, report);
  const { type, nullable, read } = argument.typed;
  return {
    type,
    nullable,
    read: (env) => {
      const value = read(env);
      return typeof value === 'number' ? Math.abs(value) : null;
    },
  };
}

function extreme<Env>(name: 'min' | 'max', at: number, args: readonly Argument<Env>[], report: Report): Typed<Env> {
  if (args.length < 2) {
    report(at, `${name} takes two numbers or more, not ${args.length === 0 ? 'none' : 'one'}`);
    return UNKNOWN;
  }
  for (const argument of args) expectNumber(name, argument, report);
  const types = args.map(({ typed }) => typed.type);
  const reads = args.map(({ typed }) => typed.read);
  return {
    type: types.every((type) => type === 'int') ? 'int' : 'double',
    nullable: args.some(({ typed }) => typed.nullable),
    read: fold(name === 'min' ? Math.min : Math.max, reads),
  };
}

function fold<Env>(pick: (a: number, b: number) => number, reads: readonly Read<Env>[]): Read<Env> {
  const [first, ...others] = reads;
  return (env) => {
    let best = first?.(env) ?? null;
    for (const read of others) {
      const value = read(env);
      if (typeof value !== 'number' || typeof best !== 'number') return null;
      best = pick(best, value);
    }
    return best;
  };
}

function expectNumber(name: string, { at, typed }: Argument<never>, report: Report): void {
  if (!isNumeric(typed.type)) report(at, `${name} takes numbers, not ${withArticle(typed.type)}`);
}

function convert<Env>(
  name: keyof typeof CONVERSIONS,
  at: number,
  args: readonly Argument<Env>[],
  report: Report,
): Typed<Env> {
  const [argument] = args;
  if (argument === undefined || args.length !== 1) {
    report(at, `${name} takes one number or string, not ${args.length} arguments`);
    return UNKNOWN;
  }
  const { type, read } = argument.typed;
  if (!isNumeric(type) && type !== 'string') {
    report(argument.at, `${name} takes a number or a string, not ${withArticle(type)}`);
  }
  const conversion = CONVERSIONS[name];
  return { type: name, nullable: true, read: (env) => conversion(read(env)) };
}

/** Decimal digits with an optional point and exponent, and nothing else: JavaScript would take '' and 0x10 as well. */
function toDouble(value: Value): number | null {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)) return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** A double loses its fraction; null beyond ±(2^53 - 1). */
function toInt(value: Value): number | null {
  const isText = typeof value === 'string' && /^[+-]?\d+$/.test(value);
  const number = typeof value === 'number' ? Math.trunc(value) : isText ? Number(value) : NaN;
  // no negative zero
  return Number.isSafeInteger(number) ? number + 0 : null;
}
