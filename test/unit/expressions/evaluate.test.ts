import { describe, expect, it } from 'vitest';
import { compileExpression } from '../../../src/expressions/compile.ts';
import type { Value } from '../../../src/expressions/types.ts';
import { SCOPE, SEEN, type Seen } from '../../support/expression-scope.ts';

function worth(text: string, seen: Partial<Seen> = {}): Value {
  return compileExpression(text, SCOPE).evaluate({ ...SEEN, ...seen });
}

describe.each<[title: string, cases: [text: string, expected: Value][]]>([
  [
    'literals',
    [
      ['42', 42],
      ['-42', -42],
      ['.5', 0.5],
      ['1e3', 1000],
      ['2.50E-1', 0.25],
      ['true', true],
      ['false', false],
      ['"a\\n\\x41\\u00e9\\U0001F600\\101\\"\\\'"', 'a\nAé😀A"\''],
      ['\'it is "so"\'', 'it is "so"'],
      ['r"\\d"', '\\d'],
      ['"" == \'\'', true],
      ['1 // the rest is said to people', 1],
    ],
  ],
  [
    'arithmetic',
    [
      ['7 + 2', 9],
      ['7 - 2', 5],
      ['7 * 2', 14],
      ['7 / 2', 3],
      ['-7 / 2', -3],
      ['7 % 2', 1],
      ['-7 % 2', -1],
      ['-6 % 2', 0],
      ['7 / 2.0', 3.5],
      ['7.5 % 2', 1.5],
      ['1 + 2 * 3 - 4', 3],
      ['(1 + 2) * 3', 9],
      ['10 - 4 - 3', 3],
      ['-(-amount_minor)', 12000],
      ['-amount_minor', -12000],
      ['score * 2', 1.5],
      ['9007199254740991 / 2', 4503599627370495],
    ],
  ],
  [
    'arithmetic without a finite answer is null',
    [
      ['1 / 0', null],
      ['1 % 0', null],
      ['1.0 / 0.0', null],
      ['0.0 / 0.0', null],
      ['1e308 * 10.0', null],
      ['9007199254740991 + 1', null],
      ['-9007199254740991 - 1', null],
      ['9007199254740991 * 3', null],
      ['9007199254740991 + 1.0', 9007199254740992],
    ],
  ],
  [
    'order',
    [
      ['1 < 2', true],
      ['2 < 2', false],
      ['2 <= 2', true],
      ['3 > 2', true],
      ['2 > 2', false],
      ['2 >= 2', true],
      ['10000 < amount_minor', true],
      ['12000 < amount_minor', false],
      ['12000 <= amount_minor', true],
      ['20000 > amount_minor', true],
      ['12000 >= amount_minor', true],
      ['amount_minor > score', true],
      ['amount_minor <= score', false],
      ['1 < 1.5', true],
      ['"a" < "b"', true],
      ['"a" < "a"', false],
      ['"a" < "ab"', true],
      ['"b" >= "ab"', true],
      ['"\\uffff" < "\\U00010000"', true],
      ['"\\U0001F600" < "\\U0001F601"', true],
      ['"\\U00010000" > "\\uffff"', true],
    ],
  ],
  [
    'equality',
    [
      ['1 == 1.0', true],
      ['1 != 2', true],
      ['country == "FR"', true],
      ['"FR" == country', true],
      ['country != "FR"', false],
      ['is_known == true', true],
      ['(1 < 2) == is_known', true],
      ['amount_minor == amount_minor', true],
      ['amount_minor != amount_minor', false],
    ],
  ],
  [
    'lists',
    [
      ['country in ["DE", "FR"]', true],
      ['country in ["DE", "AT"]', false],
      ['country in []', false],
      ['amount_minor in [1, 12000]', true],
      ['1 in [1.0, 2]', true],
      ['country in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "FR"]', true],
      ['country in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"]', false],
      ['country in [device_id, attributes.auth, country]', true],
      ['amount_minor in [visits, -5]', false],
      ['country in blocked', true],
      ['"DE" in blocked', false],
      ['blocked.size()', 2],
      ['["a", "b"].size()', 2],
      ['is_known in [true]', true],
    ],
  ],
  [
    'logic',
    [
      ['true && true', true],
      ['true && false', false],
      ['true && true && true', true],
      ['true && true && false', false],
      ['true && true && true && true', true],
      ['true && true && true && false', false],
      ['false || true', true],
      ['false || false', false],
      ['false || false || true', true],
      ['false || false || false', false],
      ['!true', false],
      ['!!true', true],
      ['true || false && false', true],
      ['(true || false) && false', false],
      ['!false && true', true],
      ['1 < 2 ? "a" : "b"', 'a'],
      ['1 > 2 ? "a" : 2 > 1 ? "b" : "c"', 'b'],
      ['true ? 1 : 2.5', 1],
      ['(true ? 3 : 2.5) / 2', 1.5],
    ],
  ],
  [
    'methods',
    [
      ['country.startsWith("F")', true],
      ['country.startsWith("R")', false],
      ['country.endsWith("R")', true],
      ['country.endsWith("F")', false],
      ['attributes.auth.contains("D")', true],
      ['attributes.auth.contains(country)', false],
      ['"AFRO".contains(country)', true],
      ['country.matches("^[A-Z]{2}$")', true],
      ['country.matches("R")', true],
      ['country.matches("^R")', false],
      ['"caf\\u00e9".matches(r"\\pL{4}")', true],
      ['country.size()', 2],
      ['"\\U0001F600!".size()', 2],
      ['"".size()', 0],
    ],
  ],
  [
    'functions',
    [
      ['abs(-3)', 3],
      ['abs(-0.5)', 0.5],
      ['min(3, 1, 2)', 1],
      ['max(3, 1, 2)', 3],
      ['max(1, 2.5)', 2.5],
      ['max(3, 2.5) / 2', 1.5],
      ['double("2.5")', 2.5],
      ['double("-.5e1")', -5],
      ['double("5.")', 5],
      ['double(3) / 2', 1.5],
      ['double("")', null],
      ['double("0x10")', null],
      ['double(" 1")', null],
      ['double("1e999")', null],
      ['double("Infinity")', null],
      ['int("42")', 42],
      ['int("-0")', 0],
      ['int("4.2")', null],
      ['int("9007199254740993")', null],
      ['int(4.9)', 4],
      ['int(-4.9)', -4],
      ['int(1e300)', null],
      ['double(attributes.ratio) >= 2.6', true],
    ],
  ],
  [
    'fields',
    [
      ['attributes.auth', '3DS'],
      ['attributes["auth"]', '3DS'],
      ['attributes["a b"]', 'y'],
      ['attributes["in"]', 'x'],
      ['attributes.none', null],
      ['attributes.constructor', null],
      ['attributes["__proto__"]', null],
      ['label.is_fraud', null],
      ['has(attributes.auth)', true],
      ['has(attributes.none)', false],
      ['has(device_id)', false],
      ['has(country)', true],
      ['has(label.is_fraud)', false],
    ],
  ],
])('%s', (_title, cases) => {
  it.each(cases)('%s', (text, expected) => {
    expect(worth(text)).toBe(expected);
  });
});

