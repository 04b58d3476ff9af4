import { FraudstreamError } from '../domain/errors.ts';

/** What is wrong with an expression, and where: line and column from 1, in UTF-16 units. */
export interface ExpressionProblem {
  readonly line: number;
  readonly column: number;
  /** what was wrong and what to do, without the place */
  readonly text: string;
}

/** FS_CATALOGUE_INVALID, with every problem that was found, in the order of the text. */
export class ExpressionError extends FraudstreamError {
  readonly problems: readonly ExpressionProblem[];

  constructor(problems: readonly ExpressionProblem[]) {
    super('FS_CATALOGUE_INVALID', problems.map((problem) => `${placeOf(problem)}: ${problem.text}`).join('; '));
    this.problems = problems;
  }
}

/** `column 7`, and the line where the expression has several. */
function placeOf({ line, column }: ExpressionProblem): string {
  return line === 1 ? `column ${column}` : `line ${line} column ${column}`;
}

/** @param at offset in `source` */
export function problemAt(source: string, at: number, text: string): ExpressionProblem {
  const before = source.slice(0, at).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1, text };
}

/** A piece of an expression as a message shows it: short, on one line. */
export function shown(piece: string): string {
  const text = piece.length > 40 ? `${piece.slice(0, 40)}…` : piece;
  return text.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, '\ufffd');
}

/** Takes a problem at an offset of the text. */
export type Report = (at: number, text: string) => void;
