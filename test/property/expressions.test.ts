import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Expression } from '../../src/expressions/ast.ts';
import { compileExpression } from '../../src/expressions/compile.ts';
import { parseExpression } from '../../src/expressions/parse.ts';
import { ExpressionError } from '../../src/expressions/problem.ts';
import { expressionText } from '../../src/expressions/text.ts';
import type { Value } from '../../src/expressions/types.ts';
import { garbage, seens, trees, typed } from '../support/expression-arbitraries.ts';
import { SCOPE } from '../support/expression-scope.ts';
import { naiveValue } from '../support/naive-expression.ts';

/** Trees beyond the limits have tests of their own. */
function withinLimits(text: string): boolean {
  try {
    parseExpression(text);
    return true;
  } catch (error) {
    if (error instanceof ExpressionError && /deeper|parts|characters/.test(error.message)) return false;
    throw error;
  }
}

/** Without places. */
function shape(node: Expression): unknown {
  return JSON.parse(
    JSON.stringify(node, (key, value: unknown) => (key === 'at' && typeof value === 'number' ? 0 : value)),
  );
}

/** Everything in parentheses, odd spaces, a comment: the same tree. */
function loose(node: Expression): string {
  const all = (nodes: readonly Expression[]): string => nodes.map(loose).join(' ,');
  switch (node.kind) {
    case 'literal':
    case 'name':
    case 'field':
      return `( ${expressionText(node)})`;
    case 'list':
      return `[${all(node.items)}]`;
    case 'not':
      return `(!\t${loose(node.operand)})`;
    case 'negate':
      return `(- ${loose(node.operand)})`;
    case 'binary':
      return `(${loose(node.left)} ${node.operator}\n${loose(node.right)})`;
    case 'and':
      return node.operands.map(loose).reduceRight((right, left) => `(${left}&&${right})`);
    case 'or':
      return node.operands.map(loose).reduce((left, right) => `(${left}||${right} // so\n)`);
    case 'conditional':
      return `(${loose(node.condition)}?${loose(node.yes)}:${loose(node.no)})`;
    case 'method':
      return `(${loose(node.target)} . ${node.name}(${all(node.args)}))`;
    case 'call':
      return `(${node.name} (${all(node.args)}))`;
  }
}

function typeName(value: Value): string {
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

describe('an expression', () => {
  it('is worth what a walk over its tree says', () => {
    const tally = { compared: 0, nulls: 0, beyond: 0 };
    fc.assert(
      fc.property(
        fc.oneof(typed.bool, typed.int, typed.double, typed.string),
        fc.array(seens, { minLength: 1, maxLength: 6 }),
        (tree, cases) => {
          const text = expressionText(tree);
          if (!withinLimits(text)) return void tally.beyond++;
          const { evaluate, nullable } = compileExpression(text, SCOPE);
          for (const seen of cases) {
            const naive = naiveValue(tree, seen);
            const expected = typeof naive === 'bigint' ? Number(naive) : naive;
            const value = evaluate(seen);
            tally.compared++;
            if (value === null) tally.nulls++;
            // +0 and -0 are one number in the language
            expect(value === 0 ? 0 : value, text).toBe(expected === 0 ? 0 : expected);
            if (!nullable) expect(value === null && !/score/.test(text), text).toBe(false);
          }
        },
      ),
      { numRuns: 5000 },
    );
    expect(tally.compared).toBeGreaterThan(5000);
    expect(tally.nulls).toBeGreaterThan(200);
    expect(tally.nulls).toBeLessThan(tally.compared / 2);
    expect(tally.beyond).toBeLessThan(500);
  });

  it('reads back from its canonical text as the same tree', () => {
    let beyond = 0;
    fc.assert(
      fc.property(fc.oneof(trees, typed.bool), (tree) => {
        const text = expressionText(tree);
        if (!withinLimits(text)) return void beyond++;
        expect(shape(parseExpression(text))).toEqual(shape(tree));
        expect(expressionText(parseExpression(text))).toBe(text);
      }),
      { numRuns: 5000 },
    );
    expect(beyond).toBeLessThan(500);
  });

  it('has the same canonical text however it is laid out', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const text = loose(tree);
        if (withinLimits(text)) expect(expressionText(parseExpression(text))).toBe(expressionText(tree));
      }),
      { numRuns: 3000 },
    );
  });

  it('made of garbage is refused with our error, or has a value of its type', () => {
    let compiled = 0;
    fc.assert(
      fc.property(garbage, seens, (text, seen) => {
        try {
          const { evaluate, type } = compileExpression(text, SCOPE);
          const value = evaluate(seen);
          compiled++;
          if (value !== null) expect(typeName(value)).toBe(type === 'int' || type === 'double' ? 'number' : type);
        } catch (error) {
          if (!(error instanceof ExpressionError)) throw error;
          expect(error.problems.length).toBeGreaterThan(0);
          expect(error.code).toBe('FS_CATALOGUE_INVALID');
          for (const { line, column } of error.problems) expect(Math.min(line, column)).toBeGreaterThanOrEqual(1);
        }
      }),
      { numRuns: 10_000 },
    );
    expect(compiled).toBeGreaterThan(10);
  });
});