describe('null', () => {
  it.each<[string, Value]>([
    ['visits < 1', false],
    ['visits <= 0', false],
    ['visits > -1', false],
    ['visits >= 0', false],
    ['0 >= visits', false],
    ['visits < visits', false],
    ['visits <= amount_minor', false],
    ['device_id < "x"', false],
    ['device_id >= country', false],
    ['visits == null', true],
    ['null == visits', true],
    ['visits != null', false],
    ['country == null', false],
    ['country != null', true],
    ['null == null', true],
    ['visits == 0', false],
    ['visits != 0', true],
    ['device_id == attributes.none', true],
    ['device_id != country', true],
    ['device_id in ["a", "b"]', false],
    ['device_id in [attributes.none]', true],
    ['device_id in blocked', false],
    ['visits + 1', null],
    ['1 - visits', null],
    ['visits * 0', null],
    ['visits / visits', null],
    ['-visits', null],
    ['abs(visits)', null],
    ['min(visits, 1)', null],
    ['max(1, visits)', null],
    ['max(1, 2, visits)', null],
    ['double(device_id)', null],
    ['int(visits)', null],
    ['device_id.startsWith("")', false],
    ['country.startsWith(device_id)', false],
    ['device_id.contains(device_id)', false],
    ['device_id.matches("")', false],
    ['device_id.size()', null],
    ['device_id.size() == null', true],
    ['label.is_fraud && true', false],
    ['label.is_fraud || false', false],
    ['!label.is_fraud', true],
    ['label.is_fraud == false', false],
    ['label.is_fraud ? 1 : 2', 2],
    ['true ? null : 1', null],
    ['(false ? 1 : null) == null', true],
    ['1 / 0 > 0', false],
  ])('%s', (text, expected) => {
    expect(worth(text)).toBe(expected);
  });

  it('is what a number that is not finite, a wrong type or nothing at all becomes', () => {
    const strange = [NaN, Infinity, -Infinity, undefined, 'text', {}] as unknown as number[];
    for (const score of strange) {
      expect(worth('score == null && !(score < 1) && !(score >= 0) && (score + 1) == null', { score })).toBe(true);
    }
    const device_id = 5 as unknown as string;
    expect(worth('device_id == null && !device_id.startsWith("5")', { device_id })).toBe(true);
    expect(worth('label.is_fraud', { is_fraud: 1 as unknown as boolean })).toBe(null);
  });

  it('is an absent list: nothing is in it, and it has no size', () => {
    expect(worth('country in blocked', { blocked: null })).toBe(false);
    expect(worth('blocked.size()', { blocked: null })).toBe(null);
  });
});

