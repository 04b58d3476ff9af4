// Scores the test rows of each fold with the engine's own scorer, as `run` would.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from '../lib/build.mjs';

/** Writes OUT/<start>/<model>.f64. @param features names of the columns of rows.f32: a model may read some of them */
export async function scoreFolds({ starts, models }, features, out) {
  const { loadScorer } = await load('model/onnx-scorer');
  for (const start of starts) {
    const bytes = readFileSync(join(out, start, 'rows.f32'));
    const rows = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const count = rows.length / features.length;
    for (const { name } of models) {
      const scorer = await loadScorer(join(out, start, name), features);
      try {
        const scores = new Float64Array(count);
        await scorer.score(columnsOf(rows, features.length, scorer.columns), count, scores);
        writeFileSync(join(out, start, `${name}.f64`), new Uint8Array(scores.buffer));
      } finally {
        await scorer.close();
      }
    }
  }
}

function columnsOf(rows, width, columns) {
  const count = rows.length / width;
  const own = new Float32Array(count * columns.length);
  for (let row = 0, at = 0; row < count; row++) {
    for (const column of columns) own[at++] = rows[row * width + column];
  }
  return own;
}
