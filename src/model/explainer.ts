import { FraudstreamError } from '../domain/errors.ts';
import { calibrated } from './calibration.ts';
import type { Explanation } from './explanation.ts';
import type { ModelManifest } from './manifest.ts';
import { invalid } from './manifest-values.ts';
import type { Explainer } from './scorer.ts';
import { readTreeEnsemble, type TreeEnsemble } from './tree-ensemble.ts';
import type { TestVectors } from './vectors.ts';

type LinearExplanation = Extract<Explanation, { kind: 'linear' }>;

/**
 * The runtime adds leaves as float32, and a calibration may be steep: that much a score may lie from the explained one.
 * A branch taken wrongly, or a step of the graph that was overlooked, shows far above this.
 */
const EXPLAINED_DIFFERENCE_MAX = 1e-4;

/**
 * What takes this model's scores apart, proven on its vectors. null when the model cannot be taken apart and its manifest
 * does not say that it can.
 *
 * @param bytes of model.onnx
 * @throws FraudstreamError FS_MODEL_INVALID, FS_MODEL_VECTORS when the manifest promises what the model does not hold
 */
export function explainerOf(manifest: ModelManifest, bytes: Uint8Array, vectors: TestVectors): Explainer | null {
  const { explanation } = manifest;
  if (explanation?.kind === 'linear') return proven(new LinearExplainer(explanation), manifest, vectors);
  const trees = readTreeEnsemble(bytes);
  if (trees === null) {
    if (explanation === null) return null;
    throw invalid('explanation.kind', 'is tree_path, but model.onnx holds no single tree ensemble with nodes_hitrates');
  }
  if (trees.feature.some((column) => column >= manifest.features.length)) {
    throw invalid('features', 'are fewer than the columns that the trees of model.onnx ask for');
  }
  return proven(new TreeExplainer(trees), manifest, vectors);
}

function proven(explainer: Explainer, manifest: ModelManifest, vectors: TestVectors): Explainer | null {
  const width = manifest.features.length;
  const parts = new Float64Array(width);
  const differs = vectors.names.findIndex((_, k) => {
    const sum = explainer.explain(vectors.rows, k * width, parts);
    const score = calibrated(manifest.calibration, rawScoreOf(explainer.space, sum));
    return !(Math.abs(score - vectors.outputs[k]!) <= EXPLAINED_DIFFERENCE_MAX);
  });
  if (differs < 0) return explainer;
  if (manifest.explanation === null) return null;
  throw new FraudstreamError(
    'FS_MODEL_VECTORS',
    `vector ${vectors.names[differs]}: explanation of manifest.json does not add up to its output`,
  );
}

/**
 * Follows a row down each tree and gives each step's change of expectation to the feature that was asked there
 * (Saabas 2014): a step per level and tree, so microseconds, where exact Shapley values take about a thousand times that.
 */
export class TreeExplainer implements Explainer {
  readonly space: Explainer['space'];
  readonly base: number;
  readonly #trees: TreeEnsemble;

  constructor(trees: TreeEnsemble) {
    this.#trees = trees;
    this.space = trees.space;
    this.base = trees.roots.reduce((sum, root) => sum + trees.expected[root]!, 0);
  }

  explain(row: Float32Array, at: number, out: Float64Array): number {
    const { roots, feature, threshold, missingLeft, left, right, expected } = this.#trees;
    out.fill(0);
    let sum = 0;
    for (let tree = 0; tree < roots.length; tree++) {
      let node = roots[tree]!;
      for (let asked = feature[node]!; asked >= 0; asked = feature[node]!) {
        const value = row[at + asked]!;
        const goesLeft = value <= threshold[node]! || (missingLeft[node] === 1 && Number.isNaN(value));
        const next = goesLeft ? left[node]! : right[node]!;
        out[asked]! += expected[next]! - expected[node]!;
        node = next;
      }
      sum += expected[node]!;
    }
    return sum;
  }
}

/** Of a weighted sum: weight times distance from the training mean. */
export class LinearExplainer implements Explainer {
  readonly space = 'log_odds';
  readonly base: number;
  readonly #linear: LinearExplanation;

  constructor(linear: LinearExplanation) {
    this.#linear = linear;
    this.base = linear.base;
  }

  explain(row: Float32Array, at: number, out: Float64Array): number {
    const { coefficient, mean, missing } = this.#linear;
    let sum = this.base;
    for (let k = 0; k < coefficient.length; k++) {
      const value = row[at + k]!;
      out[k] = coefficient[k]! * ((Number.isNaN(value) ? missing[k]! : value) - mean[k]!);
      sum += out[k]!;
    }
    return sum;
  }
}

/** The raw score (before calibration) that a sum in an explainer's space stands for. */
export function rawScoreOf(space: Explainer['space'], sum: number): number {
  return space === 'log_odds' ? 1 / (1 + Math.exp(-sum)) : Math.min(Math.max(sum, 0), 1);
}
