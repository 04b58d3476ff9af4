import { didYouMean } from '../domain/suggest.ts';
import { shown, type Report } from './problem.ts';
import { compilePattern } from './regex.ts';
import { UNKNOWN, withArticle, type Read, type Typed } from './types.ts';

type StringTest = (text: string, part: string) => boolean;

/** Of a string and a string. */
const TESTS: ReadonlyMap<string, StringTest> = new Map<string, StringTest>([
  ['startsWith', (text, part) => text.startsWith(part)],
  ['endsWith', (text, part) => text.endsWith(part)],
  ['contains', (text, part) => text.includes(part)],
]);

export const METHODS: readonly string[] = [...TESTS.keys(), 'matches', 'size'];

export interface Argument<Env> {
  readonly at: number;
  readonly typed: Typed<Env>;
}

/** `target.name(args)` of a string: false when it or an argument is null, but its size is null then. */
export function method<Env>(
  name: string,
  at: number,
  target: Typed<Env>,
  args: readonly Argument<Env>[],
  report: Report,
): Typed<Env> {
  if (!METHODS.includes(name)) {
    report(at, `unknown method ${shown(name)}${didYouMean(name, METHODS)} (known: ${METHODS.join(', ')})`);
    return UNKNOWN;
  }
  if (target.type !== 'string' && target.type !== 'unknown') {
    report(
      at,
      `${name} is a method of ${name === 'size' ? 'strings and lists' : 'strings'}, not of ${withArticle(target.type)}`,
    );
  }
  const wanted = name === 'size' ? 0 : 1;
  if (args.length !== wanted) {
    report(at, `${name} takes ${wanted === 0 ? 'no argument' : 'one argument'}, not ${args.length}`);
  }
  const [argument] = args;
  if (name === 'size') return { type: 'int', nullable: target.nullable, read: size(target.read) };
  if (argument === undefined) return UNKNOWN;
  if (argument.typed.type !== 'string' && argument.typed.type !== 'unknown') {
    report(argument.at, `${name} takes a string, not ${withArticle(argument.typed.type)}`);
  }
  const test = TESTS.get(name);
  const read = test ? stringTest(test, target.read, argument.typed) : matches(target.read, argument, report);
  return { type: 'bool', nullable: false, read };
}

/** In code points, as CEL counts. */
function size<Env>(read: Read<Env>): Read<Env> {
  return (env) => {
    const text = read(env);
    if (typeof text !== 'string') return null;
    let characters = 0;
    for (let i = 0; i < text.length; i++) {
      // the second half of a pair has been counted with its first
      const pairs = i > 0 && isHigh(text.charCodeAt(i - 1)) && isLow(text.charCodeAt(i));
      if (!pairs) characters++;
    }
    return characters;
  };
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

function stringTest<Env>(test: StringTest, target: Read<Env>, argument: Typed<Env>): Read<Env> {
  const { literal, read } = argument;
  if (typeof literal === 'string') {
    return (env) => {
      const text = target(env);
      return typeof text === 'string' && test(text, literal);
    };
  }
  return (env) => {
    const text = target(env);
    const part = read(env);
    return typeof text === 'string' && typeof part === 'string' && test(text, part);
  };
}

function matches<Env>(target: Read<Env>, { at, typed }: Argument<Env>, report: Report): Read<Env> {
  if (typeof typed.literal !== 'string') {
    if (typed.type === 'string') report(at, 'matches takes its pattern as a literal string, so that it is checked now');
    return UNKNOWN.read;
  }
  const test = compilePattern(typed.literal);
  if (typeof test !== 'function') {
    report(at, test.problem);
    return UNKNOWN.read;
  }
  return (env) => {
    const text = target(env);
    return typeof text === 'string' && test(text);
  };
}
