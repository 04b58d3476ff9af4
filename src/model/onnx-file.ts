import { fieldsOf, invalid } from './protobuf.ts';

/** What a model.onnx asks of its runtime, read from the protobuf without running anything. */
export interface OnnxFileFacts {
  /** operator domains, sorted; the default domain is `ai.onnx` */
  readonly domains: readonly string[];
  /** a tensor lives in another file, which the runtime would open by a path inside the model */
  readonly hasExternalData: boolean;
}

const DOMAINS_ALLOWED: readonly string[] = ['ai.onnx', 'ai.onnx.ml'];

type Message = 'model' | 'graph' | 'node' | 'attribute' | 'tensor' | 'sparse' | 'opset' | 'function';

/** Field numbers of onnx.proto (IR version 12) that lead to what we look for; every other field is skipped. */
const CHILDREN: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: 'graph', 8: 'opset', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  tensor: {},
  sparse: { 1: 'tensor', 2: 'tensor' },
  opset: {},
  function: { 7: 'node', 9: 'opset', 11: 'attribute' },
};
const DOMAIN_FIELD: Readonly<Partial<Record<Message, number>>> = { opset: 1, node: 7, function: 10 };
const EXTERNAL_DATA_FIELD = 13;
const DATA_LOCATION_FIELD = 14;
const DEPTH_MAX = 32;

/**
 * Refuses what could make a model file do more than arithmetic: operators of other domains (they come from native
 * libraries) and data in other files.
 * @throws FraudstreamError FS_MODEL_INVALID
 */
export function assertSelfContained(bytes: Uint8Array): void {
  const facts = inspectOnnx(bytes);
  const foreign = facts.domains.find((domain) => !DOMAINS_ALLOWED.includes(domain));
  if (foreign !== undefined) {
    throw invalid(`operators of domain ${JSON.stringify(foreign)}; only ${DOMAINS_ALLOWED.join(' and ')} are allowed`);
  }
  if (facts.hasExternalData) throw invalid('tensors in external files; export the model as one file');
}

/** @throws FraudstreamError FS_MODEL_INVALID if the bytes are not a protobuf message */
export function inspectOnnx(bytes: Uint8Array): OnnxFileFacts {
  const domains = new Set<string>();
  let hasExternalData = false;
  let hasGraph = false;

  const visit = (message: Message, from: number, to: number, depth: number): void => {
    if (depth > DEPTH_MAX) throw invalid('it is nested too deeply');
    let domain: string | null = null;
    for (const { number: field, wireType, value, start, end } of fieldsOf(bytes, from, to)) {
      if (wireType === 0) {
        if (message === 'tensor' && field === DATA_LOCATION_FIELD && value !== 0) hasExternalData = true;
      } else if (wireType === 2) {
        const child = CHILDREN[message][field];
        if (child !== undefined) visit(child, start, end, depth + 1);
        if (field === DOMAIN_FIELD[message]) domain = new TextDecoder().decode(bytes.subarray(start, end));
        if (message === 'tensor' && field === EXTERNAL_DATA_FIELD) hasExternalData = true;
        if (message === 'model' && child === 'graph') hasGraph = true;
      }
    }
    if (DOMAIN_FIELD[message] !== undefined) domains.add(domain === null || domain === '' ? 'ai.onnx' : domain);
  };

  visit('model', 0, bytes.length, 0);
  if (!hasGraph) throw invalid('it has no graph');
  return { domains: [...domains].sort(), hasExternalData };
}
