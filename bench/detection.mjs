// Detection on the data of published results: are the baseline features the expected ones, do the baseline models come out as
// published, and what does a richer catalogue bring at which delay of verdicts?
//
//   npm run bench:detection -- --data FILE [--data FILE …] [--train-starts DATE,…] [--delays 7,3,1,0] [--expected FILE]
//                              [--catalogue-file FILE] [--skip-baseline] [--out FILE]
//
// FILE has the columns id,t,customer,terminal,cents,fraud (bench/detection/mapping.yaml) and may be gzipped; several are read in
// order. The fold of a start S trains on [S, S + 7 d) and is tested on [S + 14 d, S + 21 d), whatever the delay: a shorter delay
// only lets features know more. --out writes the tables to a file, too.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareWithExpected, EXPECTED_ERROR_MAX } from './detection/expected.mjs';
import { exportFeatures } from './detection/export-run.mjs';
import {
  BASELINE_MODELS,
  BASELINE_WITHOUT,
  DELAYS_D,
  PUBLISHED,
  RICH_MODELS,
  RICH_WITHOUT,
  TRAIN_STARTS,
} from './detection/plans.mjs';
import { scoreFolds } from './detection/score.mjs';
import { markdown, ofResult, overFolds, plain, spread } from './detection/table.mjs';
import { ROOT } from './lib/build.mjs';
import { startChild } from './lib/children.mjs';

const HERE = join(import.meta.dirname, 'detection');
const TRAINING = join(ROOT, 'training');
const AP_TOLERANCE = 0.005;

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: [] },
    'train-starts': { type: 'string', default: TRAIN_STARTS.join(',') },
    delays: { type: 'string', default: DELAYS_D.join(',') },
    expected: { type: 'string' },
    'catalogue-file': { type: 'string', default: join(HERE, 'rich.yaml') },
    'skip-baseline': { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
if (options.data.length === 0) fail('--data FILE is missing: the payments');
const data = options.data.map((file) => resolve(file));
for (const file of data) if (!existsSync(file)) fail(`${file} is not there`);
const starts = options['train-starts'].split(',');
for (const start of starts)
  if (!/^\d{4}-\d{2}-\d{2}$/.test(start)) fail(`--train-starts: "${start}" is no date such as 2018-07-25`);
const delays = options.delays.split(',').map(Number);
for (const days of delays) if (!Number.isInteger(days) || days < 0) fail('--delays are whole days, such as 7,3,1,0');
const expected = options.expected ?? beside(data[0]);

const work = mkdtempSync(join(tmpdir(), 'fraudstream-detection-'));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));
const report = [];
let failed = false;

await python(['-c', 'import fraudstream_training.kinds']);
if (!options['skip-baseline']) await baseline();
await rich();
if (options.out) writeFileSync(options.out, `${report.join('\n')}\n`);
process.exitCode = failed ? 1 : 0;

async function baseline() {
  const folder = join(work, 'baseline');
  say(`## Baseline: 15 features, verdicts after 7 days\n`);
  say(await exportFeatures({ data, catalogue: join(HERE, 'baseline.yaml'), delayDays: 7, folder }));
  if (expected === null) say('No expected values: not compared.');
  else {
    const { rows, missing, values, above, worst } = await compareWithExpected(expected, folder);
    const where = worst.row === null ? '' : ` (row ${worst.row}, ${worst.column})`;
    say(
      `Expected values: ${rows} rows, ${values} values compared, ${missing} rows not in the data; largest relative error ${worst.error}${where}.`,
    );
    if (above > 0) complain(`${above} values are off by more than ${EXPECTED_ERROR_MAX}`);
  }
  const results = await run(folder, { starts, models: BASELINE_MODELS, without: BASELINE_WITHOUT });
  const published = isDeepEqual(starts, TRAIN_STARTS);
  const rows = [['model', `fold of ${starts[0]}`, `mean ± deviation of ${starts.length} folds`]];
  for (const { name } of BASELINE_MODELS) {
    const own = results.filter((result) => result.model === name);
    rows.push([name, plain(ofResult(own[0])), spread(overFolds(own))]);
  }
  for (const { name, main, folds } of PUBLISHED) rows.push([`published: ${name}`, plain(main), plain(folds)]);
  say(`\nAUC / AP / CP@100\n\n${markdown(rows)}\n`);
  if (published) for (const row of PUBLISHED) reproduces(row, results);
  rmSync(folder, { recursive: true });
}

