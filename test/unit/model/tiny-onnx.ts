/** Writes small ONNX files by hand, so that tests can have wrong models without a Python environment. */

type Bytes = readonly number[];

const varint = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  do {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? byte + 128 : byte);
  } while (rest > 0);
  return bytes;
};

export const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
export const message = (field: number, content: Bytes): number[] => [
  ...varint(field * 8 + 2),
  ...varint(content.length),
  ...content,
];
export const text = (field: number, value: string): number[] => message(field, [...new TextEncoder().encode(value)]);

export const opset = (domain: string, version: number): number[] =>
  message(8, [...text(1, domain), ...number(2, version)]);

export const node = (input: string, output: string, operator: string, domain = '', rest: Bytes = []): number[] =>
  message(1, [...text(1, input), ...text(2, output), ...text(4, operator), ...text(7, domain), ...rest]);

const FLOAT = 1;
export const DOUBLE = 11;

/** [rows, width] */
const tensorType = (name: string, width: number, type: number): number[] => [
  ...text(1, name),
  ...message(
    2,
    message(1, [...number(1, type), ...message(2, [...message(1, text(2, 'rows')), ...message(1, number(1, width))])]),
  ),
];

export interface TinyModel {
  readonly width?: number;
  readonly type?: number;
  readonly nodes?: Bytes;
  readonly opsets?: Bytes;
  readonly graphRest?: Bytes;
}

/** By default: output `score` = input `features`, [rows, width] float32. */
export function tinyOnnx(options: TinyModel = {}): Uint8Array {
  const { width = 1, type = FLOAT } = options;
  return Uint8Array.from([
    ...number(1, 8),
    ...(options.opsets ?? opset('', 17)),
    ...message(7, [
      ...(options.nodes ?? node('features', 'score', 'Identity')),
      ...text(2, 'tiny'),
      ...message(11, tensorType('features', width, type)),
      ...message(12, tensorType('score', width, type)),
      ...(options.graphRest ?? []),
    ]),
  ]);
}
