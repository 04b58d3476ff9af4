import { parseArgs } from 'node:util';
import { chaosTable, describe, isExact, keep, writeBetween } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { Stage } from './stage.ts';

/** `npm run chaos`. Each scenario has servers that nobody else harms; a failure does not keep the others from running. */

const OPTIONS = {
  list: { type: 'boolean', default: false },
  only: { type: 'string', multiple: true, default: [] as string[] },
  short: { type: 'boolean', default: false },
  share: { type: 'string', default: '1' },
  seed: { type: 'string', default: '1' },
  rate: { type: 'string', default: '500' },
  'write-docs': { type: 'boolean', default: false },
} as const;

export async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({ args: argv, options: OPTIONS });
  const say = (text: string): void => void process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
  if (values.list) {
    process.stdout.write(`${Object.keys(SCENARIOS).join('\n')}\n`);
    return 0;
  }
  const names = values.only.length > 0 ? values.only : Object.keys(SCENARIOS);
  const unknown = names.filter((name) => !(name in SCENARIOS));
  if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(', ')}; --list shows them`);
  let failed = 0;
  for (const name of names) {
    const stage = new Stage({
      long: !values.short,
      seed: Number(values.seed),
      rate: Number(values.rate),
      share: Number(values.share),
      say,
    });
    try {
      const outcome = await (SCENARIOS[name] as (typeof SCENARIOS)[string])(stage);
      say(describe(outcome));
      for (const problem of outcome.problems) say(`  ${problem}`);
      if (!isExact(outcome)) failed++;
      else {
        const all = keep('chaos.json', [outcome]);
        if (values['write-docs']) writeBetween('chaos', chaosTable(all));
      }
    } catch (error) {
      failed++;
      say(`✗ ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    } finally {
      await stage.strike();
    }
  }
  return failed === 0 ? 0 : 1;
}
