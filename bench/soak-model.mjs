/**
 * Does scoring keep memory flat, and what does a row cost? Calls the built scorer many times and prints resident
 * memory (MiB) every tenth of the way, after that the cost per row by batch size.
 *
 *   npm run build && node bench/soak-model.mjs [--model models/default] [--calls 1000000] [--batch 1] [--dist dist]
 *
 * Exit code 1 if resident memory grew by more than 16 MiB over the last nine tenths.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/default' },
    calls: { type: 'string', default: '1000000' },
    batch: { type: 'string', default: '1' },
    dist: { type: 'string', default: 'dist' },
  },
});
const GROWTH_MIB_MAX = 16;
const STEPS = 10;
const ROWS = 4_096;
const calls = Number(values.calls);
const batch = Number(values.batch);

const { loadScorer } = await import(pathToFileURL(resolve(values.dist, 'model/onnx-scorer.js')).href);
const manifest = JSON.parse(await readFile(join(values.model, 'manifest.json'), 'utf8'));
const { vectors } = JSON.parse(await readFile(join(values.model, 'vectors.json'), 'utf8'));
const scorer = await loadScorer(values.model, manifest.features);
const width = manifest.features.length;

// Rows mixed from two vectors each: no two alike, so the processor cannot learn the branches.
let seed = 1;
const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
const rows = Float32Array.from({ length: ROWS * width }, (_, i) => {
  const vector = vectors[Math.floor(random() * vectors.length)];
  return vector.inputs[i % width] ?? Number.NaN;
});
const out = new Float64Array(ROWS);

const rssMib = () => process.memoryUsage.rss() / 1_048_576;
console.log(`node ${process.version}, ${scorer.modelVersion}, ${width} features, batch ${batch}, ${calls} calls`);
let afterFirstStep = 0;
let rss = 0;
for (let step = 1; step <= STEPS; step++) {
  const started = performance.now();
  for (let call = 0; call < calls / STEPS; call++) {
    const start = (call * batch) % (ROWS - batch + 1);
    await scorer.score(rows.subarray(start * width, (start + batch) * width), batch, out);
  }
  rss = rssMib();
  if (step === 1) afterFirstStep = rss;
  const us = ((performance.now() - started) * 1000) / (calls / STEPS);
  console.log(
    `${String((calls / STEPS) * step).padStart(9)} calls  rss ${rss.toFixed(1)} MiB  ${us.toFixed(1)} us/call`,
  );
}

for (const size of [1, 8, 32, 128, 512, 1024]) {
  const repeats = Math.ceil(200_000 / size / (size === 1 ? 4 : 1));
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let call = 0; call < repeats; call++) {
    const start = (call * size) % (ROWS - size + 1);
    await scorer.score(rows.subarray(start * width, (start + size) * width), size, out);
  }
  const us = (performance.now() - started) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  const perRow = (total) => (total / repeats / size).toFixed(2);
  console.log(`batch ${String(size).padStart(4)}  ${perRow(us)} us/row  ${perRow(user + system)} us CPU/row`);
}
await scorer.close();

const growth = rss - afterFirstStep;
console.log(`resident memory grew by ${growth.toFixed(1)} MiB after the first tenth`);
if (growth > GROWTH_MIB_MAX) process.exitCode = 1;
