import { LIMITS } from '../domain/limits.ts';
import {
  partsOf,
  type ArithmeticOperator,
  type BinaryOperator,
  type EqualityOperator,
  type Expression,
  type LiteralNode,
  type OrderOperator,
} from './ast.ts';
import { ExpressionError, problemAt, shown } from './problem.ts';
import { tokensOf, type Token } from './tokens.ts';

const RELATIONS: readonly (OrderOperator | EqualityOperator | 'in')[] = ['<', '<=', '>', '>=', '==', '!=', 'in'];
const SUMS: readonly ArithmeticOperator[] = ['+', '-'];
const PRODUCTS: readonly ArithmeticOperator[] = ['*', '/', '%'];

/** Words of other languages for our operators. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['and', '&&'],
  ['or', '||'],
  ['not', '!'],
]);

/**
 * The tree of an expression in the language of `docs/expressions.md`: the grammar is that of CEL
 * (https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax) without messages, maps and macros.
 * @throws ExpressionError with the first problem
 */
export function parseExpression(source: string): Expression {
  const tree = new Parser(source, tokensOf(source)).whole();
  checkSize(source, tree);
  return tree;
}

function checkSize(source: string, tree: Expression): void {
  let nodes = 0;
  const visit = (node: Expression, depth: number): void => {
    nodes++;
    if (depth > LIMITS.expressionDepthMax) throw tooDeep(source, node.at);
    if (nodes > LIMITS.expressionNodesMax) {
      throw failure(source, node.at, `the expression has more than ${LIMITS.expressionNodesMax} parts`);
    }
    for (const part of partsOf(node)) {
      if (node.kind !== 'list' || part.kind !== 'literal') visit(part, depth + 1);
    }
  };
  visit(tree, 1);
}

function failure(source: string, at: number, text: string): ExpressionError {
  return new ExpressionError([problemAt(source, at, text)]);
}

