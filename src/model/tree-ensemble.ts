import { readGraph, type OnnxAttribute, type OnnxNode } from './onnx-attributes.ts';

/**
 * The trees of a model in flat arrays, one entry per node; children have higher indices than their parents. At a branch
 * `left` is taken when value <= threshold, or when the value is missing and `missingLeft` is 1.
 */
export interface TreeEnsemble {
  /** log_odds: probability = 1 / (1 + exp(-sum of leaves)); probability: it is the sum */
  readonly space: 'log_odds' | 'probability';
  readonly roots: Int32Array;
  /** column of the input; -1 = leaf */
  readonly feature: Int32Array;
  readonly threshold: Float64Array;
  readonly missingLeft: Uint8Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** of a leaf: what it adds. Of a branch: the mean of the leaves below it, weighted by the training rows that reached them */
  readonly expected: Float64Array;
}

interface Nodes {
  readonly tree: readonly number[];
  readonly id: readonly number[];
  readonly feature: readonly number[];
  readonly value: readonly number[];
  readonly cover: readonly number[];
  readonly mode: readonly string[];
  readonly whenTrue: readonly number[];
  readonly whenFalse: readonly number[];
  readonly missingTrue: readonly number[];
}

/**
 * The trees of a model whose graph is: input, perhaps a cast, one tree ensemble with one score, what selects or clips it.
 * Covers come from `nodes_hitrates`: without them there is no expectation, and so nothing to explain with.
 *
 * @returns null when the model is something else, or has no covers
 * @throws FraudstreamError FS_MODEL_INVALID if the bytes are not a protobuf message
 */
export function readTreeEnsemble(bytes: Uint8Array): TreeEnsemble | null {
  const graph = readGraph(bytes);
  const node = graph.nodes.find(({ operator }) => operator.startsWith('TreeEnsemble'));
  if (node === undefined || node.domain !== 'ai.onnx.ml' || !readsInput(node, graph.nodes, graph.inputs)) return null;
  const classifier = node.operator === 'TreeEnsembleClassifier';
  if (!classifier && node.operator !== 'TreeEnsembleRegressor') return null;
  const transform = node.attributes.get('post_transform')?.texts[0] ?? 'NONE';
  const aggregate = node.attributes.get('aggregate_function')?.texts[0] ?? 'SUM';
  if (transform !== (classifier ? 'LOGISTIC' : 'NONE') || aggregate !== 'SUM') return null;
  if (numbersOf(node, 'base_values').length > 0) return null;
  return assemble(node, classifier ? 'class' : 'target', classifier ? 'log_odds' : 'probability');
}

function readsInput(node: OnnxNode, nodes: readonly OnnxNode[], inputs: readonly string[]): boolean {
  const name = node.inputs[0] ?? '';
  if (inputs.includes(name)) return true;
  const cast = nodes.find((other) => other.outputs.includes(name));
  return cast !== undefined && cast.operator === 'Cast' && inputs.includes(cast.inputs[0] ?? '');
}

