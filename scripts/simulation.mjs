// npm run test:simulation -- --seeds N --from S [--workers 2] [--failures 1] [--trace] [--write]
// Simulated histories of the real protocol code, each from a seed. With --trace: one seed, every step of it.
// With --write: the figures go into docs/delivery.md.
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './simulation-build.mjs';
import { cell, writeBetween } from './simulation-page.mjs';
import { runSeeds } from './simulation-run.mjs';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    failures: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});
const from = Number(values.from);
const seeds = Number(values.seeds);
const folder = build();

if (values.trace) {
  const { simulate } = await import(pathToFileURL(join(folder, 'test/simulation/simulation.js')));
  const result = await simulate(from, { trace: (line) => process.stdout.write(`${line}\n`) });
  process.stdout.write(`${JSON.stringify({ ...result, injected: Object.fromEntries(result.injected) }, null, 2)}\n`);
  process.exit(result.faults.length === 0 ? 0 : 1);
}

const total = { seeds: 0, events: 0, steps: 0, cpuMs: 0, eventsMin: Infinity, faultsMin: Infinity };
const injected = new Map();
const startMs = performance.now();
let saidMs = startMs;
const failed = await runSeeds({
  folder,
  from,
  seeds,
  workers: Number(values.workers),
  failuresMax: Number(values.failures),
  onResult(result) {
    total.seeds++;
    total.events += result.events;
    total.steps += result.steps;
    total.cpuMs += result.ms;
    total.eventsMin = Math.min(total.eventsMin, result.events);
    let faults = 0;
    for (const [kind, count] of result.injected) {
      injected.set(kind, (injected.get(kind) ?? 0) + count);
      faults += count;
    }
    total.faultsMin = Math.min(total.faultsMin, faults);
    if (result.faults.length > 0) report(result);
    if (performance.now() - saidMs > 10_000) {
      saidMs = performance.now();
      process.stdout.write(`${total.seeds} of ${seeds} seeds, ${rate()} seeds/s\n`);
    }
  },
});

const sum = [...injected.values()].reduce((a, b) => a + b, 0);
process.stdout.write(
  `${total.seeds} seeds in ${((performance.now() - startMs) / 1000).toFixed(1)} s (${rate()} seeds/s, ` +
    `${(total.cpuMs / Math.max(1, total.seeds)).toFixed(0)} ms each): ${total.events} input records (at least ${total.eventsMin} a seed), ` +
    `${total.steps} steps, ${sum} faults (at least ${total.faultsMin} a seed)\n`,
);
for (const [kind, count] of [...injected].sort((a, b) => b[1] - a[1]))
  process.stdout.write(`  ${String(count).padStart(7)} ${kind}\n`);
if (failed.length > 0) process.stdout.write(`${failed.length} seeds failed: ${failed.join(', ')}\n`);
else process.stdout.write('all as the oracle wants it\n');
if (values.write) writeFigures();
process.exit(failed.length === 0 ? 0 : 1);

function writeFigures() {
  const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
  const number = (value) => value.toLocaleString('en');
  writeBetween('simulation', [
    `Seeds ${number(from)} to ${number(from + total.seeds - 1)} on ${values.workers} cores: ${minutes} min (${rate()} seeds/s), ` +
      `${number(total.events)} input records (at least ${total.eventsMin} a seed), ${number(total.steps)} steps, ` +
      `${number(sum)} faults (at least ${total.faultsMin} a seed), ${failed.length} failures.`,
    '',
    '| fault | times |',
    '| --- | --: |',
    ...[...injected].sort((a, b) => b[1] - a[1]).map(([kind, count]) => `| ${cell(kind)} | ${number(count)} |`),
  ]);
}

function rate() {
  return (total.seeds / ((performance.now() - startMs) / 1000)).toFixed(1);
}

function report({ seed, faults }) {
  process.stdout.write(`seed ${seed} fails:\n`);
  for (const fault of faults.slice(0, 8)) process.stdout.write(`  ${fault}\n`);
  if (faults.length > 8) process.stdout.write(`  … ${faults.length - 8} more\n`);
  process.stdout.write(`  again: npm run test:simulation -- --seeds 1 --from ${seed} --trace\n`);
}
