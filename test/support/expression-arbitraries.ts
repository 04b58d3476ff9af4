import fc from 'fast-check';
import type { BinaryOperator, Expression } from '../../src/expressions/ast.ts';
import type { Seen } from './expression-scope.ts';

const at = 0;

/** Without zero's sign, and of every size. */
const amounts = fc.oneof(fc.nat(5), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER), fc.nat(100_000));
const measures = fc
  .oneof(fc.constantFrom(0, 0.5, 1, 2, 1e308, 5e-324), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .map((value) => Math.abs(value));
const words = fc.oneof(
  fc.constantFrom('', 'F', 'FR', 'DE', '3DS', '2.6', '-1', '1e3', '+7', '\uffff', '😀', 'a"\\\n\u0007'),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const nullable = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { freq: 3 });

export const seens: fc.Arbitrary<Seen> = fc.record({
  amount_minor: amounts,
  score: nullable(fc.oneof(measures, fc.double())),
  visits: nullable(fc.oneof(fc.integer({ min: -5, max: 5 }), fc.maxSafeInteger())),
  country: words,
  device_id: nullable(words),
  is_fraud: nullable(fc.boolean()),
  is_known: fc.boolean(),
  blocked: nullable(
    fc.array(words, { maxLength: 3 }).chain((list) => fc.constantFrom<Seen['blocked']>(list, new Set(list))),
  ),
  attributes: fc.dictionary(fc.constantFrom('auth', 'ratio', 'in', 'a b', '__proto__'), words),
});

const literal = {
  bool: fc.boolean().map((value): Expression => ({ kind: 'literal', at, type: 'bool', value })),
  int: fc
    .oneof(
      amounts,
      amounts.map((n) => 0 - n),
    )
    .map((value): Expression => ({ kind: 'literal', at, type: 'int', value })),
  double: fc
    .oneof(
      measures,
      measures.map((n) => 0 - n),
    )
    .map((value): Expression => ({ kind: 'literal', at, type: 'double', value })),
  string: words.map((value): Expression => ({ kind: 'literal', at, type: 'string', value })),
  null: fc.constant<Expression>({ kind: 'literal', at, type: 'null', value: null }),
};

const name = (...names: string[]): fc.Arbitrary<Expression> =>
  fc.constantFrom(...names).map((word): Expression => ({ kind: 'name', at, name: word }));
const field = (of: string, keys: fc.Arbitrary<string>): fc.Arbitrary<Expression> =>
  keys.map((key): Expression => ({ kind: 'field', at, of, key }));

const binary = (
  operators: readonly BinaryOperator[],
  left: fc.Arbitrary<Expression>,
  right = left,
): fc.Arbitrary<Expression> =>
  fc
    .tuple(fc.constantFrom(...operators), left, right)
    .map(([operator, a, b]): Expression => ({ kind: 'binary', at, operator, left: a, right: b }));

/** What a parser gives: no `and` within an `and`. */
const flat = (kind: 'and' | 'or', operand: fc.Arbitrary<Expression>): fc.Arbitrary<Expression> =>
  fc.array(operand, { minLength: 2, maxLength: 4 }).map((operands): Expression => ({
    kind,
    at,
    operands: operands.flatMap((node) => (node.kind === kind ? node.operands : [node])),
  }));

/** What a parser gives: the sign of a number is in its literal. No filter: at the last level there are literals alone. */
const negated = (operand: fc.Arbitrary<Expression>): fc.Arbitrary<Expression> =>
  operand.map((node): Expression => {
    if (node.kind !== 'literal' || typeof node.value !== 'number') return { kind: 'negate', at, operand: node };
    return { ...node, value: 0 - node.value };
  });

const call = (called: string, ...args: fc.Arbitrary<Expression>[]): fc.Arbitrary<Expression> =>
  fc.tuple(...args).map((nodes): Expression => ({ kind: 'call', at, name: called, args: nodes }));

const method = (called: string, target: fc.Arbitrary<Expression>, ...args: fc.Arbitrary<Expression>[]) =>
  fc
    .tuple(target, ...args)
    .map(([node, ...nodes]): Expression => ({ kind: 'method', at, name: called, target: node!, args: nodes }));

const choice = (
  condition: fc.Arbitrary<Expression>,
  yes: fc.Arbitrary<Expression>,
  no = yes,
): fc.Arbitrary<Expression> =>
  fc
    .tuple(condition, yes, no)
    .map(([asked, a, b]): Expression => ({ kind: 'conditional', at, condition: asked, yes: a, no: b }));

const list = (item: fc.Arbitrary<Expression>, minLength = 1, maxLength = 3): fc.Arbitrary<Expression> =>
  fc.array(item, { minLength, maxLength }).map((items): Expression => ({ kind: 'list', at, items }));

/** RE2 and JavaScript read these alike. */
const patterns = fc
  .constantFrom('', '^F', 'R$', '^[A-Z]{2}$', '(a|b)*c', 'D+S', '[^0-9]', '^.?$', '\\.', 'F|😀')
  .map((value): Expression => ({ kind: 'literal', at, type: 'string', value }));

/** Expressions over the scope of the tests that have no type error, by type. */
export const typed = fc.letrec<{ bool: Expression; int: Expression; double: Expression; string: Expression }>((tie) => {
  // one depth for all four, or each would grow its own tree below every leaf of the others
  const depthIdentifier = fc.createDepthIdentifier();
  const depth = { maxDepth: 4, depthSize: 'small', withCrossShrink: true, depthIdentifier } as const;
  const [bool, int, double, string] = [
    tie('bool'),
    tie('int'),
    tie('double'),
    tie('string'),
  ] as fc.Arbitrary<Expression>[] &
    [fc.Arbitrary<Expression>, fc.Arbitrary<Expression>, fc.Arbitrary<Expression>, fc.Arbitrary<Expression>];
  const number = fc.oneof(int, double);
  const attribute = field('attributes', fc.constantFrom('auth', 'ratio', 'in', 'a b', 'none', '__proto__', 'toString'));
  const any = fc.oneof(bool, int, double, string);
  return {
    bool: fc.oneof(
      depth,
      literal.bool,
      name('is_known'),
      field('label', fc.constant('is_fraud')),
      call('has', fc.oneof(name('device_id', 'score', 'country'), attribute)),
      flat('and', bool),
      flat('or', bool),
      bool.map((operand): Expression => ({ kind: 'not', at, operand })),
      binary(['<', '<=', '>', '>='], number),
      binary(['<', '<=', '>', '>='], string),
      binary(['==', '!='], number),
      binary(['==', '!='], string),
      binary(['==', '!='], bool),
      binary(['==', '!='], any, literal.null),
      binary(['in'], number, fc.oneof(list(literal.int, 1, 10), list(number))),
      binary(['in'], string, fc.oneof(list(literal.string, 1, 10), list(string), name('blocked'))),
      binary(['in'], any, list(any, 0, 0)),
      ...['startsWith', 'endsWith', 'contains'].map((called) => method(called, string, string)),
      method('matches', string, patterns),
      choice(bool, bool),
    ),
    int: fc.oneof(
      depth,
      literal.int,
      name('amount_minor', 'visits'),
      binary(['+', '-', '*', '/', '%'], int),
      negated(int),
      call('abs', int),
      call('min', int, int),
      call('max', int, int, int),
      call('int', fc.oneof(number, string)),
      method('size', fc.oneof(string, list(string), name('blocked'))),
      choice(bool, int, fc.oneof(int, literal.null)),
    ),
    double: fc.oneof(
      depth,
      literal.double,
      name('score'),
      binary(['+', '-', '*', '/', '%'], double, number),
      binary(['+', '-', '*', '/', '%'], int, double),
      negated(double),
      call('min', double, number),
      call('max', number, double),
      call('double', fc.oneof(number, string)),
      choice(bool, double, fc.oneof(number, literal.null)),
      choice(bool, int, double),
    ),
    string: fc.oneof(depth, literal.string, name('country', 'device_id'), attribute, choice(bool, string)),
  };
});

/** Trees that the grammar allows, with no regard to types. */
export const trees = fc.letrec<{ tree: Expression }>((tie) => {
  const tree = tie('tree');
  const word = fc.constantFrom('a', 'b_1', '_', 'has', 'max', 'r', 'trueish');
  const words_ = fc.array(tree, { maxLength: 3 });
  return {
    tree: fc.oneof(
      { maxDepth: 5, depthSize: 'small', withCrossShrink: true },
      fc.oneof(...Object.values(literal)),
      word.map((called): Expression => ({ kind: 'name', at, name: called })),
      field('a', fc.oneof(words, word)),
      list(tree, 0),
      flat('and', tree),
      flat('or', tree),
      tree.map((operand): Expression => ({ kind: 'not', at, operand })),
      negated(tree),
      binary(['<', '<=', '>', '>=', '==', '!=', 'in', '+', '-', '*', '/', '%'], tree),
      choice(tree, tree),
      fc.tuple(word, words_).map(([called, args]): Expression => ({ kind: 'call', at, name: called, args })),
      fc
        .tuple(tree, word, words_)
        .map(([target, called, args]): Expression => ({ kind: 'method', at, name: called, target, args })),
    ),
  };
}).tree;

/** Text that is no expression, or hardly: of any characters, or of the tokens of the language in any order. */
export const garbage = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)), maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        ...'&& || == != <= >= < > + - * / % ! ? : ( ) [ ] . , " \' \\ r" = | & true false null in 1 2.5 1e9 9e999 ~ {'.split(
          ' ',
        ),
        ...'amount_minor score country device_id label label.is_fraud is_known blocked attributes .auth'.split(' '),
        ...'"FR" ["in"] ("x") .size() .matches("(a") .contains( has( abs( max( double( nothing 😀 //'.split(' '),
        '\n',
      ),
      { maxLength: 25 },
    )
    .chain((tokens) => fc.constantFrom('', ' ').map((space) => tokens.join(space))),
);
