import type { CompiledExpression } from '../expressions/compile.ts';
import { withArticle } from '../expressions/types.ts';
import type { CatalogueYaml, YamlField } from './catalogue-yaml.ts';
import { expressionOf } from './expression-yaml.ts';
import { catalogueScope, type WithPayment } from './payment-scope.ts';

/** A payment and the values of its features: one per feature of the catalogue from `at` on; NaN = no value. */
export interface FeatureRow extends WithPayment {
  values: Float64Array;
  at: number;
  payment: WithPayment['payment'];
}

export interface FeatureExpression {
  readonly compiled: CompiledExpression<FeatureRow>;
  /** indexes of the features that it reads, ascending */
  readonly operands: readonly number[];
}

/**
 * An expression over a payment and the features above it, which are doubles that may be null. A problem is told to `yaml`.
 * @param name of the feature
 * @param names of the features above, '' for one that has problems
 */
export function parseFeatureExpression(
  yaml: CatalogueYaml,
  field: YamlField,
  name: string,
  names: readonly string[],
): FeatureExpression | null {
  const readers = names.map((one, index) => [one, (row: FeatureRow) => row.values[row.at + index]!] as const);
  const above = readers.filter(([one]) => one !== '');
  const compiled = expressionOf(yaml, field, `${name}: of`, catalogueScope<FeatureRow>(above, null));
  if (compiled === null) return null;
  if (compiled.type === 'string') {
    yaml.problem(
      yaml.lineOf(field.node),
      `${name}: of is ${withArticle(compiled.type)}; a feature is a number, or a condition as 1 and 0`,
    );
    return null;
  }
  const fields = catalogueScope<FeatureRow>([], null);
  const operands = [...compiled.uses].filter((one) => !fields.has(one)).map((one) => names.indexOf(one));
  return { compiled, operands: operands.filter((index) => index >= 0).sort((a, b) => a - b) };
}

/** NaN for null; 1 and 0 for true and false. */
export function valueOf(expression: FeatureExpression, row: FeatureRow): number {
  const value = expression.compiled.evaluate(row);
  if (typeof value === 'number') return value;
  return typeof value === 'boolean' ? Number(value) : NaN;
}
