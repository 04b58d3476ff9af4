import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { MODEL_BYTES_MAX } from '../../../src/model/model-files.ts';
import { loadScorer, SCORE_CHUNK_ROWS, type OnnxScorer } from '../../../src/model/onnx-scorer.ts';
import { DOUBLE, node, opset, tinyOnnx } from './tiny-onnx.ts';

const FIXTURE = fileURLToPath(new URL('../../fixtures/model', import.meta.url));
const DEFAULT = fileURLToPath(new URL('../../../models/default', import.meta.url));
const OTHER_KINDS = ['xgboost', 'forest', 'logistic'].map((kind) =>
  fileURLToPath(new URL(`../../fixtures/models/${kind}`, import.meta.url)),
);
const MODELS = [FIXTURE, DEFAULT, ...OTHER_KINDS].filter((folder) => existsSync(join(folder, 'model.onnx')));

interface Manifest {
  features: string[];
  sha256: string;
  output: { tensor: string; column: number };
  [key: string]: unknown;
}
interface Vectors {
  sha256: string;
  features: string[];
  vectors: { name: string; inputs: (number | null)[]; output: number }[];
}

const readJson = async <T>(path: string): Promise<T> => JSON.parse(await readFile(path, 'utf8')) as T;
const failsWith = (code: string, words = ''): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });

/** Rows mixed from the vectors, value by value, seeded. */
function mixedRows(vectors: Vectors, count: number): Float32Array {
  let seed = 7;
  const random = (): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  const width = vectors.features.length;
  return Float32Array.from({ length: count * width }, (_, i) => {
    const vector = vectors.vectors[Math.floor(random() * vectors.vectors.length)]!;
    return vector.inputs[i % width] ?? Number.NaN;
  });
}

async function scoreInBatches(scorer: OnnxScorer, rows: Float32Array, size: number): Promise<Float64Array> {
  const width = scorer.featureNames.length;
  const count = rows.length / width;
  const out = new Float64Array(count);
  for (let start = 0; start < count; start += size) {
    const end = Math.min(count, start + size);
    await scorer.score(rows.subarray(start * width, end * width), end - start, out.subarray(start, end));
  }
  return out;
}

describe.each(MODELS)('the model in %s', (folder) => {
  it('scores batches of any size bit for bit alike', async () => {
    const vectors = await readJson<Vectors>(join(folder, 'vectors.json'));
    const scorer = await loadScorer(folder, vectors.features);
    const rows = mixedRows(vectors, 1_000);
    const one = await scoreInBatches(scorer, rows, 1);
    expect(new Set(one).size).toBeGreaterThan(100);
    for (const size of [2, 3, 31, 127, 128, 129, 1_000]) {
      expect(await scoreInBatches(scorer, rows, size), `batches of ${size}`).toEqual(one);
    }
    await scorer.close();
  });

  it('has vectors with missing values and with high and low scores', async () => {
    const { vectors } = await readJson<Vectors>(join(folder, 'vectors.json'));
    expect(vectors.length).toBeGreaterThanOrEqual(32);
    expect(vectors.some((vector) => vector.inputs.every((value) => value === null))).toBe(true);
    const outputs = vectors.map((vector) => vector.output);
    expect(Math.max(...outputs) - Math.min(...outputs)).toBeGreaterThan(0.3);
  });
});

