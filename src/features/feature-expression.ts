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
export function compileFeatureExpression(text: string, names: readonly string[]): FeatureExpression | string {
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

/** NaN for null; 1 and 0 for true and false. */
export function valueOf(expression: FeatureExpression, row: FeatureRow): number {
  const value = expression.compiled.evaluate(row);
  if (typeof value === 'number') return value;
  return typeof value === 'boolean' ? Number(value) : NaN;
}
