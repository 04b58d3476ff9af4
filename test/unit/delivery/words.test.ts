import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeWords, encodeWords, offsetOf } from '../../../src/delivery/words.ts';

describe('words', () => {
  it('come back as they were, in printable ASCII', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 9 }), (words) => {
        const line = encodeWords(words);
        expect(line).toMatch(/^[!-~]+( [!-~]+)*$/);
        expect(decodeWords(line, words.length)).toEqual(words);
        expect(decodeWords(line, words.length + 1)).toBeNull();
      }),
    );
  });

  it('are told from an empty one', () => {
    expect(encodeWords(['', '-', 7])).toBe('- %2D 7');
    expect(decodeWords('- %2D 7', 3)).toEqual(['', '-', '7']);
  });

  it('that are no percent-encoding are none', () => {
    expect(decodeWords('a %E0%A4', 2)).toBeNull();
    expect(decodeWords('a %zz', 2)).toBeNull();
  });
});

describe('an offset', () => {
  it.each([
    ['0', 0],
    ['-1', -1],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%s', (word, offset) => {
    expect(offsetOf(word)).toBe(offset);
  });

  it.each(['', '-2', '+1', '1.5', '1e3', ' 1', '1 ', '0x1', 'NaN', 'Infinity', '12345678901234567'])(
    'is not %j',
    (word) => {
      expect(offsetOf(word)).toBeNaN();
    },
  );
});
