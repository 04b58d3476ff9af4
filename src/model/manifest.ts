import { FraudstreamError } from '../domain/errors.ts';
import { readCalibration, type Calibration } from './calibration.ts';
import { readExplanation, type Explanation } from './explanation.ts';
import { asObject, integer, invalid, matching, share, string, type JsonObject } from './manifest-values.ts';
import type { ModelThresholds } from './scorer.ts';

/**
 * `models/<name>/manifest.json`, as the trainer writes it. What scoring needs is typed and checked; the rest
 * (parameters, parity, libraries …) is there for people and passes through unread.
 */
export interface ModelManifest {
  readonly formatVersion: 1;
  readonly name: string;
  /** goes into every decision, `<name>-<first 12 digits of sha256>` by custom */
  readonly version: string;
  /** of model.onnx, 64 hex digits, lower case */
  readonly sha256: string;
  /** names in the order of the input's columns */
  readonly features: readonly string[];
  /** null: the model's only input, whatever its name */
  readonly inputTensor: string | null;
  readonly output: ModelOutput;
  readonly thresholds: ModelThresholds;
  /** from the output to the score; `none` when the manifest has none */
  readonly calibration: Calibration;
  /** null: not stated */
  readonly explanation: Explanation | null;
  /** of the catalogue that the features came from; null: not stated. Informational: names decide, not this */
  readonly catalogueFingerprint: string | null;
  readonly trainingData: TrainingData;
  /** part (`later_days`, `unseen_users` …) → metric → value or { metric: value } */
  readonly metrics: Readonly<Record<string, unknown>>;
}

export interface ModelOutput {
  readonly tensor: string;
  /** column of the probability of fraud in a [rows, columns] output */
  readonly column: number;
}

export interface TrainingData {
  readonly description: string;
  /** of the exported folder, 64 hex digits */
  readonly sha256: string;
  readonly rows: number;
  readonly frauds: number;
  readonly timeFromMs: number;
  readonly timeToMs: number;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const FEATURES_MAX = 4_096;
const OUTPUT_COLUMNS_MAX = 1_024;

/**
 * @param text content of manifest.json
 * @throws FraudstreamError FS_MODEL_INVALID that names the key
 */
export function parseManifest(text: string): ModelManifest {
  const root = asObject(parseJson(text), 'the manifest');
  const formatVersion = root['format_version'];
  if (formatVersion !== 1) {
    throw invalid('format_version', 'must be 1; train the model again with this release, or upgrade fraudstream');
  }
  const features = readFeatures(root['features']);
  const { calibration, explanation } = root;
  return {
    formatVersion,
    name: matching(root, 'name', NAME, 'lower-case letters, digits, ".", "_" and "-", at most 64'),
    version: matching(root, 'version', VERSION, 'letters, digits, ".", "_", "+" and "-", at most 128'),
    sha256: matching(root, 'sha256', SHA256, '64 hex digits in lower case'),
    features,
    inputTensor: root['input'] === undefined ? null : string(asObject(root['input'], 'input'), 'tensor', 'input.'),
    output: readOutput(asObject(root['output'], 'output')),
    thresholds: readThresholds(asObject(root['thresholds'], 'thresholds')),
    calibration: calibration === undefined ? { method: 'none' } : readCalibration(asObject(calibration, 'calibration')),
    explanation:
      explanation === undefined ? null : readExplanation(asObject(explanation, 'explanation'), features.length),
    catalogueFingerprint: root['catalogue_fingerprint'] === undefined ? null : string(root, 'catalogue_fingerprint'),
    trainingData: readTrainingData(asObject(root['training_data'], 'training_data')),
    metrics: asObject(root['metrics'], 'metrics'),
  };
}

function readFeatures(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > FEATURES_MAX) {
    throw invalid('features', `must be a list of 1 to ${FEATURES_MAX} names`);
  }
  const seen = new Set<string>();
  return value.map((name: unknown, index) => {
    const key = `features[${index}]`;
    if (typeof name !== 'string' || name === '') throw invalid(key, 'must be a name');
    if (seen.has(name)) throw invalid(key, `names ${JSON.stringify(name)} a second time`);
    seen.add(name);
    return name;
  });
}

function readOutput(output: JsonObject): ModelOutput {
  const column = integer(output, 'column', 'output.');
  if (column >= OUTPUT_COLUMNS_MAX) throw invalid('output.column', `must be below ${OUTPUT_COLUMNS_MAX}`);
  return { tensor: string(output, 'tensor', 'output.'), column };
}

function readThresholds(thresholds: JsonObject): ModelThresholds {
  const flag = share(thresholds, 'flag', 'thresholds.');
  const block = share(thresholds, 'block', 'thresholds.');
  if (flag > block) throw invalid('thresholds.flag', 'must not be above thresholds.block');
  return { flag, block };
}

function readTrainingData(data: JsonObject): TrainingData {
  const path = 'training_data.';
  const read: TrainingData = {
    description: string(data, 'description', path, true),
    sha256: matching(data, 'sha256', SHA256, '64 hex digits in lower case', path),
    rows: integer(data, 'rows', path),
    frauds: integer(data, 'frauds', path),
    timeFromMs: integer(data, 'time_from_ms', path),
    timeToMs: integer(data, 'time_to_ms', path),
  };
  if (read.frauds > read.rows) throw invalid('training_data.frauds', 'must not be above training_data.rows');
  if (read.timeFromMs > read.timeToMs) throw invalid('training_data.time_from_ms', 'must not be after time_to_ms');
  return read;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FraudstreamError('FS_MODEL_INVALID', 'manifest.json is not JSON', {}, { cause });
  }
}
