import type { Mapping, Refusal } from '../../mapping/mapping.ts';

/**
 * The columns of a mapping from one JSON object or Avro record: `a` is its field, `a.b` a field of that name or field b
 * of field a. Texts, numbers and truth values are cells. A number whose digits may not be all that was written comes
 * with an exponent, so that no amount is made of it; an integer beyond 2^53 is refused, since two of them can be one.
 */
export class ObjectCells {
  readonly cells: (string | null)[] = [];
  private readonly columns: readonly { readonly name: string; readonly path: readonly string[] }[];

  constructor(mapping: Mapping) {
    this.columns = [...mapping.columns.keys()].map((name) => ({ name, path: name.split('.') }));
  }

  indexOf(column: string): number {
    return this.columns.findIndex(({ name }) => name === column);
  }

  /** Fills `cells`; returns why it cannot, else null. */
  read(row: unknown): Refusal | null {
    if (!isObject(row)) return { field: '', column: null, reason: 'not an object' };
    for (let k = 0; k < this.columns.length; k++) {
      const { name, path } = this.columns[k]!;
      const value = Object.hasOwn(row, name) ? row[name] : path.length === 1 ? null : valueAt(row, path);
      const reason = this.cell(k, value ?? null);
      if (reason !== null) return { field: '', column: name, reason };
    }
    return null;
  }

  private cell(at: number, value: unknown): string | null {
    this.cells[at] = null;
    switch (typeof value) {
      case 'string':
        if (LONE_SURROGATE.test(value)) return 'holds half a character';
        this.cells[at] = value;
        return null;
      case 'boolean':
        this.cells[at] = String(value);
        return null;
      case 'number': {
        if (Number.isInteger(value) && !Number.isSafeInteger(value))
          return 'an integer beyond 2^53; write it as a text';
        const text = String(value);
        const digits = text.replace(/^-?0*\.?0*/, '').replace('.', '').length;
        this.cells[at] = digits > EXACT_DIGITS ? value.toExponential() : text;
        return null;
      }
      default:
        return value === null ? null : 'neither a text, a number nor a truth value';
    }
  }
}

/** Any decimal of so many digits comes back from a float of 64 bits (IEEE 754). */
const EXACT_DIGITS = 15;

/** JSON can spell half a character, UTF-8 cannot: it would silently become another one. */
const LONE_SURROGATE = /\p{Surrogate}/u;

function valueAt(row: Record<string, unknown>, path: readonly string[]): unknown {
  let value: unknown = row;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return null;
    value = value[name];
  }
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
