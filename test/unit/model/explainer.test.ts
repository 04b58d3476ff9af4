import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { calibrated } from '../../../src/model/calibration.ts';
import { explainerOf, rawScoreOf } from '../../../src/model/explainer.ts';
import { parseManifest } from '../../../src/model/manifest.ts';
import { readTreeEnsemble, type TreeEnsemble } from '../../../src/model/tree-ensemble.ts';
import { parseVectors } from '../../../src/model/vectors.ts';
import { tinyOnnx } from './tiny-onnx.ts';
import { TREES, treeOnnx } from './tree-onnx.ts';

function load(folder: string, change: (manifest: Record<string, unknown>) => void = () => undefined) {
  const file = (name: string): Buffer => readFileSync(new URL(`../../fixtures/${folder}/${name}`, import.meta.url));
  const written = parseManifest(file('manifest.json').toString());
  const vectors = parseVectors(file('vectors.json').toString(), written.sha256, written.features);
  const root = JSON.parse(file('manifest.json').toString()) as Record<string, unknown>;
  change(root);
  return { manifest: parseManifest(JSON.stringify(root)), vectors, bytes: file('model.onnx') };
}

/** Every leaf below a node with its weight, by the definition: no use of `expected` but at leaves. */
function meanBelow(trees: TreeEnsemble, cover: readonly number[], node: number): number {
  let weights = 0;
  let sum = 0;
  const walk = (at: number): void => {
    if (trees.feature[at] === -1) {
      weights += cover[at]!;
      sum += cover[at]! * trees.expected[at]!;
      return;
    }
    walk(trees.left[at]!);
    walk(trees.right[at]!);
  };
  walk(node);
  return sum / weights;
}

describe.each(['model', 'models/xgboost', 'models/forest', 'models/logistic'])('contributions of %s', (folder) => {
  const { manifest, vectors, bytes } = load(folder);
  const explainer = explainerOf(manifest, bytes, vectors)!;
  const width = manifest.features.length;

  it('add up to the score of every vector', () => {
    const parts = new Float64Array(width);
    let worst = 0;
    vectors.names.forEach((_, k) => {
      const sum = explainer.explain(vectors.rows, k * width, parts);
      expect(explainer.base + parts.reduce((a, b) => a + b, 0)).toBeCloseTo(sum, 9);
      const score = calibrated(manifest.calibration, rawScoreOf(explainer.space, sum));
      worst = Math.max(worst, Math.abs(score - vectors.outputs[k]!));
    });
    expect(worst).toBeLessThan(1e-5);
  });

  it('have the base that the trainer found', () => {
    expect(explainer.base).toBeCloseTo(manifest.explanation!.base, 4);
    expect(explainer.space).toBe(folder === 'models/forest' ? 'probability' : 'log_odds');
  });
});

describe('TreeExplainer', () => {
  const trees = readTreeEnsemble(treeOnnx())!;
  /** in the order of nodes in `trees`: breadth first over all trees together */
  const cover = TREES.coverBreadthFirst;

  it('gives each branch the mean of the leaves below it, by cover', () => {
    for (let node = 0; node < trees.feature.length; node++) {
      expect(trees.expected[node]).toBeCloseTo(meanBelow(trees, cover, node), 12);
    }
  });

  it('gives each step to the feature that was asked', () => {
    // tree 0: x0 <= 1 (cover 60/40) → -1 | x1 <= 2 (cover 30/10) → 0.5, 3; tree 1: x0 < 1 → -0.25 (50) | 0.75 (50)
    const explainer = explainerOfTrees();
    const parts = new Float64Array(2);
    const right = (30 * 0.5 + 10 * 3) / 40;
    const root = (60 * -1 + 40 * right) / 100;
    expect(explainer.base).toBeCloseTo(root + 0.25, 12);
    expect(explainer.explain(Float32Array.of(9, 1, 5), 1, parts)).toBeCloseTo(-1 + 0.75, 12);
    expect([...parts]).toEqual([expect.closeTo(-1 - root + 0.5, 12), 0]);
    explainer.explain(Float32Array.of(4, 5), 0, parts);
    expect([...parts]).toEqual([expect.closeTo(right - root + 0.5, 12), expect.closeTo(3 - right, 12)]);
  });

  it('sends missing values where the node says', () => {
    const explainer = explainerOfTrees();
    const parts = new Float64Array(2);
    // tree 0 asks x0 first, and missing goes right there, then left; tree 1 sends it right
    expect(explainer.explain(Float32Array.of(Number.NaN, Number.NaN), 0, parts)).toBeCloseTo(0.5 + 0.75, 12);
  });

  function explainerOfTrees() {
    const { manifest } = load('model', (root) => {
      root['features'] = ['a', 'b'];
      delete root['explanation'];
      delete root['calibration'];
    });
    const vectors = {
      names: ['v'],
      rows: Float32Array.of(0, 0),
      outputs: Float64Array.of(1 / (1 + Math.exp(1.25))),
    };
    return explainerOf(manifest, treeOnnx(), vectors)!;
  }
});

