import { didYouMean } from '../domain/suggest.ts';
import { arithmetic, negate } from './arithmetic.ts';
import type { BinaryNode, CallNode, Expression, FieldNode, LiteralNode, MethodNode, NameNode } from './ast.ts';
import { equality, order } from './comparison.ts';
import { call } from './functions.ts';
import { listFrom, listOf, membership } from './lists.ts';
import { and, choose, expectBool, not, or } from './logic.ts';
import { method, type Argument } from './methods.ts';
import { parseExpression } from './parse.ts';
import { ExpressionError, problemAt, shown, type ExpressionProblem } from './problem.ts';
import { readDeclared, readEntry } from './read.ts';
import { expressionText } from './text.ts';
import { UNKNOWN, withArticle, type Scope, type ScalarType, type Typed, type TypedList, type Value } from './types.ts';

export interface CompiledExpression<Env> {
  readonly type: ScalarType;
  /** can `evaluate` give null? */
  readonly nullable: boolean;
  /** the names of the scope that it reads; an entry of a map as `map.key` */
  readonly uses: ReadonlySet<string>;
  /** see `expressionText` */
  readonly text: string;
  /** pure; never throws; a number from it is finite */
  readonly evaluate: (env: Env) => Value;
}

/**
 * Parses, checks and compiles an expression in the language of `docs/expressions.md` to plain closures.
 * @throws ExpressionError (FS_CATALOGUE_INVALID): the first problem of grammar or limits, else all unknown names and
 * type errors
 */
export function compileExpression<Env>(source: string, scope: Scope<Env>): CompiledExpression<Env> {
  const tree = parseExpression(source);
  const compiler = new Compiler(source, scope);
  const { type, nullable, read } = compiler.value(tree);
  const { problems, uses } = compiler;
  if (type === 'null') compiler.report(tree.at, 'this is always null');
  if (problems.length > 0 || type === 'null' || type === 'unknown') {
    throw new ExpressionError([...problems].sort((a, b) => a.line - b.line || a.column - b.column));
  }
  return { type, nullable, uses, text: expressionText(tree), evaluate: read };
}

class Compiler<Env> {
  readonly problems: ExpressionProblem[] = [];
  readonly uses = new Set<string>();
  readonly #source: string;
  readonly #scope: Scope<Env>;

  constructor(source: string, scope: Scope<Env>) {
    this.#source = source;
    this.#scope = scope;
  }

