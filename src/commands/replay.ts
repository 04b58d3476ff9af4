import { loadBrain } from '../app.ts';
import { Progress } from '../observability/progress.ts';
import type { CommandContext } from './command.ts';
import { replayFiles } from './embedded.ts';
import { LabelTimeline } from './label-timeline.ts';
import { fraudIds, readLabels } from './labels.ts';
import { ReplayTally } from './replay-tally.ts';

/** `fraudstream replay`: files in, the whole pipeline with state in memory, files out. */
export async function run(context: CommandContext): Promise<number> {
  const { settings, stdout, stderr, clock, signal } = context;
  const brain = await loadBrain(settings);
  try {
    const out = settings['replay.out'] ?? 'out/replay';
    const labelFiles = settings['replay.labels'];
    const truth = labelFiles.length === 0 ? null : fraudIds(await readLabels(labelFiles));
    const labels = await LabelTimeline.read(labelFiles, brain.plan);
    const tally = new ReplayTally(truth);
    const progress = new Progress({
      label: 'replay',
      unit: 'payments',
      output: stderr,
      monotonicMs: () => clock.monotonicMs(),
    });
    const startMs = clock.monotonicMs();
    await replayFiles(brain, settings, {
      paths: settings['replay.in'],
      out,
      clock,
      signal,
      tally,
      labels,
      progress: (done, records) => progress.update(done, records),
    });
    progress.done(tally.records);
    for (const line of tally.lines((clock.monotonicMs() - startMs) / 1_000)) stdout.write(`${line}\n`);
    stdout.write(`written to ${out}\n`);
    return signal.aborted ? 130 : 0;
  } finally {
    await brain.scorer.close();
  }
}
