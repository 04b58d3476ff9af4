import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { compileExpression } from '../../../src/expressions/compile.ts';
import { ExpressionError } from '../../../src/expressions/problem.ts';
import { SCOPE } from '../../support/expression-scope.ts';

function problems(text: string): string[] {
  try {
    compileExpression(text, SCOPE);
  } catch (error) {
    if (error instanceof ExpressionError) return error.problems.map(({ column, text: said }) => `${column}: ${said}`);
    throw error;
  }
  return [];
}

describe('what is wrong', () => {
  it.each<[string, ...string[]]>([
    ['', '1: unexpected end; expected a value'],
    ['1 +', '4: unexpected end; expected a value'],
    ['1 2', '3: unexpected 2'],
    ['(1', '3: unexpected end; expected )'],
    ['[1, 2', '6: unexpected end; expected ]'],
    ['true ? 1', '9: unexpected end; expected :'],
    ['in', '1: unexpected in; expected a value'],
    ['is_known and true', '10: unexpected and; write &&'],
    ['is_known OR true', '10: unexpected OR; write ||'],
    ['score = 1', '7: "=" is no operator; write =='],
    ['is_known & true', '10: "&" is no operator; write &&'],
    ['is_known | true', '10: "|" is no operator; write ||'],
    ['{"a": 1}', '1: maps and messages in braces are not part of this language'],
    ['score # 1', '7: unexpected character "#"'],
    ['1x', '2: unexpected x behind the number 1'],
    ['9007199254740992', '1: 9007199254740992 is beyond 2^53 - 1, the largest int'],
    ['1e999', '1: 1e999 is beyond the largest double'],
    ['"abc', '1: this string is not closed on its line'],
    ['"abc\n"', '1: this string is not closed on its line'],
    ['"\\q"', '2: unknown escape \\q; a backslash is \\\\, a raw string is r"…"'],
    ['"\\ud800"', '2: \\ud800 is no Unicode character'],
    ['"\\U00110000"', '2: \\U00110000 is no Unicode character'],
    ['"\ud800"', '2: half of a surrogate pair: the text is not valid Unicode'],
    ['attributes.in', '12: in is a keyword; write ["in"]'],
    ['attributes.5', '11: unexpected .5'],
    ['attributes[5]', '12: unexpected 5; expected the name of a field in quotes'],
    ['(1 + 2).x', '9: only a name has fields, as in attributes.key'],
    ['attributes.a.b', '14: only a name has fields, as in attributes.key'],
  ])('in the grammar: %s', (text, ...expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it.each<[string, ...string[]]>([
    ['amout_minor > 1', '1: unknown name amout_minor; did you mean amount_minor?'],
    ['nothing_like_it', '1: unknown name nothing_like_it'],
    ['label.is_fruad', '1: unknown name label.is_fruad; did you mean label.is_fraud?'],
    ['attribute.auth', '1: unknown name attribute.auth; did you mean attributes?'],
    ['country.name', '1: country is a string and has no fields'],
    ['blocked.name', '1: blocked is a list<string> and has no fields'],
    ['attributes == 1', '1: attributes is a map; name one of its entries, as in attributes.key'],
    ['country in attributes', '12: in takes a list, not a map; write has(attributes.key) or attributes.key'],
    ['blocked == "a"', '1: blocked is a list: it stands right of in, or before .size()'],
    ['absolute(1)', '1: unknown function absolute (known: has, abs, min, max, double, int)'],
    ['mix(1, 2)', '1: unknown function mix; did you mean min? (known: has, abs, min, max, double, int)'],
    ['startsWith(country)', '1: unknown function startsWith; startsWith is a method, as in x.startsWith(…)'],
    [
      'country.startswith("F")',
      '9: unknown method startswith; did you mean startsWith? (known: startsWith, endsWith, contains, matches, size)',
    ],
    ['country.size(1)', '9: size takes no argument, not 1'],
    ['country.contains()', '9: contains takes one argument, not 0'],
    ['abs()', '1: abs takes one number, not 0 arguments'],
    ['min(1)', '1: min takes two numbers or more, not one'],
    ['max()', '1: max takes two numbers or more, not none'],
    ['int(1, 2)', '1: int takes one number or string, not 2 arguments'],
    ['has(1)', '1: has takes one name, as in has(device_id) or has(attributes.key)'],
    ['has()', '1: has takes one name, as in has(device_id) or has(attributes.key)'],
  ])('in a name: %s', (text, ...expected) => {
    expect(problems(text)).toEqual(expected);
  });

  const readText = '; double(…) reads a number from text';
  it.each<[string, ...string[]]>([
    ['country + 1', `9: + takes two numbers, not a string and an int${readText}`],
    ['is_known * 1.5', '10: * takes two numbers, not a bool and a double'],
    ['null + 1', '6: + takes two numbers, not null and an int'],
    ['-country', '1: - takes a number, not a string'],
    ['country > 5', `9: > takes two numbers or two strings, not a string and an int${readText}`],
    ['is_known < is_known', '10: < takes two numbers or two strings, not a bool and a bool'],
    ['score > null', '7: > takes two numbers or two strings, not null; write == null or has(…)'],
    ['country == 5', `9: == takes two values of one type, not a string and an int${readText}`],
    ['is_known != 1.5', '10: != takes two values of one type, not a bool and a double'],
    ['country in [1, 2]', '9: in takes a value like those of the list, not a string in a list<int>'],
    ['1 in blocked', '3: in takes a value like those of the list, not an int in a list<string>'],
    ['null in blocked', '6: null is in no list; write == null'],
    ['1 in 2', '6: in takes a list, not an int'],
    ['1 in [1, "a"]', '10: the items of a list need one type, not an int and a string'],
    ['1 in [null, 1]', '7: null cannot be an item; write == null'],
    ['1 in [1, null]', '10: null cannot be an item; write == null'],
    ['[1]', '1: a list stands right of in, or before .size()'],
    ['!country', '2: ! takes a bool, not a string'],
    ['is_known && 1', '13: && takes a bool, not an int'],
    ['null || is_known', '1: || takes a bool, not null'],
    ['1 ? 2 : 3', '1: ? takes a bool, not an int'],
    ['is_known ? 1 : "a"', '10: both choices of ? : need one type, not an int and a string'],
    ['score.size()', '7: size is a method of strings and lists, not of a double'],
    ['score.contains("a")', '7: contains is a method of strings, not of a double'],
    ['country.contains(1)', '18: contains takes a string, not an int'],
    ['country.matches(country)', '17: matches takes its pattern as a literal string, so that it is checked now'],
    ['country.matches("(")', '17: the pattern is not in RE2 syntax: missing closing ): `(`'],
    ['abs(country)', '5: abs takes numbers, not a string'],
    ['max(1, is_known)', '8: max takes numbers, not a bool'],
    ['double(is_known)', '8: double takes a number or a string, not a bool'],
    ['null', '1: this is always null'],
    ['true ? null : null', '6: this is always null'],
  ])('in a type: %s', (text, ...expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it('is told at once, in the order of the text', () => {
    expect(problems('amount > 1 && contry == 5 && country + is_known == device')).toEqual([
      '1: unknown name amount',
      '15: unknown name contry; did you mean country?',
      '38: + takes two numbers, not a string and a bool; double(…) reads a number from text',
      '52: unknown name device',
    ]);
  });

  it('is an error of the catalogue, with its place', () => {
    const wrong = (): unknown => compileExpression('true &&\n  amout_minor > 1', SCOPE);
    expect(wrong).toThrow(FraudstreamError);
    expect(wrong).toThrow(
      expect.objectContaining({
        code: 'FS_CATALOGUE_INVALID',
        message:
          'the feature catalogue is not valid: line 2 column 3: unknown name amout_minor; did you mean amount_minor?',
        problems: [{ line: 2, column: 3, text: 'unknown name amout_minor; did you mean amount_minor?' }],
      }),
    );
  });

  it('is told on one line, in short', () => {
    expect(problems(`attributes.auth == ${'x'.repeat(100)}`)).toEqual([`20: unknown name ${'x'.repeat(40)}…`]);
    expect(problems('1 r"\u0007"')).toEqual(['3: unexpected r"\ufffd"']);
  });
});

describe('limits', () => {
  const { expressionLengthMax, expressionDepthMax, expressionNodesMax } = LIMITS;
  const padded = (text: string, length: number): string => text + ' '.repeat(length - text.length);

  it('of the length of the text', () => {
    expect(problems(padded('1', expressionLengthMax))).toEqual([]);
    expect(problems(padded('1', expressionLengthMax + 1))).toEqual([
      '2001: the expression has 2001 characters; at most 2000 are allowed',
    ]);
  });

  it.each<[string, (levels: number) => string]>([
    ['parentheses', (levels) => '('.repeat(levels - 1) + '1' + ')'.repeat(levels - 1)],
    ['calls', (levels) => 'abs('.repeat(levels - 1) + '1' + ')'.repeat(levels - 1)],
    ['signs', (levels) => `${'!'.repeat(levels - 1)}is_known`],
    ['choices', (levels) => 'is_known ? 1 : '.repeat(levels - 1) + '1'],
    ['sums', (levels) => `score${' + score'.repeat(levels - 1)}`],
    ['comparisons', (levels) => `(${'true == ('.repeat(levels - 2)}true${')'.repeat(levels - 2)})`],
  ])('of the depth of %s', (_of, nested) => {
    expect(problems(nested(expressionDepthMax))).toEqual([]);
    const [problem] = problems(nested(expressionDepthMax + 1));
    expect(problem).toMatch(/^\d+: nested deeper than 32 levels$/);
  });

  it.each(['(', '[', '!', '-', 'abs(', '1?', '1?1:', '"".size(', '-(', '1+(', '["",', '1 in ['])(
    'of the depth of an endless %s',
    (opening) => {
      const text = opening.repeat(Math.floor(expressionLengthMax / opening.length));
      expect(() => compileExpression(text, SCOPE)).toThrow(ExpressionError);
    },
  );

  it('of the parts of an expression: a chain of conditions is as deep as one', () => {
    const chain = (length: number): string => Array.from({ length }, () => 'is_known').join('&&');
    expect(problems(chain(200))).toEqual([]);
    const calls = (count: number): string => `max(${Array.from({ length: count }, () => '-score').join(',')}) > 0`;
    expect(problems(calls(200))).toEqual([]);
    // each operand is two parts; max, > and 0 are three more
    expect(problems(calls(Math.floor((expressionNodesMax - 3) / 2)))).toEqual([]);
    expect(problems(calls(Math.floor((expressionNodesMax - 3) / 2) + 1))).toEqual([
      expect.stringMatching(/^\d+: the expression has more than 500 parts$/),
    ]);
  });

  it('of the parts of an expression: the literals of a list are none', () => {
    const list = (length: number, item: string): string => `1 in[${Array.from({ length }, () => item).join()}]`;
    expect(problems(list(997, '1'))).toEqual([]);
    expect(problems(list(400, '-1'))).toEqual([]);
    expect(problems(list(498, '--1'))).toEqual([]);
    expect(problems(list(200, 'visits'))).toEqual([]);
    expect(problems(list(150, 'abs(visits)')).length).toBe(0);
    expect(problems(list(260, '-score')).at(0)).toMatch(/more than 500 parts/);
  });

  it('of a regular expression: its text and its program', () => {
    const matches = (pattern: string): string[] => problems(`country.matches(r"${pattern}")`);
    expect(matches('a'.repeat(200))).toEqual([]);
    expect(matches('a'.repeat(201))).toEqual(['17: the pattern has 201 characters; at most 200 are allowed']);
    expect(matches('a{250}')).toEqual([]);
    expect(matches('a{300}')).toEqual(['17: the pattern compiles to 302 steps, of at most 256; repeat less']);
    expect(matches('(a{30}){30}')).toEqual([expect.stringContaining('repeat less')]);
    expect(matches('(a{1000}){1000}')).toEqual([expect.stringContaining('invalid repeat count')]);
    expect(matches('(a)\\1')).toEqual([expect.stringContaining('invalid escape sequence')]);
    expect(matches('(?=a)')).toEqual([expect.stringContaining('not in RE2 syntax')]);
  });
});