describe('OnnxScorer', () => {
  it('takes its columns from a larger catalogue in another order', async () => {
    const { features } = await readJson<Manifest>(join(FIXTURE, 'manifest.json'));
    const catalogue = ['other', ...features.toReversed(), 'more'];
    const scorer = await loadScorer(FIXTURE, catalogue);
    expect([...scorer.columns].map((column) => catalogue[column])).toEqual(scorer.featureNames);
    expect(scorer.columns[0]).toBe(40);
    expect(scorer.modelVersion).toMatch(/^fixture-[0-9a-f]{12}$/);
    expect(scorer.thresholds.block).toBeGreaterThan(scorer.thresholds.flag);
    await scorer.close();
  });

  it('lets the event loop run between chunks, and calls may overlap', async () => {
    const vectors = await readJson<Vectors>(join(FIXTURE, 'vectors.json'));
    const scorer = await loadScorer(FIXTURE, vectors.features);
    const count = SCORE_CHUNK_ROWS * 6 + 1;
    const rows = mixedRows(vectors, count);
    let turns = 0;
    let running = true;
    const turn = (): void => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    const outs = [new Float64Array(count), new Float64Array(count)];
    await Promise.all(outs.map((out) => scorer.score(rows, count, out)));
    running = false;
    expect(turns).toBeGreaterThanOrEqual(6);
    expect(outs[0]).toEqual(outs[1]);
    expect(outs[0]!.subarray(-1)).toEqual(await scoreInBatches(scorer, rows.subarray(-40), 1));
    await scorer.close();
  });

  it('refuses arrays that are too short, and work after close', async () => {
    const { features } = await readJson<Manifest>(join(FIXTURE, 'manifest.json'));
    const scorer = await loadScorer(FIXTURE, features);
    await expect(scorer.score(new Float32Array(79), 2, new Float64Array(2))).rejects.toEqual(failsWith('FS_INTERNAL'));
    await expect(scorer.score(new Float32Array(80), 2, new Float64Array(1))).rejects.toEqual(failsWith('FS_INTERNAL'));
    await scorer.close();
    await scorer.close();
    await expect(scorer.score(new Float32Array(40), 1, new Float64Array(1))).rejects.toEqual(
      failsWith('FS_MODEL_FAILED', 'closed'),
    );
  });
});