describe('readTreeEnsemble', () => {
  it('has nothing to say about other graphs', () => {
    expect(readTreeEnsemble(tinyOnnx())).toBeNull();
    expect(readTreeEnsemble(readFileSync(new URL('../../../models/default/model.onnx', import.meta.url)))).toBeNull();
  });

  it.each<[string, Parameters<typeof treeOnnx>[0]]>([
    ['no covers', { covers: [] }],
    ['covers of 0', { covers: TREES.covers.map(() => 0) }],
    ['a mode that it does not know', { modes: TREES.modes.map((mode) => (mode === 'LEAF' ? mode : 'BRANCH_EQ')) }],
    ['a child that is missing', { whenTrue: TREES.whenTrue.map((child, k) => (k === 0 ? 77 : child)) }],
    ['a node that is its own child', { whenTrue: TREES.whenTrue.map((child, k) => (k === 0 ? 0 : child)) }],
    ['lists of different lengths', { whenFalse: [1] }],
    ['something before the trees', { inputName: 'scaled' }],
    ['another transform', { transform: 'PROBIT' }],
    ['scores of two classes', { classIds: [0, 1, 1, 1, 1] }],
  ])('has nothing to say about %s', (_, change) => {
    expect(readTreeEnsemble(treeOnnx(change))).toBeNull();
  });

  it('reads numbers that are packed', () => {
    expect(readTreeEnsemble(treeOnnx({ packed: true }))).toEqual(readTreeEnsemble(treeOnnx()));
  });
});

describe('explainerOf', () => {
  it('refuses a manifest that promises what the model does not hold', () => {
    const { manifest, vectors } = load('model');
    expect(() => explainerOf(manifest, tinyOnnx(), vectors)).toThrow(/explanation.kind is tree_path, but/);
  });

  it('refuses weights that do not add up to the outputs', () => {
    const { manifest, vectors, bytes } = load('models/logistic', (root) => {
      const explanation = root['explanation'] as { coefficient: number[] };
      explanation.coefficient[1]! *= 1.5;
    });
    expect(() => explainerOf(manifest, bytes, vectors)).toThrow(/does not add up/);
  });

  it('explains nothing, without a promise, when trees do not add up to the outputs', () => {
    const { manifest, vectors } = load('models/xgboost', (root) => delete root['explanation']);
    expect(explainerOf(manifest, treeOnnx(), vectors)).toBeNull();
  });

  it('explains trees of a manifest that says nothing', () => {
    const { manifest, vectors, bytes } = load('model', (root) => delete root['explanation']);
    expect(explainerOf(manifest, bytes, vectors)).not.toBeNull();
  });

  it('refuses trees that ask for more columns than there are features', () => {
    const { manifest, vectors } = load('models/xgboost', (root) => {
      root['features'] = ['f00'];
      delete root['explanation'];
    });
    expect(() => explainerOf(manifest, treeOnnx(), vectors)).toThrow(/features are fewer/);
  });
});