function tooDeep(source: string, at: number): ExpressionError {
  return failure(source, at, `nested deeper than ${LIMITS.expressionDepthMax} levels`);
}

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(source: string, tokens: readonly Token[]) {
    this.#source = source;
    this.#tokens = tokens;
  }

  whole(): Expression {
    const tree = this.#conditional();
    if (this.#token.kind !== 'end') throw this.#unexpected();
    return tree;
  }

  get #token(): Token {
    const token = this.#tokens[this.#next] ?? this.#tokens.at(-1);
    if (token === undefined) throw new Error('tokens end with an end');
    return token;
  }

  #fail(at: number, text: string): ExpressionError {
    return failure(this.#source, at, text);
  }

  #unexpected(wanted = ''): ExpressionError {
    const { kind, at, text } = this.#token;
    const operator = WORDS.get(text.toLowerCase());
    const advice = operator === undefined ? wanted : `; write ${operator}`;
    return this.#fail(at, `unexpected ${kind === 'end' ? 'end' : shown(text)}${advice}`);
  }

  /** The symbol or keyword at hand, taken, when it is one of these. */
  #take<S extends string>(...symbols: readonly S[]): S | null {
    const { kind, text } = this.#token;
    const found = kind === 'symbol' || kind === 'keyword' ? symbols.find((symbol) => symbol === text) : undefined;
    if (found === undefined) return null;
    this.#next++;
    return found;
  }

  #expect(symbol: string): void {
    if (this.#take(symbol) === null) throw this.#unexpected(`; expected ${symbol}`);
  }

  /** Bounds the recursion of the parser itself, which redundant parentheses deepen too. */
  #nested(parse: () => Expression): Expression {
    if (this.#depth === LIMITS.expressionDepthMax) throw tooDeep(this.#source, this.#token.at);
    this.#depth++;
    const node = parse();
    this.#depth--;
    return node;
  }

  #conditional(): Expression {
    return this.#nested(() => {
      const condition = this.#flat('or', '||', () => this.#flat('and', '&&', () => this.#relation()));
      const { at } = this.#token;
      if (this.#take('?') === null) return condition;
      const yes = this.#flat('or', '||', () => this.#flat('and', '&&', () => this.#relation()));
      this.#expect(':');
      return { kind: 'conditional', at, condition, yes, no: this.#conditional() };
    });
  }

  #flat(kind: 'and' | 'or', symbol: string, operand: () => Expression): Expression {
    const first = operand();
    const { at } = this.#token;
    const operands = [first];
    while (this.#take(symbol) !== null) operands.push(operand());
    if (operands.length === 1) return first;
    return { kind, at, operands: operands.flatMap((node) => (node.kind === kind ? node.operands : [node])) };
  }

  #relation(): Expression {
    return this.#leftToRight(RELATIONS, () =>
      this.#leftToRight(SUMS, () => this.#leftToRight(PRODUCTS, () => this.#unary())),
    );
  }

  #leftToRight(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const { at } = this.#token;
      const operator = this.#take(...operators);
      if (operator === null) return left;
      left = { kind: 'binary', at, operator, left, right: operand() };
    }
  }

  #unary(): Expression {
    const { at } = this.#token;
    const sign = this.#take('!', '-');
    if (sign === null) return this.#member();
    const operand = this.#nested(() => this.#unary());
    if (sign === '!') return { kind: 'not', at, operand };
    if (operand.kind === 'literal' && (operand.type === 'int' || operand.type === 'double')) {
      // no negative zero: it would print as zero
      return { kind: 'literal', at, type: operand.type, value: operand.value === 0 ? 0 : -operand.value };
    }
    return { kind: 'negate', at, operand };
  }

  #member(): Expression {
    let node = this.#primary();
    for (;;) {
      const { at } = this.#token;
      if (this.#take('.') !== null) {
        const name = this.#token;
        if (name.kind === 'keyword') throw this.#fail(name.at, `${name.text} is a keyword; write ["${name.text}"]`);
        if (name.kind !== 'name') throw this.#unexpected('; expected a name after the dot');
        this.#next++;
        node =
          this.#take('(') === null
            ? this.#field(node, name.at, name.text)
            : { kind: 'method', at: name.at, name: name.text, target: node, args: this.#list(')') };
      } else if (this.#take('[') !== null) {
        const key = this.#token;
        if (key.kind !== 'string') throw this.#unexpected('; expected the name of a field in quotes');
        this.#next++;
        this.#expect(']');
        node = this.#field(node, at, key.value);
      } else {
        return node;
      }
    }
  }

  #field(node: Expression, at: number, key: string): Expression {
    if (node.kind === 'name') return { kind: 'field', at: node.at, of: node.name, key };
    throw this.#fail(at, 'only a name has fields, as in attributes.key');
  }

  #primary(): Expression {
    const token = this.#token;
    const { at } = token;
    this.#next++;
    switch (token.kind) {
      case 'int':
      case 'double':
        return { kind: 'literal', at, type: token.kind, value: token.value };
      case 'string':
        return { kind: 'literal', at, type: 'string', value: token.value };
      case 'name':
        if (this.#take('(') === null) return { kind: 'name', at, name: token.text };
        return { kind: 'call', at, name: token.text, args: this.#list(')') };
      case 'keyword': {
        const node = keyword(at, token.text);
        if (node) return node;
        break;
      }
      case 'symbol':
        if (token.text === '(') return this.#parenthesised();
        if (token.text === '[') return { kind: 'list', at, items: this.#list(']') };
        break;
      case 'end':
    }
    this.#next--;
    throw this.#unexpected('; expected a value');
  }

  #parenthesised(): Expression {
    const node = this.#conditional();
    this.#expect(')');
    return node;
  }

  /** Expressions with commas between them, up to and with `close`. */
  #list(close: ')' | ']'): Expression[] {
    const items: Expression[] = [];
    if (this.#take(close) !== null) return items;
    do {
      items.push(this.#conditional());
    } while (this.#take(',') !== null);
    this.#expect(close);
    return items;
  }
}

function keyword(at: number, text: string): LiteralNode | null {
  if (text === 'null') return { kind: 'literal', at, type: 'null', value: null };
  return text === 'in' ? null : { kind: 'literal', at, type: 'bool', value: text === 'true' };
}
