import { isScalar, Scalar } from 'yaml';
import { compileExpression, type CompiledExpression } from '../expressions/compile.ts';
import { ExpressionError } from '../expressions/problem.ts';
import type { Scope } from '../expressions/types.ts';
import type { CatalogueYaml, YamlField } from './catalogue-yaml.ts';

/**
 * The expression that stands in a value; null where it has problems: each is told to `yaml`, with its line of the file and its
 * column in the expression.
 * @param what for messages: feature and key
 */
export function expressionOf<Env>(
  yaml: CatalogueYaml,
  field: YamlField,
  what: string,
  scope: Scope<Env>,
): CompiledExpression<Env> | null {
  const text = yaml.scalar(field);
  if (typeof text !== 'string') {
    yaml.problem(field.line, `${what} is an expression in quotes`);
    return null;
  }
  try {
    return compileExpression(text, scope);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const first = yaml.lineOf(field.node);
    // The lines of a literal block are lines of the file; other texts are folded.
    const isBlock = isScalar(field.node) && field.node.type === Scalar.BLOCK_LITERAL;
    for (const { line, column, text: problem } of error.problems) {
      const place = isBlock || line === 1 ? `column ${column}` : `line ${line} column ${column}`;
      yaml.problem(isBlock ? first + line : first, `${what}: ${place}: ${problem}`);
    }
    return null;
  }
}
