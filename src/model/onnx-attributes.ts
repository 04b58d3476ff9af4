import { fieldsOf, invalid, readVarint } from './protobuf.ts';

/** A node of the graph, with what its attributes hold. Numbers are doubles, whatever their type in the file. */
export interface OnnxNode {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

export interface OnnxAttribute {
  /** of FLOATS, INTS, or a tensor; empty for other types. Negative integers are not exact */
  readonly numbers: readonly number[];
  /** of STRING (one) or STRINGS */
  readonly texts: readonly string[];
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly string[];
}

const TENSOR_FLOAT = 1;
const TENSOR_DOUBLE = 11;
/** Numbers that all attributes of a graph may hold: ten bytes in the file stand for one. */
const NUMBERS_MAX = 16_777_216;

/**
 * The outermost graph of a model. Field numbers are those of onnx.proto.
 * @throws FraudstreamError FS_MODEL_INVALID if the bytes are not a protobuf message
 */
export function readGraph(bytes: Uint8Array): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const inputs: string[] = [];
  for (const model of fieldsOf(bytes, 0, bytes.length)) {
    if (model.number !== 7 || model.wireType !== 2) continue;
    for (const field of fieldsOf(bytes, model.start, model.end)) {
      if (field.wireType !== 2) continue;
      if (field.number === 1) nodes.push(readNode(bytes, field.start, field.end));
      if (field.number === 11) {
        for (const part of fieldsOf(bytes, field.start, field.end)) {
          if (part.number === 1 && part.wireType === 2) inputs.push(textOf(bytes, part.start, part.end));
        }
      }
    }
  }
  return { nodes, inputs };
}

function readNode(bytes: Uint8Array, from: number, to: number): OnnxNode {
  let operator = '';
  let domain = '';
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, OnnxAttribute>();
  for (const { number, wireType, start, end } of fieldsOf(bytes, from, to)) {
    if (wireType !== 2) continue;
    if (number === 1) inputs.push(textOf(bytes, start, end));
    else if (number === 2) outputs.push(textOf(bytes, start, end));
    else if (number === 4) operator = textOf(bytes, start, end);
    else if (number === 7) domain = textOf(bytes, start, end);
    else if (number === 5) {
      const [name, attribute] = readAttribute(bytes, start, end);
      attributes.set(name, attribute);
    }
  }
  return { operator, domain: domain === '' ? 'ai.onnx' : domain, inputs, outputs, attributes };
}

function readAttribute(bytes: Uint8Array, from: number, to: number): [string, OnnxAttribute] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let name = '';
  const numbers: number[] = [];
  const texts: string[] = [];
  for (const { number, wireType, value, start, end } of fieldsOf(bytes, from, to)) {
    if (number === 1) name = textOf(bytes, start, end);
    else if (number === 3 && wireType === 0) numbers.push(value);
    else if ((number === 4 || number === 9) && wireType === 2) texts.push(textOf(bytes, start, end));
    else if (number === 5 && wireType === 2) readTensor(bytes, view, start, end, numbers);
    // a repeated number may be packed into one field or come one by one
    else if (number === 7 && wireType === 5) numbers.push(view.getFloat32(start, true));
    else if (number === 7) readFixed(view, start, end, 4, numbers);
    else if (number === 8 && wireType === 0) numbers.push(value);
    else if (number === 8) readVarints(bytes, start, end, numbers);
    if (numbers.length > NUMBERS_MAX) throw invalid(`attribute ${name} holds too many numbers`);
  }
  return [name, { numbers, texts }];
}

function readTensor(bytes: Uint8Array, view: DataView, from: number, to: number, numbers: number[]): void {
  let type = 0;
  let raw: readonly [number, number] | null = null;
  for (const { number, wireType, value, start, end } of fieldsOf(bytes, from, to)) {
    if (number === 2 && wireType === 0) type = value;
    else if (number === 9) raw = [start, end];
    else if (number === 4) readFixed(view, start, end, 4, numbers);
    else if (number === 10) readFixed(view, start, end, 8, numbers);
  }
  if (raw !== null && type === TENSOR_FLOAT) readFixed(view, raw[0], raw[1], 4, numbers);
  if (raw !== null && type === TENSOR_DOUBLE) readFixed(view, raw[0], raw[1], 8, numbers);
}

function readFixed(view: DataView, from: number, to: number, size: 4 | 8, numbers: number[]): void {
  for (let at = from; at + size <= to; at += size) {
    numbers.push(size === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true));
  }
}

function readVarints(bytes: Uint8Array, from: number, to: number, numbers: number[]): void {
  let at = from;
  while (at < to) {
    const read = readVarint(bytes, at, to);
    numbers.push(read.value);
    at = read.next;
  }
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return new TextDecoder().decode(bytes.subarray(start, end));
}
