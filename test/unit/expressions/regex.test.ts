import { describe, expect, it } from 'vitest';
import { compilePattern } from '../../../src/expressions/regex.ts';

function test(pattern: string): (text: string) => boolean {
  const compiled = compilePattern(pattern);
  if (typeof compiled !== 'function') throw new Error(compiled.problem);
  return compiled;
}

describe('a pattern', () => {
  it.each([
    ['b', 'abc', true],
    ['^b', 'abc', false],
    ['^a.c$', 'abc', true],
    ['', '', true],
    ['(?i)ECOM', 'xecomx', true],
    ['^.$', '😀', true],
    ['^(ab|cd)+$', 'abcdab', true],
    ['^(ab|cd)+$', 'abcda', false],
  ])('%s in %s: %s', (pattern, text, expected) => {
    expect(test(pattern)(text)).toBe(expected);
  });

  // a backtracking engine needs 2^n steps for these: at 400 characters the test would not end
  it.each(['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '^(a?){30}a{30}b', '(a*)*b', '^(([a-z])+.)+[A-Z]([a-z])+$'])(
    'takes linear time: %s',
    (pattern) => {
      const matches = test(pattern);
      expect(matches(`${'a'.repeat(400)}!`)).toBe(false);
      expect(matches(`${'a'.repeat(4000)}!`)).toBe(false);
    },
  );

  it('says the same of a text however often it is asked, and whatever it was asked before', () => {
    // an automaton of 2^12 states, more than a cache of states may hold
    const matches = test('^(a|b)*a(a|b){11}$');
    let seed = 1;
    for (let i = 0; i < 3000; i++) {
      const letters = Array.from({ length: 40 }, () => {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        return seed & 0x10000 ? 'a' : 'b';
      });
      expect(matches(letters.join(''))).toBe(letters.at(-12) === 'a');
    }
  });
});