function assemble(node: OnnxNode, leafPrefix: string, space: TreeEnsemble['space']): TreeEnsemble | null {
  const nodes = nodesOf(node);
  const count = nodes.id.length;
  const lists = [nodes.tree, nodes.feature, nodes.value, nodes.cover, nodes.mode, nodes.whenTrue, nodes.whenFalse];
  if (count === 0 || lists.some((list) => list.length !== count)) return null;
  const scores = new Set(numbersOf(node, `${leafPrefix}_ids`));
  if (scores.size !== 1 || nodes.mode.some((mode) => !KNOWN_MODES.has(mode))) return null;

  const place = new Map(nodes.id.map((id, k) => [keyOf(nodes.tree[k]!, id), k]));
  const weight = leafWeights(node, leafPrefix);
  const roots = nodes.tree.flatMap((tree, k) => (k === 0 || nodes.tree[k - 1] !== tree ? [k] : []));
  const order = breadthFirst(nodes, roots, place);
  if (order === null) return null;

  const position = new Int32Array(count).fill(-1);
  order.forEach((old, index) => (position[old] = index));
  const ensemble = {
    space,
    roots: Int32Array.from(roots, (root) => position[root]!),
    feature: new Int32Array(order.length).fill(-1),
    threshold: new Float64Array(order.length),
    missingLeft: new Uint8Array(order.length),
    left: new Int32Array(order.length),
    right: new Int32Array(order.length),
    expected: new Float64Array(order.length),
  };
  // backwards: children are done before their parents
  for (let index = order.length - 1; index >= 0; index--) {
    const old = order[index]!;
    const tree = nodes.tree[old]!;
    if (nodes.mode[old] === 'LEAF') {
      ensemble.expected[index] = weight.get(keyOf(tree, nodes.id[old]!)) ?? 0;
      continue;
    }
    const whenTrue = place.get(keyOf(tree, nodes.whenTrue[old]!))!;
    const whenFalse = place.get(keyOf(tree, nodes.whenFalse[old]!))!;
    const total = nodes.cover[whenTrue]! + nodes.cover[whenFalse]!;
    if (!(total > 0)) return null;
    const share = nodes.cover[whenTrue]! / total;
    const left = position[whenTrue]!;
    const right = position[whenFalse]!;
    ensemble.feature[index] = nodes.feature[old]!;
    ensemble.threshold[index] = nodes.mode[old] === 'BRANCH_LT' ? float32Below(nodes.value[old]!) : nodes.value[old]!;
    ensemble.missingLeft[index] = nodes.missingTrue[old] ?? 0;
    ensemble.left[index] = left;
    ensemble.right[index] = right;
    ensemble.expected[index] = share * ensemble.expected[left]! + (1 - share) * ensemble.expected[right]!;
  }
  return ensemble;
}

const KNOWN_MODES: ReadonlySet<string> = new Set(['LEAF', 'BRANCH_LEQ', 'BRANCH_LT']);

function nodesOf(node: OnnxNode): Nodes {
  return {
    tree: numbersOf(node, 'nodes_treeids'),
    id: numbersOf(node, 'nodes_nodeids'),
    feature: numbersOf(node, 'nodes_featureids'),
    value: numbersOf(node, 'nodes_values'),
    cover: numbersOf(node, 'nodes_hitrates'),
    mode: node.attributes.get('nodes_modes')?.texts ?? [],
    whenTrue: numbersOf(node, 'nodes_truenodeids'),
    whenFalse: numbersOf(node, 'nodes_falsenodeids'),
    missingTrue: numbersOf(node, 'nodes_missing_value_tracks_true'),
  };
}

/** Each node once, parents before children; null when a child is missing or is reached twice. */
function breadthFirst(nodes: Nodes, roots: readonly number[], place: ReadonlyMap<number, number>): number[] | null {
  const order = [...roots];
  const seen = new Set(order);
  for (let index = 0; index < order.length; index++) {
    const node = order[index]!;
    if (nodes.mode[node] === 'LEAF') continue;
    for (const id of [nodes.whenTrue[node]!, nodes.whenFalse[node]!]) {
      const child = place.get(keyOf(nodes.tree[node]!, id));
      if (child === undefined || seen.has(child)) return null;
      seen.add(child);
      order.push(child);
    }
  }
  return order;
}

function leafWeights(node: OnnxNode, prefix: string): Map<number, number> {
  const trees = numbersOf(node, `${prefix}_treeids`);
  const ids = numbersOf(node, `${prefix}_nodeids`);
  const weights = numbersOf(node, `${prefix}_weights`);
  return new Map(trees.map((tree, k) => [keyOf(tree, ids[k] ?? -1), weights[k] ?? 0]));
}

/** @param name of the float attribute; doubles are in a tensor beside it */
function numbersOf(node: OnnxNode, name: string): readonly number[] {
  const attribute: OnnxAttribute | undefined = node.attributes.get(`${name}_as_tensor`) ?? node.attributes.get(name);
  return attribute?.numbers ?? [];
}

/** Both fit 26 bits: a model is at most 64 MiB. */
function keyOf(tree: number, node: number): number {
  return tree * 2 ** 26 + node;
}

/** The greatest float32 below a float32: for float32 x, x < value is x <= this. */
function float32Below(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getInt32(0);
  if (value === 0) return -(2 ** -149);
  if (bits === -0x80_00_00) return value; // -infinity: nothing is below
  view.setInt32(0, bits + (value > 0 ? -1 : 1));
  return view.getFloat32(0);
}
