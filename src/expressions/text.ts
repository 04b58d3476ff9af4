import type { BinaryOperator, Expression } from './ast.ts';
import { KEYWORDS, NAME } from './tokens.ts';

/** How tightly an expression holds together; a part that holds less tightly than its place asks for is put in parentheses. */
const LEVEL = { conditional: 0, or: 1, and: 2, relation: 3, sum: 4, product: 5, unary: 6, member: 7 } as const;

const BINARY_LEVEL: Record<BinaryOperator, number> = {
  '<': LEVEL.relation,
  '<=': LEVEL.relation,
  '>': LEVEL.relation,
  '>=': LEVEL.relation,
  '==': LEVEL.relation,
  '!=': LEVEL.relation,
  in: LEVEL.relation,
  '+': LEVEL.sum,
  '-': LEVEL.sum,
  '*': LEVEL.product,
  '/': LEVEL.product,
  '%': LEVEL.product,
};

/**
 * The one text of all expressions with this tree, for fingerprints: `parseExpression` of it gives the same tree again.
 * It has single spaces, double quotes, no comment, and no parentheses that are not needed.
 */
export function expressionText(node: Expression): string {
  return print(node, LEVEL.conditional);
}

function print(node: Expression, least: number): string {
  const [level, text] = levelAndText(node);
  return level < least ? `(${text})` : text;
}

function levelAndText(node: Expression): [level: number, text: string] {
  switch (node.kind) {
    case 'literal':
      if (typeof node.value !== 'number') return [LEVEL.member, JSON.stringify(node.value)];
      return [node.value < 0 ? LEVEL.unary : LEVEL.member, numberText(node.type, node.value)];
    case 'list':
      return [LEVEL.member, `[${printAll(node.items)}]`];
    case 'name':
      return [LEVEL.member, node.name];
    case 'field': {
      const plain = NAME.test(node.key) && !KEYWORDS.has(node.key);
      return [LEVEL.member, node.of + (plain ? `.${node.key}` : `[${JSON.stringify(node.key)}]`)];
    }
    case 'not':
      return [LEVEL.unary, `!${print(node.operand, LEVEL.unary)}`];
    case 'negate':
      // -(-x), lest two signs meet
      return [LEVEL.unary, `-${print(node.operand, LEVEL.member)}`];
    case 'binary': {
      const level = BINARY_LEVEL[node.operator];
      return [level, `${print(node.left, level)} ${node.operator} ${print(node.right, level + 1)}`];
    }
    case 'and':
      return [LEVEL.and, node.operands.map((operand) => print(operand, LEVEL.relation)).join(' && ')];
    case 'or':
      return [LEVEL.or, node.operands.map((operand) => print(operand, LEVEL.and)).join(' || ')];
    case 'conditional': {
      const { condition, yes, no } = node;
      const choice = `${print(yes, LEVEL.or)} : ${print(no, LEVEL.conditional)}`;
      return [LEVEL.conditional, `${print(condition, LEVEL.or)} ? ${choice}`];
    }
    case 'method':
      return [LEVEL.member, `${print(node.target, LEVEL.member)}.${node.name}(${printAll(node.args)})`];
    case 'call':
      return [LEVEL.member, `${node.name}(${printAll(node.args)})`];
  }
}

function printAll(nodes: readonly Expression[]): string {
  return nodes.map((node) => print(node, LEVEL.conditional)).join(', ');
}

/** The shortest digits that read back as the same number; a double always shows that it is one. */
function numberText(type: string, value: number): string {
  const text = String(value);
  return type === 'double' && !/[.e]/.test(text) ? `${text}.0` : text;
}
