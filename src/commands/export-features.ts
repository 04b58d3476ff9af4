import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDecisionEncoder } from '../codec/decision-encoder.ts';
import { makeEngine, loadPlan } from '../app.ts';
import type { Scorer } from '../model/scorer.ts';
import { Progress } from '../observability/progress.ts';
import { escapeText } from '../observability/terminal.ts';
import { makeRoom } from '../pipeline/file-runner.ts';
import { openTransactionFiles } from '../transport/file/file-source.ts';
import type { CommandContext } from './command.ts';
import { fileDecoder, memoryHistories } from './embedded.ts';
import { FeatureFiles } from './feature-files.ts';
import { LabelTimeline } from './label-timeline.ts';
import { readLabels } from './labels.ts';
import { labelInputOf, mappedInputOf } from './mapped-input.ts';

/**
 * `fraudstream export-features`: the features of each payment as the live path computes them, for training. Payments
 * that cannot be decoded have no row: they are counted by error code on stderr.
 */
export async function run(context: CommandContext): Promise<number> {
  const { settings, stdout, stderr, clock, signal } = context;
  const out = settings['export-features.out'] ?? 'out/features';
  const plan = await loadPlan(settings);
  const paths = settings['export-features.in'];
  const mapped = await mappedInputOf(settings);
  const labelInput = labelInputOf(settings['export-features.labels'], paths, mapped);
  const labels = await readLabels(labelInput.paths, labelInput.mapped);
  const brain = { plan, scorer: NO_MODEL, policy: { version: 'none', thresholds: NO_MODEL.thresholds } };
  const topic = settings['topics.transactions'];
  const source = await openTransactionFiles({
    paths,
    topic,
    batchSize: settings['batch.records-max'],
    ...(mapped === null ? {} : { mapped }),
  });
  await mkdir(out, { recursive: true });
  const files = await FeatureFiles.open(out, plan.names, settings['export-features.format']);
  const progress = new Progress({
    label: 'features',
    unit: 'payments',
    output: stderr,
    monotonicMs: () => clock.monotonicMs(),
  });
  const refused = new Map<string, number>();
  let records = 0;
  let verdicts = 0;
  let verdictsGone = 0;
  const startMs = clock.monotonicMs();
  try {
    const { histories, budget } = await memoryHistories(brain, settings, topic);
    const engine = makeEngine(brain, settings, {
      decoder: fileDecoder(settings),
      encoder: createDecisionEncoder(),
      clock,
      labels: await LabelTimeline.read(labelInput, plan),
    });
    for (let next = await source.read(); next !== null && !signal.aborted; next = await source.read()) {
      const report = await engine.exportRows(next.batch, histories, ({ record, transaction }, values) =>
        files.add(record.offset, transaction, values, labels.get(transaction.transaction_id) ?? null),
      );
      for (const [code, count] of report.deadLetters) refused.set(code, (refused.get(code) ?? 0) + count);
      verdicts += report.labels;
      verdictsGone += report.labelsGone;
      records += next.batch.records.length;
      progress.update(next.progress, records);
      await files.write();
      await makeRoom(histories, budget);
    }
  } finally {
    await files.close();
    await source.close();
  }
  progress.done(records);
  const description = {
    features: plan.names,
    rows: files.rows,
    catalogue_fingerprint: plan.fingerprint,
    catalogue_version: 1,
  };
  await writeFile(join(out, 'columns.json.part'), `${JSON.stringify(description, null, 2)}\n`);
  await rename(join(out, 'columns.json.part'), join(out, 'columns.json'));
  const seconds = (clock.monotonicMs() - startMs) / 1_000;
  for (const [code, count] of refused) stderr.write(`${count} payments have no row: ${code}\n`);
  for (const line of mapped?.tally.lines('payments') ?? []) stderr.write(`${escapeText(line, LINE_MAX)}\n`);
  for (const line of labelInput.mapped?.tally.lines('labels') ?? []) stderr.write(`${escapeText(line, LINE_MAX)}\n`);
  if (verdicts > 0) stdout.write(`${verdicts} verdicts folded, ${verdictsGone} of payments that had left\n`);
  stdout.write(`${files.rows} rows of ${plan.names.length} features in ${seconds.toFixed(1)} s, in ${out}\n`);
  return signal.aborted ? 130 : 0;
}

const LINE_MAX = 2_000;

/** Features need no score. */
const NO_MODEL: Scorer = {
  modelVersion: 'none',
  featureNames: [],
  columns: new Int32Array(0),
  thresholds: { flag: 1, block: 1 },
  score: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
