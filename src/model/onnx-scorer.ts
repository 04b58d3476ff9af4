import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { InferenceSession, Tensor, env } from 'onnxruntime-node';

import { FraudstreamError, toFraudstreamError } from '../domain/errors.ts';
import { calibrated } from './calibration.ts';
import { explainerOf } from './explainer.ts';
import { parseManifest, type ModelManifest } from './manifest.ts';
import { MODEL_BYTES_MAX, MODEL_TEXT_BYTES_MAX, readModelFile, readModelText } from './model-files.ts';
import { assertSelfContained } from './onnx-file.ts';
import type { Explainer, ModelThresholds, Scorer } from './scorer.ts';
import { checkVectors, parseVectors } from './vectors.ts';

/** A native call blocks the event loop: about 0.3 ms at this many rows of 100 trees; larger calls save nothing (docs/model.md). */
export const SCORE_CHUNK_ROWS = 128;

const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  // One thread: the order of additions, and so the last bit of a score, must not depend on the batch.
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // It would keep one plan per batch size.
  enableMemPattern: false,
  logSeverityLevel: 3,
};

/** Scorer on onnxruntime-node. Made by {@link loadScorer}; calls may overlap. */
export class OnnxScorer implements Scorer {
  readonly manifest: ModelManifest;
  /** column of the catalogue for each of the model's features: the pipeline builds rows in the model's order */
  readonly columns: Int32Array;
  readonly explainer: Explainer | null;
  readonly #session: InferenceSession;
  readonly #inputName: string;
  #closed = false;

  constructor(
    manifest: ModelManifest,
    columns: Int32Array,
    explainer: Explainer | null,
    session: InferenceSession,
    inputName: string,
  ) {
    this.manifest = manifest;
    this.columns = columns;
    this.explainer = explainer;
    this.#session = session;
    this.#inputName = inputName;
  }

  get modelVersion(): string {
    return this.manifest.version;
  }

  get featureNames(): readonly string[] {
    return this.manifest.features;
  }

  get thresholds(): ModelThresholds {
    return this.manifest.thresholds;
  }

