import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { REPOSITORY } from '../servers/process.ts';
import type { MishapOutcome } from './mishap.ts';
import type { Figure } from './takeover.ts';
import type { Outcome } from './world.ts';

/** What came of the scenarios, as JSON in out/ and as a table in the documentation. */

const OUT = join(REPOSITORY, 'out');
const FILES = { scenarios: 'chaos.json', figures: 'takeover.json', operators: 'operators.json' } as const;
const PAGE = join(REPOSITORY, 'docs/delivery.md');

/** Nothing is missing, twice, or other than it must be. */
export function isExact(outcome: Outcome): boolean {
  const { inputs, outputs, duplicates, missing, differing, open } = outcome;
  return inputs > 0 && inputs === outputs && duplicates + missing + differing + open === 0;
}

export function describe(outcome: Outcome): string {
  const { scenario, faults, inputs, outputs, duplicates, missing, differing, gapMs, latencyMs, seconds } = outcome;
  const counts = `${inputs} inputs, ${outputs} outputs, ${duplicates} duplicates, ${missing} missing, ${differing} differing`;
  const times = `longest gap ${gapMs} ms, latency p50 ${latencyMs.p50} p99 ${latencyMs.p99} max ${latencyMs.max} ms`;
  const notes = Object.entries(outcome.notes).map(([name, value]) => `, ${name} ${value}`);
  return `${isExact(outcome) ? '✓' : '✗'} ${scenario}: ${faults}; ${counts}; ${times}; ${seconds} s${notes.join('')}`;
}

/** One file per kind of result; later results of the same name replace earlier ones. */
export function keep<T extends { readonly scenario: string }>(file: keyof typeof FILES, results: readonly T[]): void {
  mkdirSync(OUT, { recursive: true });
  const path = join(OUT, FILES[file]);
  const merged = new Map(known<T>(path).map((one) => [one.scenario, one]));
  for (const one of results) merged.set(one.scenario, one);
  writeFileSync(path, `${JSON.stringify([...merged.values()], null, 2)}\n`);
}

function known<T>(path: string): T[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T[];
  } catch {
    return [];
  }
}

const number = (value: number): string => value.toLocaleString('en-US');

function chaosTable(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((one) => [
    one.scenario,
    one.faults,
    ...[one.inputs, one.outputs, one.duplicates, one.missing, one.differing].map(number),
    `${(one.gapMs / 1_000).toFixed(1)} s`,
    `\`npm run chaos -- --only ${one.scenario}\``,
  ]);
  const head = [
    ...['scenario', 'what was done', 'inputs', 'outputs', 'duplicates', 'missing', 'differing', 'longest gap'],
    'command',
  ];
  return table(head, rows);
}

function operatorsTable(outcomes: readonly MishapOutcome[]): string {
  const rows = outcomes.map(({ scenario, code, message, faults }) => [
    scenario,
    faults.length > 0 ? `WRONG: ${faults.join('; ')}` : code === '' ? 'goes on' : `stops: \`${code}\``,
    message.replaceAll(/(?:mishap|other|e2e)[\w.-]*transactions/g, 'transactions'),
  ]);
  return table(['what an operator did', 'outcome', 'message'], rows);
}

export function describeFigure({ scenario, rounds, p50, p95, max, goal }: Figure): string {
  const times = `p50 ${p50}, p95 ${p95}, max ${max} ms of ${rounds}; goal ${goal} ms`;
  return `${p95 <= goal ? '✓' : '✗'} ${scenario}: ${times}`;
}

function figureTable(figures: readonly Figure[]): string {
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
  const rows = figures.map(({ scenario, rounds, p50, p95, max, goal }) => [
    scenario,
    String(rounds),
    ...[p50, p95, max, goal].map(seconds),
  ]);
  return table(['what was done', 'rounds', 'p50', 'p95', 'longest', 'goal (p95)'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Everything that was kept, between the markers of the page, as the formatter would have it. */
export async function writeDocs(): Promise<void> {
  const parts = [
    chaosTable(known<Outcome>(join(OUT, FILES.scenarios))),
    'How long payments wait:',
    figureTable(known<Figure>(join(OUT, FILES.figures))),
    'What operators do by mistake:',
    operatorsTable(known<MishapOutcome>(join(OUT, FILES.operators))),
  ];
  const [begin, end] = ['<!-- chaos -->', '<!-- /chaos -->'];
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no ${begin} … ${end}`);
  const next = `${page.slice(0, from)}${begin}\n\n${parts.join('\n\n')}\n\n${page.slice(to)}`;
  writeFileSync(PAGE, await format(next, { ...(await resolveConfig(PAGE)), filepath: PAGE }));
}