function reproduces({ name, main, folds, same }, results) {
  if (same === null) return;
  const [onMain, onFolds] = same.map((model) => results.filter((result) => result.model === model));
  const pairs = [
    ['main split', main[1], onMain[0].ap],
    ['folds', folds[1], overFolds(onFolds)[1][0]],
  ];
  for (const [where, wanted, got] of pairs) {
    const ok = Math.abs(got - wanted) <= AP_TOLERANCE;
    say(
      `- ${name}, ${where}: AP ${got.toFixed(4)}, published ${wanted}: ${ok ? 'the same' : 'NOT the same'} within ${AP_TOLERANCE}`,
    );
    if (!ok) failed = true;
  }
  say('');
}

async function rich() {
  const rows = [['delay of verdicts', 'model', `fold of ${starts[0]}`, `mean ± deviation of ${starts.length} folds`]];
  say(`## Rich catalogue\n`);
  for (const days of delays) {
    const folder = join(work, `rich-${days}`);
    say(
      `${days} d: ${await exportFeatures({ data, catalogue: resolve(options['catalogue-file']), delayDays: days, folder })}`,
    );
    const results = await run(folder, { starts, models: RICH_MODELS, without: RICH_WITHOUT });
    for (const { name } of RICH_MODELS) {
      const own = results.filter((result) => result.model === name);
      rows.push([`${days} d`, name, plain(ofResult(own[0])), spread(overFolds(own))]);
    }
    rmSync(folder, { recursive: true });
  }
  say(`\nAUC / AP / CP@100\n\n${markdown(rows)}\n`);
  for (const { name, kind, fit } of RICH_MODELS) say(`${name}: ${kind} ${JSON.stringify(fit)}`);
}

/** Trains in Python, scores in the engine, measures. @returns [{ model, start, auc, ap, cp100 }, …] */
async function run(features, plan) {
  const out = join(features, 'folds');
  mkdirSync(out);
  const planFile = join(out, 'plan.json');
  writeFileSync(planFile, JSON.stringify(plan));
  await python([join(HERE, 'fit.py'), features, planFile, out]);
  const { features: names } = JSON.parse(readFileSync(join(features, 'columns.json'), 'utf8'));
  for (const fold of JSON.parse(readFileSync(join(out, 'folds.json'), 'utf8'))) {
    say(
      `Fold of ${fold.start}: ${fold.trainRows} rows with ${fold.trainFrauds} frauds, tested on ${fold.testRows} with ${fold.testFrauds}.`,
    );
  }
  await scoreFolds(plan, names, out);
  return JSON.parse(await python([join(HERE, 'measure.py'), features, planFile, out]));
}

/** Runs in the trainer's own environment, which is made when it is not there. @returns stdout */
async function python(args) {
  const lines = [];
  const script = '. ./venv.sh && export PYTHONPATH="$PWD" && exec "$PYTHON" "$@"';
  const child = startChild('sh', ['-c', `cd "$0" && ${script}`, TRAINING, ...args], {
    onLine: (line) => lines.push(line),
  });
  const code = await child.ended;
  if (code !== 0) throw new Error(`python ${args.join(' ')} ended with ${code}\n${child.stderrTail()}`);
  return lines.at(-1) ?? '';
}

function beside(file) {
  const path = join(dirname(file), 'features-expected.csv.gz');
  return existsSync(path) ? path : null;
}

function isDeepEqual(a, b) {
  return a.length === b.length && a.every((value, k) => value === b[k]);
}

function say(text) {
  report.push(text);
  process.stdout.write(`${text}\n`);
}

function complain(text) {
  failed = true;
  say(`FAILED: ${text}`);
}

function fail(text) {
  process.stderr.write(`bench:detection: ${text}\n`);
  process.exit(2);
}
