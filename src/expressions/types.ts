/** What an expression can be worth. `null`: unknown, absent, or without a finite answer. */
export type Value = boolean | number | string | null;

export type ScalarType = 'bool' | 'int' | 'double' | 'string';

export type Read<Env, V extends Value = Value> = (env: Env) => V;

/**
 * A name that expressions may use, its type and the way to it. `read` runs for every event: it is chosen when the
 * expression is compiled, must not throw, and gives null (or undefined, or a number that is not finite) for what is
 * absent. `nullable` says whether it ever does; it is told to whoever uses the result, and nothing breaks where it is wrong.
 */
export type Declared<Env> =
  | { readonly type: 'bool'; readonly nullable: boolean; readonly read: (env: Env) => boolean | null | undefined }
  | {
      readonly type: 'int' | 'double';
      readonly nullable: boolean;
      readonly read: (env: Env) => number | null | undefined;
    }
  | {
      readonly type: 'string';
      readonly nullable: boolean;
      readonly read: (env: Env) => string | null | undefined;
      /** all that it can be; a literal that is none of them is a problem */
      readonly words?: readonly string[];
    }
  | {
      readonly type: 'list<string>';
      readonly nullable: boolean;
      readonly read: (env: Env) => Strings | null | undefined;
    }
  /** the way to each entry is asked for once, when an expression names it; null where there is no such entry */
  | { readonly type: 'map<string>'; readonly entry: (key: string) => Entry<Env> | null };

export type Entry<Env> = (env: Env) => string | null | undefined;

/** A set answers `in` without a walk over its items. */
export type Strings = readonly string[] | ReadonlySet<string>;

/** Names, also with a dot in them (`label.is_fraud`), and what stands behind them. */
export type Scope<Env> = ReadonlyMap<string, Declared<Env>>;

/** A part that has passed the type check. `unknown` is a part whose problem has been told: it fits everywhere. */
export interface Typed<Env> {
  readonly type: ScalarType | 'null' | 'unknown';
  readonly nullable: boolean;
  /** never throws, never undefined, and a number from it is finite */
  readonly read: Read<Env>;
  /** the value of a literal */
  readonly literal?: Value;
  /** all that a string can be */
  readonly words?: readonly string[];
}

/** A list stands right of `in` or before `.size()`; it is never a value itself. */
export interface TypedList<Env> {
  readonly element: Typed<Env>['type'];
  readonly literals?: readonly (Value | undefined)[];
  /** false when the list itself is null */
  readonly includes: (needle: Read<Env>) => Read<Env>;
  readonly size: Read<Env, number | null>;
}

export const UNKNOWN = { type: 'unknown', nullable: true, read: () => null } as const satisfies Typed<unknown>;

export function isNumeric(type: Typed<unknown>['type']): boolean {
  return type === 'int' || type === 'double' || type === 'unknown';
}

/** For messages. */
export function withArticle(type: string): string {
  return type === 'int' || type === 'unknown' ? `an ${type}` : type === 'null' ? type : `a ${type}`;
}

/** Can one be told from the other? int and double can, and null from everything. */
export function areComparable(a: Typed<unknown>['type'], b: Typed<unknown>['type']): boolean {
  return (
    a === b || a === 'unknown' || b === 'unknown' || a === 'null' || b === 'null' || (isNumeric(a) && isNumeric(b))
  );
}
