import { loadBrain } from '../app.ts';
import { Progress } from '../observability/progress.ts';
import { escapeText } from '../observability/terminal.ts';
import type { CommandContext } from './command.ts';
import { replayFiles } from './embedded.ts';
import { LabelTimeline } from './label-timeline.ts';
import { fraudIds, readLabels } from './labels.ts';
import { labelInputOf, mappedInputOf } from './mapped-input.ts';
import { ReplayTally } from './replay-tally.ts';

const LINE_MAX = 2_000;

/** `fraudstream replay`: files in, the whole pipeline with state in memory, files out. */
export async function run(context: CommandContext): Promise<number> {
  const { settings, stdout, stderr, clock, signal } = context;
  const brain = await loadBrain(settings);
  try {
    const out = settings['replay.out'] ?? 'out/replay';
    const paths = settings['replay.in'];
    const mapped = await mappedInputOf(settings);
    const labels = labelInputOf(settings['replay.labels'], paths, mapped);
    const truth = labels.paths.length === 0 ? null : fraudIds(await readLabels(labels.paths, labels.mapped));
    const verdicts = await LabelTimeline.read(labels, brain.plan);
    const tally = new ReplayTally(truth);
    const progress = new Progress({
      label: 'replay',
      unit: 'payments',
      output: stderr,
      monotonicMs: () => clock.monotonicMs(),
    });
    const startMs = clock.monotonicMs();
    await replayFiles(brain, settings, {
      paths,
      mapped,
      out,
      clock,
      signal,
      tally,
      labels: verdicts,
      progress: (done, records) => progress.update(done, records),
    });
    progress.done(tally.records);
    for (const line of tally.lines((clock.monotonicMs() - startMs) / 1_000)) stdout.write(`${line}\n`);
    for (const line of mapped?.tally.lines('payments') ?? []) stdout.write(`${escapeText(line, LINE_MAX)}\n`);
    for (const line of labels.mapped?.tally.lines('labels') ?? []) stdout.write(`${escapeText(line, LINE_MAX)}\n`);
    stdout.write(`written to ${out}\n`);
    return signal.aborted ? 130 : 0;
  } finally {
    await brain.scorer.close();
  }
}
