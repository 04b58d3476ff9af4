import { FraudstreamError } from '../domain/errors.ts';

/** Known inputs and the score that the trainer's runtime gave for them. */
export interface TestVectors {
  readonly names: readonly string[];
  /** row-major, `names.length × featureCount`, missing values are NaN */
  readonly rows: Float32Array;
  readonly outputs: Float64Array;
}

/**
 * A probability, so the difference counts as it is: other processors may round the last bits of exp() differently,
 * a wrong column or a branch taken wrongly shows far above this.
 */
const VECTOR_DIFFERENCE_MAX = 1e-6;
const VECTORS_MAX = 10_000;

/**
 * @param text content of vectors.json:
 *   { format_version: 1, sha256, features: [name], vectors: [{ name, inputs: [number | null], output }] }
 * @param sha256 of the model that they must belong to
 * @param features the manifest's, whose order the vectors repeat: a column's name is nowhere else than in JSON
 * @throws FraudstreamError FS_MODEL_INVALID that names the vector, FS_MODEL_VECTORS if they are another model's
 */
export function parseVectors(text: string, sha256: string, features: readonly string[]): TestVectors {
  let root: { format_version?: unknown; sha256?: unknown; features?: unknown; vectors?: unknown } | null;
  try {
    root = JSON.parse(text) as typeof root;
  } catch (cause) {
    throw new FraudstreamError('FS_MODEL_INVALID', 'vectors.json is not JSON', {}, { cause });
  }
  if (typeof root !== 'object' || root === null || root.format_version !== 1) {
    throw invalid('format_version must be 1');
  }
  if (root.sha256 !== sha256) {
    throw new FraudstreamError('FS_MODEL_VECTORS', 'vectors.json belongs to another model.onnx (sha256 differs)');
  }
  const named: readonly unknown[] = Array.isArray(root.features) ? root.features : [];
  const differs = features.findIndex((name, index) => named[index] !== name);
  if (differs >= 0 || named.length !== features.length) {
    const name = features[differs] ?? String(named[features.length]);
    throw new FraudstreamError('FS_MODEL_VECTORS', `manifest.json and vectors.json disagree about feature ${name}`);
  }
  const featureCount = features.length;
  const list: unknown = root.vectors;
  if (!Array.isArray(list) || list.length === 0 || list.length > VECTORS_MAX) {
    throw invalid(`vectors must be a list of 1 to ${VECTORS_MAX}`);
  }
  const names: string[] = [];
  const rows = new Float32Array(list.length * featureCount);
  const outputs = new Float64Array(list.length);
  list.forEach((item: unknown, index) => {
    const vector = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>;
    const name = typeof vector['name'] === 'string' ? vector['name'] : `vectors[${index}]`;
    const inputs: unknown = vector['inputs'];
    if (!Array.isArray(inputs) || inputs.length !== featureCount) {
      throw invalid(`${name}: inputs must have ${featureCount} values, one per feature`);
    }
    inputs.forEach((value: unknown, column) => {
      if (value !== null && typeof value !== 'number')
        throw invalid(`${name}: inputs[${column}] must be a number or null`);
      rows[index * featureCount + column] = value ?? Number.NaN;
    });
    const output = vector['output'];
    if (typeof output !== 'number') throw invalid(`${name}: output must be a number`);
    outputs[index] = output;
    names.push(name);
  });
  return { names, rows, outputs };
}

/** @throws FraudstreamError FS_MODEL_VECTORS that names the first vector that differs */
export function checkVectors(vectors: TestVectors, scores: Float64Array): void {
  for (let i = 0; i < vectors.outputs.length; i++) {
    const expected = vectors.outputs[i]!;
    const got = scores[i]!;
    if (!(Math.abs(got - expected) <= VECTOR_DIFFERENCE_MAX)) {
      throw new FraudstreamError(
        'FS_MODEL_VECTORS',
        `vector ${vectors.names[i]}: expected ${expected}, got ${got}; ` +
          'the runtime or the feature order is not the one that the model was exported for',
      );
    }
  }
}

function invalid(what: string): FraudstreamError {
  return new FraudstreamError('FS_MODEL_INVALID', `vectors.json: ${what}`);
}