  /**
   * Rows are scored in chunks of at most {@link SCORE_CHUNK_ROWS}; between chunks the event loop runs.
   * `rows` and `out` must not change or move until the promise settles.
   * @throws FraudstreamError FS_MODEL_FAILED; `out` is then partly written
   */
  async score(rows: Float32Array, count: number, out: Float64Array): Promise<void> {
    if (this.#closed) throw new FraudstreamError('FS_MODEL_FAILED', 'the model is closed');
    const width = this.manifest.features.length;
    if (rows.length < count * width || out.length < count) {
      throw new FraudstreamError('FS_INTERNAL', `score(): ${count} rows of ${width} do not fit the arrays given`);
    }
    for (let start = 0; start < count; start += SCORE_CHUNK_ROWS) {
      const end = Math.min(start + SCORE_CHUNK_ROWS, count);
      await this.#scoreChunk(rows.subarray(start * width, end * width), end - start, out, start);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#session.release();
  }

  async #scoreChunk(rows: Float32Array, count: number, out: Float64Array, at: number): Promise<void> {
    const { calibration, output } = this.manifest;
    const { tensor, column } = output;
    let result: Tensor | undefined;
    try {
      // The tensor is a view of `rows`, not a copy. All outputs are fetched: a subset may come under wrong names.
      const input = new Tensor('float32', rows, [count, this.manifest.features.length]);
      result = (await this.#session.run({ [this.#inputName]: input }))[tensor];
    } catch (cause) {
      throw toFraudstreamError(cause, 'FS_MODEL_FAILED');
    }
    const data = result?.data;
    if (!(data instanceof Float32Array) || data.length % count !== 0 || column >= data.length / count) {
      throw new FraudstreamError('FS_MODEL_FAILED', `output ${tensor} has no float column ${column}`);
    }
    const stride = data.length / count;
    for (let i = 0; i < count; i++) {
      const score = data[i * stride + column]!;
      // A NaN would compare as "below every threshold" and let the payment pass.
      if (!(score >= 0 && score <= 1)) {
        throw new FraudstreamError(
          'FS_MODEL_FAILED',
          'a score is not between 0 and 1: is output.column a probability?',
        );
      }
      out[at + i] = calibrated(calibration, score);
    }
  }
}

/**
 * Loads `<folder>/{model.onnx, manifest.json, vectors.json}` and refuses what does not fit: size, sha256, operators,
 * features that the catalogue lacks, inputs and outputs, test vectors.
 * @param catalogueNames names of all features that the pipeline computes, in its order
 * @throws FraudstreamError FS_MODEL_INVALID, FS_MODEL_HASH, FS_MODEL_INPUTS, FS_MODEL_VECTORS
 */
export async function loadScorer(folder: string, catalogueNames: readonly string[]): Promise<OnnxScorer> {
  const manifest = parseManifest(await readModelText(join(folder, 'manifest.json'), MODEL_TEXT_BYTES_MAX));
  const vectorsText = await readModelText(join(folder, 'vectors.json'), MODEL_TEXT_BYTES_MAX);
  const columns = columnsOf(manifest, catalogueNames);
  // Read once: the bytes that are hashed are the bytes that are run.
  const bytes = await readModelFile(join(folder, 'model.onnx'), MODEL_BYTES_MAX);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== manifest.sha256) {
    throw new FraudstreamError(
      'FS_MODEL_HASH',
      `${join(folder, 'model.onnx')} has ${sha256}, the manifest says ${manifest.sha256}; copy the whole folder again`,
    );
  }
  assertSelfContained(bytes);
  const vectors = parseVectors(vectorsText, sha256, manifest.features);
  const session = await createSession(bytes, folder);
  try {
    const inputName = inputOf(session, manifest);
    checkOutput(session, manifest);
    const scores = new Float64Array(vectors.names.length);
    await new OnnxScorer(manifest, columns, null, session, inputName).score(vectors.rows, vectors.names.length, scores);
    checkVectors(vectors, scores);
    return new OnnxScorer(manifest, columns, explainerOf(manifest, bytes, vectors), session, inputName);
  } catch (thrown) {
    await session.release();
    // At load a failing run is a wrong model, not something to try again.
    if (thrown instanceof FraudstreamError && thrown.code === 'FS_MODEL_FAILED') {
      throw new FraudstreamError('FS_MODEL_VECTORS', `the first run failed: ${thrown.message}`, {}, { cause: thrown });
    }
    throw thrown;
  }
}

function columnsOf(manifest: ModelManifest, catalogueNames: readonly string[]): Int32Array {
  const positions = new Map(catalogueNames.map((name, index) => [name, index]));
  const missing = manifest.features.filter((name) => !positions.has(name));
  if (missing.length > 0) {
    const shown = missing.slice(0, 10).join(', ') + (missing.length > 10 ? ` and ${missing.length - 10} more` : '');
    throw new FraudstreamError(
      'FS_MODEL_INPUTS',
      `model ${manifest.version} needs ${shown}; add to the catalogue or choose a model that was trained on it`,
    );
  }
  return Int32Array.from(manifest.features, (name) => positions.get(name)!);
}

async function createSession(bytes: Uint8Array, folder: string): Promise<InferenceSession> {
  env.logLevel = 'error';
  try {
    return await InferenceSession.create(bytes, SESSION_OPTIONS);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new FraudstreamError('FS_MODEL_INVALID', `${join(folder, 'model.onnx')}: ${detail}`, {}, { cause });
  }
}

/** The name of the input after checking that it takes [rows, features] of float32. */
function inputOf(session: InferenceSession, manifest: ModelManifest): string {
  const input = session.inputMetadata[0];
  if (session.inputMetadata.length !== 1 || input === undefined || !input.isTensor || input.type !== 'float32') {
    throw new FraudstreamError('FS_MODEL_INPUTS', 'model.onnx must have one input, a float32 tensor [rows, features]');
  }
  if (manifest.inputTensor !== null && input.name !== manifest.inputTensor) {
    throw new FraudstreamError(
      'FS_MODEL_INPUTS',
      `the input is ${input.name}, the manifest says ${manifest.inputTensor}`,
    );
  }
  const [, width] = input.shape;
  const features = manifest.features.length;
  if (input.shape.length !== 2 || (typeof width === 'number' && width !== features)) {
    throw new FraudstreamError(
      'FS_MODEL_INPUTS',
      `the input has shape [${input.shape.join(', ')}], the manifest has ${features} features`,
    );
  }
  return input.name;
}

function checkOutput(session: InferenceSession, manifest: ModelManifest): void {
  const { tensor, column } = manifest.output;
  const output = session.outputMetadata.find((candidate) => candidate.name === tensor);
  if (output === undefined || !output.isTensor || output.type !== 'float32') {
    throw new FraudstreamError(
      'FS_MODEL_INVALID',
      `model.onnx has no float32 output ${tensor}; it has ${session.outputNames.join(', ')} (export with zipmap off)`,
    );
  }
  const width = output.shape.length === 1 ? 1 : output.shape[1];
  if (output.shape.length > 2 || (typeof width === 'number' && column >= width)) {
    throw new FraudstreamError('FS_MODEL_INVALID', `output ${tensor} has no column ${column}`);
  }
}
