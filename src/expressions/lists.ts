import { expectWord } from './comparison.ts';
import { commonType } from './logic.ts';
import { areComparable, withArticle, type Read, type Strings, type Typed, type TypedList } from './types.ts';

/** Up to here a walk over the items is faster than the hash of a set. */
const WALK_MAX = 8;

/** `[a, b, …]`: items of one type. An empty list fits every value and holds none. */
export function listOf<Env>(
  items: readonly Typed<Env>[],
  report: (index: number, text: string) => void,
): TypedList<Env> {
  const [first, ...others] = items;
  let element = first?.type ?? 'unknown';
  if (first?.type === 'null') report(0, 'null cannot be an item; write == null');
  for (const [i, { type }] of others.entries()) {
    const common = type === 'null' ? null : commonType(element, type);
    if (common !== null) element = common;
    else if (type === 'null') report(i + 1, 'null cannot be an item; write == null');
    else report(i + 1, `the items of a list need one type, not ${withArticle(element)} and ${withArticle(type)}`);
  }
  return {
    element,
    literals: items.map((item) => item.literal),
    includes: includesOf(items),
    size: () => items.length,
  };
}

function includesOf<Env>(items: readonly Typed<Env>[]): (needle: Read<Env>) => Read<Env> {
  const literals = items.map((item) => item.literal);
  if (literals.includes(undefined)) {
    const reads = items.map((item) => item.read);
    return (needle) => (env) => {
      const value = needle(env);
      return reads.some((read) => read(env) === value);
    };
  }
  if (literals.length <= WALK_MAX) return (needle) => (env) => literals.includes(needle(env));
  const set = new Set(literals);
  return (needle) => (env) => set.has(needle(env));
}

/** A list that is read from the environment. */
export function listFrom<Env>(read: (env: Env) => Strings | null | undefined): TypedList<Env> {
  return {
    element: 'string',
    includes: (needle) => (env) => {
      const strings = read(env);
      const value = needle(env);
      if (typeof value !== 'string' || strings === null || strings === undefined) return false;
      return Array.isArray(strings) ? strings.includes(value) : (strings as ReadonlySet<string>).has(value);
    },
    size: (env) => {
      const strings = read(env);
      if (strings === null || strings === undefined) return null;
      return Array.isArray(strings) ? strings.length : (strings as ReadonlySet<string>).size;
    },
  };
}

/** `value in list` */
export function membership<Env>(value: Typed<Env>, list: TypedList<Env>, report: (text: string) => void): Typed<Env> {
  if (value.type === 'null') report('null is in no list; write == null');
  else if (!areComparable(value.type, list.element)) {
    report(`in takes a value like those of the list, not ${withArticle(value.type)} in a list<${list.element}>`);
  }
  for (const literal of list.literals ?? []) expectWord(value, literal, report);
  return { type: 'bool', nullable: false, read: list.includes(value.read) };
}
