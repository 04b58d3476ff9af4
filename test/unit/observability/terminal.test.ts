import { describe, expect, it } from 'vitest';
import { csvCell, escapeText, hexDump } from '../../../src/observability/terminal.ts';

describe('text of unknown origin', () => {
  it.each([
    ['Café Zürich 東京 👍', 'Café Zürich 東京 👍'],
    ['\u001b[31mred\u001b[0m', '\\u001b[31mred\\u001b[0m'],
    ['\u001b]0;title\u0007', '\\u001b]0;title\\u0007'],
    ['\u009b2J', '\\u009b2J'],
    ['a\r\nb\tc\u0000', 'a\\u000d\\u000ab\\u0009c\\u0000'],
    ['\u202eevil\u2066', '\\u202eevil\\u2066'],
    ['zero\u200bwidth\ufeff', 'zero\\u200bwidth\\ufeff'],
    ['tag\u{e0041}', 'tag\\u{e0041}'],
    ['lone\ud800', 'lone\\ud800'],
    ['\u2028line', '\\u2028line'],
    ['\u007f', '\\u007f'],
  ])('%j is harmless', (text, shown) => {
    expect(escapeText(text)).toBe(shown);
  });

  it('leaves no control, format or separator that moves text, for every code point below U+3000', () => {
    for (let point = 0; point < 0x3000; point++) {
      const shown = escapeText(String.fromCodePoint(point));
      expect(shown).not.toMatch(/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u206f]/u);
    }
  });

  it('is cut', () => {
    expect(escapeText('x'.repeat(300), 10)).toBe(`${'x'.repeat(10)}…`);
    expect(escapeText('👍👍', 3)).toBe('👍\\ud83d…');
  });
});

describe('a CSV cell', () => {
  it.each([
    ['plain', 'plain'],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['=HYPERLINK("http://x")', '"\'=HYPERLINK(""http://x"")"'],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['|cmd', "'|cmd"],
    ['a\nb', 'a\\u000ab'],
    ['\t=1', '\\u0009=1'],
    [' lead', '" lead"'],
    [-1, '-1'],
    [true, 'true'],
    [null, ''],
  ])('of %j is %s', (value, cell) => {
    expect(csvCell(value)).toBe(cell);
  });
});

describe('a hex dump', () => {
  it('shows offset, bytes and printable ASCII', () => {
    expect(hexDump(Buffer.from('0123456789abcdef\u001b[0m'))).toBe(
      [
        '00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|',
        `00000010  1b 5b 30 6d${' '.repeat(37)}  |.[0m|`,
      ].join('\n'),
    );
  });

  it('is bounded', () => {
    expect(hexDump(Buffer.alloc(100), 32).split('\n')).toHaveLength(3);
    expect(hexDump(Buffer.alloc(100), 32)).toContain('… 68 more bytes');
    expect(hexDump(Buffer.alloc(0))).toBe('');
  });
});
