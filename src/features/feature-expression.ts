import { compileExpression, type CompiledExpression } from '../expressions/compile.ts';
import { ExpressionError } from '../expressions/problem.ts';
import type { Declared, Scope } from '../expressions/types.ts';

/** Where the values of a payment's features stand: one per feature of the catalogue from `at` on; NaN = no value. */
export interface FeatureRow {
  values: Float64Array;
  at: number;
}

export interface FeatureExpression {
  readonly compiled: CompiledExpression<FeatureRow>;
  /** indexes of the features that it reads, ascending */
  readonly operands: readonly number[];
}

/**
 * An expression over the features above it, all of them doubles that may be null.
 * @param names of the features above, '' for one that has problems
 * @returns in words what is wrong with it, when something is
 */
export function compileFeatureExpression(text: unknown, names: readonly string[]): FeatureExpression | string {
  if (typeof text !== 'string') return '"of" must be an expression in quotes';
  const scope = new Map<string, Declared<FeatureRow>>();
  names.forEach((name, index) => {
    if (name === '') return;
    scope.set(name, { type: 'double', nullable: true, read: (row) => row.values[row.at + index]! });
  });
  let compiled: CompiledExpression<FeatureRow>;
  try {
    compiled = compileExpression(text, scope satisfies Scope<FeatureRow>);
  } catch (error) {
    if (error instanceof ExpressionError) return error.message.replace(/^FS_\w+: /, '');
    throw error;
  }
  if (compiled.type === 'string') return 'is a text: a feature is a number, or true and false as 1 and 0';
  const operands = [...compiled.uses].map((name) => names.indexOf(name)).sort((a, b) => a - b);
  return { compiled, operands };
}

/** what expressions read: one for all, since nothing is computed beside it */
const row: FeatureRow = { values: new Float64Array(0), at: 0 };

/** NaN for null; 1 and 0 for true and false. The features stand in `values` from `at` on. */
export function valueOf(expression: FeatureExpression, values: Float64Array, at: number): number {
  row.values = values;
  row.at = at;
  const value = expression.compiled.evaluate(row);
  if (typeof value === 'number') return value;
  return typeof value === 'boolean' ? Number(value) : NaN;
}
