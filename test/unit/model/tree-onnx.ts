import { message, node, number, opset, text, tinyOnnx } from './tiny-onnx.ts';

/**
 * Two small trees of a classifier, by hand.
 *   tree 0: x0 <= 1 ? -1 (60) : (x1 <= 2 ? 0.5 (30) : 3 (10)); missing x0 goes right, missing x1 left
 *   tree 1: x0 < 1 ? -0.25 (50) : 0.75 (50); missing goes right
 */
export const TREES = {
  tree: [0, 0, 0, 0, 0, 1, 1, 1],
  id: [0, 1, 2, 3, 4, 0, 1, 2],
  feature: [0, 0, 1, 0, 0, 0, 0, 0],
  value: [1, 0, 2, 0, 0, 1, 0, 0],
  covers: [100, 60, 40, 30, 10, 100, 50, 50],
  modes: ['BRANCH_LEQ', 'LEAF', 'BRANCH_LEQ', 'LEAF', 'LEAF', 'BRANCH_LT', 'LEAF', 'LEAF'],
  whenTrue: [1, 0, 3, 0, 0, 1, 0, 0],
  whenFalse: [2, 0, 4, 0, 0, 2, 0, 0],
  missingTrue: [0, 0, 1, 0, 0, 0, 0, 0],
  leafTree: [0, 0, 0, 1, 1],
  leafId: [1, 3, 4, 1, 2],
  classIds: [1, 1, 1, 1, 1],
  weights: [-1, 0.5, 3, -0.25, 0.75],
  /** both roots, their children, theirs */
  coverBreadthFirst: [100, 100, 60, 40, 50, 50, 30, 10],
} as const;

export interface TreeChanges {
  readonly covers?: readonly number[];
  readonly modes?: readonly string[];
  readonly whenTrue?: readonly number[];
  readonly whenFalse?: readonly number[];
  readonly classIds?: readonly number[];
  readonly inputName?: string;
  readonly transform?: string;
  readonly packed?: boolean;
}

export function treeOnnx(changes: TreeChanges = {}): Uint8Array {
  const { covers, modes, whenTrue, whenFalse, classIds } = { ...TREES, ...changes };
  const { inputName = 'features', transform = 'LOGISTIC', packed = false } = changes;
  const ints = (name: string, values: readonly number[]): number[] => {
    const each = values.map((value) => number(8, value));
    // the tag is one byte: without it the varints follow each other
    const content = packed
      ? message(
          8,
          each.flatMap((bytes) => bytes.slice(1)),
        )
      : each.flat();
    return message(5, [...text(1, name), ...content]);
  };
  const floats = (name: string, values: readonly number[]): number[] => {
    const each = values.map((value) => [...new Uint8Array(Float32Array.of(value).buffer)]);
    const content = packed ? message(7, each.flat()) : each.flatMap((bytes) => [7 * 8 + 5, ...bytes]);
    return message(5, [...text(1, name), ...content]);
  };
  const attributes = [
    ...ints('nodes_treeids', TREES.tree),
    ...ints('nodes_nodeids', TREES.id),
    ...ints('nodes_featureids', TREES.feature),
    ...floats('nodes_values', TREES.value),
    ...floats('nodes_hitrates', covers),
    ...message(5, [...text(1, 'nodes_modes'), ...modes.flatMap((mode) => text(9, mode))]),
    ...ints('nodes_truenodeids', whenTrue),
    ...ints('nodes_falsenodeids', whenFalse),
    ...ints('nodes_missing_value_tracks_true', TREES.missingTrue),
    ...ints('class_treeids', TREES.leafTree),
    ...ints('class_nodeids', TREES.leafId),
    ...ints('class_ids', classIds),
    ...floats('class_weights', TREES.weights),
    ...message(5, [...text(1, 'post_transform'), ...text(4, transform)]),
  ];
  return tinyOnnx({
    width: 2,
    nodes: node(inputName, 'score', 'TreeEnsembleClassifier', 'ai.onnx.ml', attributes),
    opsets: [...opset('', 17), ...opset('ai.onnx.ml', 3)],
  });
}
