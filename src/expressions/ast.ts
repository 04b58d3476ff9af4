/**
 * An expression as written, without its layout: redundant parentheses, spaces, comments, the kind of quotes and the two
 * ways to name a field are gone. `at` is the offset in the text, UTF-16 units, for messages.
 *
 * `&&` and `||` hold all their operands side by side, since `(a && b) && c` and `a && (b && c)` are the same question.
 */
export type Expression =
  | LiteralNode
  | { readonly kind: 'list'; readonly at: number; readonly items: readonly Expression[] }
  | NameNode
  | FieldNode
  | { readonly kind: 'not' | 'negate'; readonly at: number; readonly operand: Expression }
  | BinaryNode
  | { readonly kind: 'and' | 'or'; readonly at: number; readonly operands: readonly Expression[] }
  | ConditionalNode
  | MethodNode
  | CallNode;

/** A number is never the operand of `negate`: its sign is part of the literal. */
export type LiteralNode =
  | { readonly kind: 'literal'; readonly at: number; readonly type: 'bool'; readonly value: boolean }
  | { readonly kind: 'literal'; readonly at: number; readonly type: 'int' | 'double'; readonly value: number }
  | { readonly kind: 'literal'; readonly at: number; readonly type: 'string'; readonly value: string }
  | { readonly kind: 'literal'; readonly at: number; readonly type: 'null'; readonly value: null };

export interface NameNode {
  readonly kind: 'name';
  readonly at: number;
  readonly name: string;
}

/** `of.key` or `of["key"]` */
export interface FieldNode {
  readonly kind: 'field';
  readonly at: number;
  readonly of: string;
  readonly key: string;
}

export interface BinaryNode {
  readonly kind: 'binary';
  /** where the operator stands */
  readonly at: number;
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
}

export interface ConditionalNode {
  readonly kind: 'conditional';
  readonly at: number;
  readonly condition: Expression;
  readonly yes: Expression;
  readonly no: Expression;
}

/** `target.name(arguments)` */
export interface MethodNode {
  readonly kind: 'method';
  readonly at: number;
  readonly name: string;
  readonly target: Expression;
  readonly args: readonly Expression[];
}

/** `name(arguments)` */
export interface CallNode {
  readonly kind: 'call';
  readonly at: number;
  readonly name: string;
  readonly args: readonly Expression[];
}

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';
export type OrderOperator = '<' | '<=' | '>' | '>=';
export type EqualityOperator = '==' | '!=';
export type BinaryOperator = ArithmeticOperator | OrderOperator | EqualityOperator | 'in';

/** The parts of a node, in the order of the text. */
export function partsOf(node: Expression): readonly Expression[] {
  switch (node.kind) {
    case 'literal':
    case 'name':
    case 'field':
      return [];
    case 'list':
      return node.items;
    case 'not':
    case 'negate':
      return [node.operand];
    case 'binary':
      return [node.left, node.right];
    case 'and':
    case 'or':
      return node.operands;
    case 'conditional':
      return [node.condition, node.yes, node.no];
    case 'method':
      return [node.target, ...node.args];
    case 'call':
      return node.args;
  }
}