describe('a compiled expression', () => {
  it('reads a set of strings as well as an array', () => {
    const blocked = new Set(['FR']);
    expect(worth('country in blocked && blocked.size() == 1', { blocked })).toBe(true);
    expect(worth('country in blocked', { blocked: new Set<string>() })).toBe(false);
  });

  it('names its type, whether it may be null, and what it uses', () => {
    const about = (text: string): unknown[] => {
      const { type, nullable, uses } = compileExpression(text, SCOPE);
      return [type, nullable, [...uses]];
    };
    expect(about('amount_minor')).toEqual(['int', false, ['amount_minor']]);
    expect(about('amount_minor + 1')).toEqual(['int', true, ['amount_minor']]);
    expect(about('score > 0.5 && country in blocked')).toEqual(['bool', false, ['score', 'country', 'blocked']]);
    expect(about('attributes["auth"]')).toEqual(['string', true, ['attributes.auth']]);
    expect(about('label.is_fraud')).toEqual(['bool', true, ['label.is_fraud']]);
    expect(about('is_known ? 1 : 2.0')).toEqual(['double', false, ['is_known']]);
    expect(about('true ? 1 : null')).toEqual(['int', true, []]);
    expect(about('1 == 1')).toEqual(['bool', false, []]);
  });

  it('asks for the way to an entry once, when it is compiled', () => {
    const asked: string[] = [];
    const scope = new Map([
      ['m', { type: 'map<string>' as const, entry: (key: string) => (asked.push(key), (env: string) => env) }],
    ]);
    const { evaluate } = compileExpression('m.a == m.b', scope);
    expect([evaluate('x'), evaluate('y'), asked]).toEqual([true, true, ['a', 'b']]);
  });

  it('does not look at what cannot change the answer', () => {
    let reads = 0;
    const scope = new Map([
      ['no', { type: 'bool' as const, nullable: false, read: () => false }],
      ['counted', { type: 'bool' as const, nullable: false, read: () => (reads++, true) }],
    ]);
    for (const text of ['no && counted', 'no && counted && counted', '!no || counted', 'no ? counted : no']) {
      compileExpression(text, scope).evaluate(null);
    }
    expect(reads).toBe(0);
  });
});