describe('loadScorer refuses', () => {
  let folder: string;
  let manifest: Manifest;
  let vectors: Vectors;

  const save = async (): Promise<void> => {
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
    await writeFile(join(folder, 'vectors.json'), JSON.stringify(vectors));
  };
  /** Puts another model into the folder, with the hashes that belong to it. */
  const saveModel = async (
    bytes: Uint8Array,
    features: string[],
    scores: [(number | null)[], number][],
  ): Promise<void> => {
    await writeFile(join(folder, 'model.onnx'), bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    manifest = { ...manifest, sha256, features, output: { tensor: 'score', column: 0 } };
    delete manifest['calibration'];
    delete manifest['explanation'];
    vectors = {
      ...vectors,
      sha256,
      features,
      vectors: scores.map(([inputs, output], i) => ({ name: `t${i}`, inputs, output })),
    };
    await save();
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fraudstream-model-'));
    await cp(FIXTURE, folder, { recursive: true });
    manifest = await readJson<Manifest>(join(folder, 'manifest.json'));
    vectors = await readJson<Vectors>(join(folder, 'vectors.json'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('a catalogue without a feature of the model, by its name', async () => {
    const without = manifest.features.filter((name) => name !== 'f07' && name !== 'f31');
    await expect(loadScorer(folder, without)).rejects.toEqual(failsWith('FS_MODEL_INPUTS', 'f07, f31'));
  });

  it('a model that is not the one of the manifest', async () => {
    const bytes = await readFile(join(folder, 'model.onnx'));
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(join(folder, 'model.onnx'), bytes);
    await expect(loadScorer(folder, manifest.features)).rejects.toEqual(failsWith('FS_MODEL_HASH', manifest.sha256));
  });

  it('a model that scores a vector otherwise, by its name', async () => {
    vectors.vectors[5]!.output += 2e-6;
    await save();
    await expect(loadScorer(folder, manifest.features)).rejects.toEqual(failsWith('FS_MODEL_VECTORS', 'vector v05'));
  });

  it('a manifest with features in another order', async () => {
    const { features } = manifest;
    manifest.features = [features[1]!, features[0]!, ...features.slice(2)];
    await save();
    await expect(loadScorer(folder, features)).rejects.toEqual(failsWith('FS_MODEL_VECTORS', 'feature f01'));
  });

  it.each(['manifest.json', 'model.onnx', 'vectors.json'])('a folder without %s', async (name) => {
    await rm(join(folder, name));
    await expect(loadScorer(folder, manifest.features)).rejects.toEqual(failsWith('FS_MODEL_INVALID', name));
  });

  it('a file beyond the limit, without reading it', async () => {
    await truncate(join(folder, 'model.onnx'), MODEL_BYTES_MAX + 1);
    await expect(loadScorer(folder, manifest.features)).rejects.toEqual(failsWith('FS_MODEL_INVALID', 'larger than'));
  });

  it('a model of another width', async () => {
    await saveModel(tinyOnnx({ width: 2 }), ['a'], [[[0.5], 0.5]]);
    await expect(loadScorer(folder, ['a'])).rejects.toEqual(failsWith('FS_MODEL_INPUTS', '[rows, 2]'));
  });

  it('an input that is not float32', async () => {
    await saveModel(tinyOnnx({ type: DOUBLE }), ['a'], [[[0.5], 0.5]]);
    await expect(loadScorer(folder, ['a'])).rejects.toEqual(failsWith('FS_MODEL_INPUTS', 'float32'));
  });

  it('an input of another name', async () => {
    await saveModel(tinyOnnx(), ['a'], [[[0.5], 0.5]]);
    manifest['input'] = { tensor: 'rows' };
    await save();
    await expect(loadScorer(folder, ['a'])).rejects.toEqual(failsWith('FS_MODEL_INPUTS', 'rows'));
  });

  it('an output that is not there, or has no such column', async () => {
    await saveModel(tinyOnnx(), ['a'], [[[0.5], 0.5]]);
    manifest.output = { tensor: 'score', column: 1 };
    await save();
    await expect(loadScorer(folder, ['a'])).rejects.toEqual(failsWith('FS_MODEL_INVALID', 'column 1'));
    manifest.output = { tensor: 'other', column: 0 };
    await save();
    await expect(loadScorer(folder, ['a'])).rejects.toEqual(failsWith('FS_MODEL_INVALID', 'output other'));
  });

  it('operators of other domains and unknown operators', async () => {
    await saveModel(tinyOnnx({ opsets: [...opset('', 17), ...opset('com.microsoft', 1)] }), ['a'], [[[0.5], 0.5]]);
    await expect(loadScorer(folder, ['a'])).rejects.toEqual(failsWith('FS_MODEL_INVALID', 'com.microsoft'));
    await saveModel(tinyOnnx({ nodes: node('features', 'score', 'NoSuchOperator') }), ['a'], [[[0.5], 0.5]]);
    await expect(loadScorer(folder, ['a'])).rejects.toEqual(failsWith('FS_MODEL_INVALID', 'NoSuchOperator'));
  });

  it('scores that are no probability: at load, and later', async () => {
    await saveModel(tinyOnnx(), ['a'], [[[1.5], 1.5]]);
    await expect(loadScorer(folder, ['a'])).rejects.toEqual(failsWith('FS_MODEL_VECTORS', 'between 0 and 1'));
    await saveModel(tinyOnnx({ width: 2 }), ['a', 'b'], [[[0.25, 0.5], 0.5]]);
    manifest.output = { tensor: 'score', column: 1 };
    await save();
    const scorer = await loadScorer(folder, ['b', 'a']);
    const out = new Float64Array(2);
    await scorer.score(Float32Array.of(9, 0.75, 9, 0.125), 2, out);
    expect([...out]).toEqual([0.75, 0.125]);
    for (const wrong of [Number.NaN, -0.1, 1.01, Infinity]) {
      await expect(scorer.score(Float32Array.of(0, wrong), 1, out)).rejects.toEqual(failsWith('FS_MODEL_FAILED'));
    }
    await scorer.close();
  });
});
