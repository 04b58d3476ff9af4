import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../../src/expressions/parse.ts';
import { expressionText } from '../../../src/expressions/text.ts';

const canonical = (text: string): string => expressionText(parseExpression(text));

describe('the canonical text', () => {
  it.each([
    ['amount_minor>10000&&channel=="ECOM"', 'amount_minor > 10000 && channel == "ECOM"'],
    [' ( a ) \n\t+ // sum\n ( b * c ) ', 'a + b * c'],
    ['(a + b) * c', '(a + b) * c'],
    ['a - (b - c)', 'a - (b - c)'],
    ['(a - b) - c', 'a - b - c'],
    ['a && (b && (c && d))', 'a && b && c && d'],
    ['((a || b) || c) && d', '(a || b || c) && d'],
    ['a || (b && c)', 'a || b && c'],
    ['!(a && b)', '!(a && b)'],
    ['!(a)', '!a'],
    ['! ! a', '!!a'],
    ['-(-a)', '-(-a)'],
    ['--a', '-(-a)'],
    ['--5', '5'],
    ['-(5)', '-5'],
    ['-0', '0'],
    ['-0.0', '0.0'],
    ['a - -5', 'a - -5'],
    ['-(a + b)', '-(a + b)'],
    ['-a.size()', '-a.size()'],
    ['(-a).size()', '(-a).size()'],
    ['(a == b) == c', 'a == b == c'],
    ['a == (b == c)', 'a == (b == c)'],
    ['a ? b : (c ? d : e)', 'a ? b : c ? d : e'],
    ['(a ? b : c) ? d : e', '(a ? b : c) ? d : e'],
    ['a ? (b ? c : d) : e', 'a ? (b ? c : d) : e'],
    ['x in ["a",\'b\',r"\\d"]', 'x in ["a", "b", "\\\\d"]'],
    ["'it\\'s \"x\"\\n'", '"it\'s \\"x\\"\\n"'],
    ['attributes["key"]', 'attributes.key'],
    ['attributes["a key"]', 'attributes["a key"]'],
    ['attributes["in"]', 'attributes["in"]'],
    ['1.50', '1.5'],
    ['2e0', '2.0'],
    ['1e21', '1e+21'],
    ['.5e-9', '5e-10'],
    ['007', '7'],
    ['max( a,b )', 'max(a, b)'],
  ])('of %s is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
    expect(canonical(expected)).toBe(expected);
  });

  it('differs where the meaning does', () => {
    const texts = ['1', '1.0', '"1"', 'a', '"a"', 'a.b', 'a - b', 'b - a', 'a < b', 'b > a'];
    expect(new Set(texts.map(canonical)).size).toBe(texts.length);
  });
});
