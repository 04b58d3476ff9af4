import { compileExpression } from '../expressions/compile.ts';
import { ExpressionError } from '../expressions/problem.ts';
import type { Declared, Scope } from '../expressions/types.ts';
import type { CatalogueYaml, YamlField } from './catalogue-yaml.ts';
import type { Aggregate, FeatureExpression, FeatureValues } from './catalogue.ts';

export interface ParsedExpression {
  readonly expression: FeatureExpression;
  /** indexes of the features that it reads, ascending */
  readonly operands: readonly number[];
}

/**
 * The value of a feature of the aggregate `expression`; null for none that is good. A problem is told to `yaml`.
 * @param names of the earlier features; '' cannot be named
 */
export function parseFeatureExpression(
  yaml: CatalogueYaml,
  field: YamlField | undefined,
  name: string,
  line: number,
  aggregate: Aggregate,
  names: readonly string[],
): ParsedExpression | null {
  if (aggregate !== 'expression') {
    if (field) yaml.problem(field.line, `${name}: no "value" here`);
    return null;
  }
  const text = yaml.scalar(field);
  if (typeof text !== 'string') {
    yaml.problem(field?.line ?? line, `${name}: expression needs "value", a text such as "a / (b + 1.0)"`);
    return null;
  }
  try {
    const compiled = compileExpression(text, scopeOf(names));
    if (compiled.type === 'string') {
      yaml.problem(field!.line, `${name}: the value is a text; a feature is a number or true or false`);
      return null;
    }
    const { evaluate } = compiled;
    const numeric = (values: FeatureValues): number => {
      const value = evaluate(values);
      return value === null ? NaN : Number(value);
    };
    const operands = [...compiled.uses].map((used) => names.indexOf(used)).sort((a, b) => a - b);
    return { expression: { text: compiled.text, evaluate: numeric }, operands };
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError)) throw thrown;
    for (const { column, text: problem } of thrown.problems) {
      yaml.problem(field!.line, `${name}: value, column ${column}: ${problem}`);
    }
    return null;
  }
}

function scopeOf(names: readonly string[]): Scope<FeatureValues> {
  const scope = new Map<string, Declared<FeatureValues>>();
  names.forEach((name, k) => {
    if (name === '') return;
    scope.set(name, { type: 'double', nullable: true, read: ({ values, at }) => values[at + k] });
  });
  return scope;
}
