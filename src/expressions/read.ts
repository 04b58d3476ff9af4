import type { Declared, Entry, Typed } from './types.ts';

/**
 * A declared name as a part of an expression. Whatever its `read` gives, a value of another type is null from here on:
 * every operator relies on it, so that none can throw.
 * @returns null for a list
 */
export function readDeclared<Env>(declared: Exclude<Declared<Env>, { type: 'map<string>' }>): Typed<Env> | null {
  const { nullable } = declared;
  switch (declared.type) {
    case 'bool': {
      const { read } = declared;
      return {
        type: 'bool',
        nullable,
        read: (env) => {
          const value = read(env);
          return typeof value === 'boolean' ? value : null;
        },
      };
    }
    case 'int':
    case 'double': {
      const { type, read } = declared;
      return {
        type,
        nullable,
        read: (env) => {
          const value = read(env);
          // not so for NaN and infinities
          return typeof value === 'number' && value - value === 0 ? value : null;
        },
      };
    }
    case 'string':
      return {
        type: 'string',
        nullable,
        read: readString(declared.read),
        ...(declared.words === undefined ? {} : { words: declared.words }),
      };
    case 'list<string>':
      return null;
  }
}

/** An entry of a map: there or not. */
export function readEntry<Env>(entry: Entry<Env>): Typed<Env> {
  return { type: 'string', nullable: true, read: readString(entry) };
}

function readString<Env>(read: Entry<Env>): (env: Env) => string | null {
  return (env) => {
    const value = read(env);
    return typeof value === 'string' ? value : null;
  };
}
