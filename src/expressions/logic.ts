import type { Report } from './problem.ts';
import { isNumeric, UNKNOWN, withArticle, type Read, type Typed } from './types.ts';

/** Where a bool is asked for, null counts as false. */
export function expectBool(typed: Typed<never>, at: number, who: string, report: Report): void {
  if (typed.type !== 'bool' && typed.type !== 'unknown') {
    report(at, `${who} takes a bool, not ${withArticle(typed.type)}`);
  }
}

export function not<Env>(operand: Typed<Env>): Typed<Env> {
  const { read } = operand;
  return { type: 'bool', nullable: false, read: (env) => read(env) !== true };
}

/** The operands in their order, up to the first that is not true. */
export function and<Env>(operands: readonly Typed<Env>[]): Typed<Env> {
  const reads = operands.map((operand) => operand.read);
  return { type: 'bool', nullable: false, read: allOf(reads) };
}

/** Two and three are written out: a loop over closures costs twice as much. */
function allOf<Env>(reads: readonly Read<Env>[]): Read<Env> {
  const [a, b, c] = reads;
  if (a && b && reads.length === 2) return (env) => a(env) === true && b(env) === true;
  if (a && b && c && reads.length === 3) return (env) => a(env) === true && b(env) === true && c(env) === true;
  return (env) => {
    for (const read of reads) if (read(env) !== true) return false;
    return true;
  };
}

/** The operands in their order, up to the first that is true. */
export function or<Env>(operands: readonly Typed<Env>[]): Typed<Env> {
  const reads = operands.map((operand) => operand.read);
  return { type: 'bool', nullable: false, read: anyOf(reads) };
}

function anyOf<Env>(reads: readonly Read<Env>[]): Read<Env> {
  const [a, b] = reads;
  if (a && b && reads.length === 2) return (env) => a(env) === true || b(env) === true;
  return (env) => {
    for (const read of reads) if (read(env) === true) return true;
    return false;
  };
}

/** `condition ? yes : no`; int and double meet as double. */
export function choose<Env>(
  condition: Typed<Env>,
  yes: Typed<Env>,
  no: Typed<Env>,
  report: (text: string) => void,
): Typed<Env> {
  const type = commonType(yes.type, no.type);
  if (type === null) {
    report(`both choices of ? : need one type, not ${withArticle(yes.type)} and ${withArticle(no.type)}`);
    return UNKNOWN;
  }
  const [asked, a, b] = [condition.read, yes.read, no.read];
  return { type, nullable: yes.nullable || no.nullable, read: (env) => (asked(env) === true ? a(env) : b(env)) };
}

type Type = Typed<never>['type'];

/** null: there is none */
export function commonType(a: Type, b: Type): Type | null {
  if (a === b || b === 'null') return a;
  if (a === 'null') return b;
  if (a === 'unknown' || b === 'unknown') return 'unknown';
  return isNumeric(a) && isNumeric(b) ? 'double' : null;
}