  readonly report = (at: number, text: string): void => {
    this.problems.push(problemAt(this.#source, at, text));
  };

  value(node: Expression): Typed<Env> {
    const report = (text: string): void => this.report(node.at, text);
    switch (node.kind) {
      case 'literal':
        return literal(node);
      case 'list':
        node.items.forEach((item) => this.value(item));
        report('a list stands right of in, or before .size()');
        return UNKNOWN;
      case 'name':
        return this.#name(node);
      case 'field':
        return this.#field(node);
      case 'not':
        return not(this.#bool(node.operand, '!'));
      case 'negate':
        return negate(this.value(node.operand), node.at, this.report);
      case 'binary':
        return this.#binary(node, report);
      case 'and':
        return and(node.operands.map((operand) => this.#bool(operand, '&&')));
      case 'or':
        return or(node.operands.map((operand) => this.#bool(operand, '||')));
      case 'conditional': {
        const condition = this.#bool(node.condition, '?');
        return choose(condition, this.value(node.yes), this.value(node.no), report);
      }
      case 'method':
        return this.#method(node);
      case 'call':
        return node.name === 'has'
          ? this.#has(node)
          : call(node.name, node.at, this.#arguments(node.args), this.report);
    }
  }

  #bool(node: Expression, who: string): Typed<Env> {
    const typed = this.value(node);
    expectBool(typed, node.at, who, this.report);
    return typed;
  }

  #arguments(nodes: readonly Expression[]): Argument<Env>[] {
    return nodes.map((node) => ({ at: node.at, typed: this.value(node) }));
  }

  #binary({ operator, left, right }: BinaryNode, report: (text: string) => void): Typed<Env> {
    const a = this.value(left);
    switch (operator) {
      case 'in': {
        const list = this.#list(right);
        return list === null ? this.#noList(right) : membership(a, list, report);
      }
      case '==':
      case '!=':
        return equality(operator, a, this.value(right), report);
      case '<':
      case '<=':
      case '>':
      case '>=':
        return order(operator, a, this.value(right), report);
      default:
        return arithmetic(operator, a, this.value(right), report);
    }
  }

  /** null: it is none */
  #list(node: Expression): TypedList<Env> | null {
    if (node.kind === 'list') {
      const items = node.items.map((item) => this.value(item));
      return listOf(items, (index, text) => this.report(node.items[index]?.at ?? node.at, text));
    }
    const name = node.kind === 'name' ? node.name : node.kind === 'field' ? `${node.of}.${node.key}` : '';
    const declared = this.#scope.get(name);
    if (declared?.type !== 'list<string>') return null;
    this.uses.add(name);
    return listFrom(declared.read);
  }

  #noList(node: Expression): Typed<Env> {
    const declared = node.kind === 'name' ? this.#scope.get(node.name) : undefined;
    if (declared?.type === 'map<string>' && node.kind === 'name') {
      this.report(node.at, `in takes a list, not a map; write has(${node.name}.key) or ${node.name}.key`);
      return UNKNOWN;
    }
    const { type } = this.value(node);
    if (type !== 'unknown') this.report(node.at, `in takes a list, not ${withArticle(type)}`);
    return UNKNOWN;
  }

  #method(node: MethodNode): Typed<Env> {
    const list = node.name === 'size' && node.args.length === 0 ? this.#list(node.target) : null;
    if (list !== null) return { type: 'int', nullable: true, read: list.size };
    return method(node.name, node.at, this.value(node.target), this.#arguments(node.args), this.report);
  }

  /** `has(name)` */
  #has(node: CallNode): Typed<Env> {
    const [argument] = node.args;
    if (node.args.length !== 1 || (argument?.kind !== 'name' && argument?.kind !== 'field')) {
      this.report(node.at, 'has takes one name, as in has(device_id) or has(attributes.key)');
      return UNKNOWN;
    }
    const { read } = this.value(argument);
    return { type: 'bool', nullable: false, read: (env) => read(env) !== null };
  }

  #name({ at, name }: NameNode): Typed<Env> {
    const declared = this.#scope.get(name);
    if (declared === undefined) {
      this.report(at, `unknown name ${shown(name)}${didYouMean(name, this.#scope.keys())}`);
      return UNKNOWN;
    }
    this.uses.add(name);
    if (declared.type === 'map<string>') {
      this.report(at, `${name} is a map; name one of its entries, as in ${name}.key`);
      return UNKNOWN;
    }
    const typed = readDeclared(declared);
    if (typed === null) this.report(at, `${name} is a list: it stands right of in, or before .size()`);
    return typed ?? UNKNOWN;
  }

  #field({ at, of, key }: FieldNode): Typed<Env> {
    const name = `${of}.${key}`;
    // as in CEL, the longest name that is declared comes first
    if (this.#scope.has(name)) return this.#name({ kind: 'name', at, name });
    const declared = this.#scope.get(of);
    if (declared?.type === 'map<string>') {
      const entry = declared.entry(key);
      if (entry !== null) {
        this.uses.add(name);
        return readEntry(entry);
      }
    }
    const isScalar = declared !== undefined && declared.type !== 'map<string>';
    this.report(
      at,
      isScalar
        ? `${of} is ${withArticle(declared.type)} and has no fields`
        : `unknown name ${shown(name)}${didYouMean(name, this.#scope.keys()) || didYouMean(of, this.#scope.keys())}`,
    );
    return UNKNOWN;
  }
}

function literal<Env>({ type, value }: LiteralNode): Typed<Env> {
  return { type, nullable: value === null, read: () => value, literal: value };
}
