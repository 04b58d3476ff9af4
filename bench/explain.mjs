// Cost of explaining one flagged payment, without servers: rows mixed from the model's vectors, no two alike.
// `npm run build && node bench/explain.mjs [--model FOLDER] [--rows N]`; at most a few seconds
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { explainerOf } from '../dist/model/explainer.js';
import { parseManifest } from '../dist/model/manifest.js';
import { parseVectors } from '../dist/model/vectors.js';

const { values } = parseArgs({
  options: { model: { type: 'string', default: 'test/fixtures/model' }, rows: { type: 'string', default: '20000' } },
});
const text = (name) => readFileSync(join(values.model, name), 'utf8');
const manifest = parseManifest(text('manifest.json'));
const vectors = parseVectors(text('vectors.json'), manifest.sha256, manifest.features);
const explainer = explainerOf(manifest, readFileSync(join(values.model, 'model.onnx')), vectors);
if (explainer === null) {
  console.log(`${manifest.version} cannot be taken apart`);
  process.exit(1);
}
const width = manifest.features.length;
const count = Math.min(Math.max(1, Number(values.rows)), 200_000);
let seed = 7;
const random = () => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
const rows = Float32Array.from({ length: count * width }, (_, i) => {
  const vector = Math.floor(random() * vectors.names.length);
  return vectors.rows[vector * width + (i % width)];
});
const parts = new Float64Array(width);
const pass = () => {
  let worst = 0;
  const before = process.cpuUsage();
  for (let k = 0; k < count; k++) {
    const sum = explainer.explain(rows, k * width, parts);
    let added = explainer.base;
    for (const part of parts) added += part;
    worst = Math.max(worst, Math.abs(added - sum));
  }
  const { user, system } = process.cpuUsage(before);
  return { worst, microseconds: (user + system) / count };
};
pass(); // warm
const { worst, microseconds } = pass();
console.log(`${manifest.version}: ${width} features, ${count} rows`);
console.log(
  `${microseconds.toFixed(2)} µs CPU per explained row; base + contributions - sum: ${worst.toExponential(1)} at most`,
);
