import { RE2JS } from 're2js';
import { LIMITS } from '../domain/limits.ts';

/**
 * Regular expressions in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax), so without look-around and
 * back references. They run in time linear in the length of the text; the bound on the program bounds the factor.
 * @returns the test for a match anywhere in a text, or what is wrong with the pattern
 */
export function compilePattern(pattern: string): ((text: string) => boolean) | { readonly problem: string } {
  const { regexLengthMax, regexInstructionsMax } = LIMITS;
  if (pattern.length > regexLengthMax) {
    return { problem: `the pattern has ${pattern.length} characters; at most ${regexLengthMax} are allowed` };
  }
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error);
    return { problem: `the pattern is not in RE2 syntax: ${reason}` };
  }
  const size = compiled.programSize();
  if (size > regexInstructionsMax) {
    return { problem: `the pattern compiles to ${size} steps, of at most ${regexInstructionsMax}; repeat less` };
  }
  return (text) => compiled.test(text);
}
