import { escapeText } from '../observability/terminal.ts';

export interface Check {
  readonly status: 'good' | 'warning' | 'failure';
  /** what was looked at, e.g. `kafka` or `topic transactions` */
  readonly name: string;
  readonly finding: string;
  /** '' when there is nothing to do */
  readonly advice: string;
}

const MARKS = { good: '✓', warning: '!', failure: '✗' } as const;

export function good(name: string, finding: string): Check {
  return { status: 'good', name, finding, advice: '' };
}

export function warning(name: string, finding: string, advice: string): Check {
  return { status: 'warning', name, finding, advice };
}

export function failure(name: string, finding: string, advice: string): Check {
  return { status: 'failure', name, finding, advice };
}

/** One line: the mark, what was looked at and found, and what to do. */
export function renderCheck({ status, name, finding, advice }: Check): string {
  const todo = advice === '' ? '' : ` → ${escapeText(advice, 500)}`;
  return `${MARKS[status]} ${escapeText(name)}: ${escapeText(finding, 500)}${todo}\n`;
}
