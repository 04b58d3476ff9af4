import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadBrain } from '../app.ts';
import { Progress } from '../observability/progress.ts';
import type { CommandContext } from './command.ts';
import { replayFiles } from './embedded.ts';
import { fraudIds, readLabels } from './labels.ts';
import { ReplayTally } from './replay-tally.ts';
import { simulateSettings } from './simulate-command.ts';
import { runSimulate } from './simulate.ts';

/** `npm start`: a seeded day of payments, decided on the embedded default with the shipped model. */
export async function run(context: CommandContext): Promise<number> {
  const { settings, stdout, stderr, clock, signal } = context;
  const out = settings['simulate.out'] ?? 'out/demo';
  await mkdir(out, { recursive: true });
  const brain = await loadBrain(settings);
  try {
    const bar = (label: string): Progress =>
      new Progress({ label, unit: 'payments', output: stderr, monotonicMs: () => clock.monotonicMs() });
    const simulating = bar('simulate');
    const simulated = await runSimulate(
      { ...simulateSettings(settings), sink: 'file', out, format: 'avro', labels: 'all' },
      {
        clock: { nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs(), sleep: () => Promise.resolve() },
        signal,
        onProgress: (fraction, payments) => simulating.update(fraction, payments),
      },
    );
    simulating.done(simulated.payments);
    const tally = new ReplayTally(fraudIds(await readLabels([join(out, 'labels.avro')])));
    const deciding = bar('decide  ');
    const startMs = clock.monotonicMs();
    await replayFiles(brain, settings, {
      paths: [join(out, 'transactions.avro')],
      mapped: null,
      out,
      clock,
      signal,
      tally,
      labels: null,
      progress: (done, records) => deciding.update(done, records),
    });
    deciding.done(tally.records);
    stdout.write('\n');
    for (const line of tally.lines((clock.monotonicMs() - startMs) / 1_000)) stdout.write(`${line}\n`);
    stdout.write('\nBlocked, for example:\n');
    for (const line of tally.exampleLines()) stdout.write(`${line}\n`);
    stdout.write(
      `\nAll decisions: ${join(out, 'decisions.avro')}; flagged cases: ${join(out, 'flagged.avro')}\n` +
        `Read them as an analyst: node dist/main.js flagged --from-file ${join(out, 'flagged.avro')} --limit 5\n`,
    );
    return signal.aborted ? 130 : 0;
  } finally {
    await brain.scorer.close();
  }
}
