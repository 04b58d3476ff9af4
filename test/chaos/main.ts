import { parseArgs } from 'node:util';
import { operators } from './operators.ts';
import { describe, describeFigure, isExact, keep, writeDocs } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { Stage } from './stage.ts';
import { restart, takeover } from './takeover.ts';

/** `npm run chaos`. Each scenario has servers that nobody else harms; a failure does not keep the others from running. */

const OPERATORS = 'operators';
const FIGURES = { takeover, restart } as const;
const OPTIONS = {
  list: { type: 'boolean', default: false },
  only: { type: 'string', multiple: true, default: [] as string[] },
  short: { type: 'boolean', default: false },
  share: { type: 'string', default: '1' },
  seed: { type: 'string', default: '1' },
  rate: { type: 'string', default: '500' },
  mishap: { type: 'string', default: '' },
  'at-once': { type: 'string', default: '2' },
  logs: { type: 'string' },
  'write-docs': { type: 'boolean', default: false },
} as const;

export async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({ args: argv, options: OPTIONS });
  const say = (text: string): void => void process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
  const all = [...Object.keys(SCENARIOS), ...Object.keys(FIGURES), OPERATORS];
  if (values.list) {
    process.stdout.write(`${all.join('\n')}\n`);
    return 0;
  }
  const names = values.only.length > 0 ? values.only : all;
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(', ')}; --list shows them`);
  let failed = 0;
  for (const name of names) {
    const stage = new Stage({
      long: !values.short,
      seed: Number(values.seed),
      rate: Number(values.rate),
      share: Number(values.share),
      ...(values.mishap === '' ? {} : { mishap: new RegExp(values.mishap) }),
      ...(values.logs === undefined ? {} : { logs: values.logs }),
      say,
    });
    try {
      if (name === OPERATORS) {
        const outcomes = await operators(stage, Number(values['at-once']));
        failed += outcomes.filter(({ faults }) => faults.length > 0).length;
        keep('operators', outcomes);
        continue;
      }
      if (name in FIGURES) {
        const figures = await FIGURES[name as keyof typeof FIGURES](stage);
        for (const one of figures) say(describeFigure(one));
        failed += figures.filter(({ p95, goal }) => !(p95 <= goal)).length;
        keep('figures', figures);
        continue;
      }
      const outcome = await (SCENARIOS[name] as (typeof SCENARIOS)[string])(stage);
      say(describe(outcome));
      for (const problem of outcome.problems) say(`  ${problem}`);
      if (!isExact(outcome)) failed++;
      keep('scenarios', [outcome]);
    } catch (error) {
      failed++;
      say(`✗ ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    } finally {
      await stage.strike();
    }
  }
  if (values['write-docs']) await writeDocs();
  return failed === 0 ? 0 : 1;
}
