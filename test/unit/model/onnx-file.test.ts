import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { FraudstreamError } from '../../../src/domain/errors.ts';
import { assertSelfContained, inspectOnnx } from '../../../src/model/onnx-file.ts';
import { message, node, number, opset, text, tinyOnnx } from './tiny-onnx.ts';

const FIXTURE = readFileSync(new URL('../../fixtures/model/model.onnx', import.meta.url));
const refused = (words: string): unknown =>
  expect.objectContaining({ code: 'FS_MODEL_INVALID', message: expect.stringContaining(words) });

/** An initializer whose data lies in `weights.bin`. */
const externalTensor = [...number(14, 1), ...message(13, [...text(1, 'location'), ...text(2, 'weights.bin')])];

describe('inspectOnnx', () => {
  it('finds the domains of a real model', () => {
    expect(inspectOnnx(FIXTURE)).toEqual({ domains: ['ai.onnx', 'ai.onnx.ml'], hasExternalData: false });
    expect(() => assertSelfContained(FIXTURE)).not.toThrow();
  });

  it.each([
    ['imported', tinyOnnx({ opsets: [...opset('', 17), ...opset('com.microsoft', 1)] })],
    ['used by a node', tinyOnnx({ nodes: node('features', 'score', 'Inverse', 'com.microsoft') })],
    [
      'used in a subgraph',
      tinyOnnx({
        nodes: node('features', 'score', 'If', '', message(5, message(6, node('a', 'b', 'X', 'com.microsoft')))),
      }),
    ],
    ['of a function', Uint8Array.from([...tinyOnnx(), ...message(25, text(10, 'com.microsoft'))])],
  ])('refuses a foreign domain %s', (_, bytes) => {
    expect(() => assertSelfContained(bytes)).toThrow(refused('com.microsoft'));
  });

  it.each([
    ['of an initializer', tinyOnnx({ graphRest: message(5, externalTensor) })],
    ['of a sparse initializer', tinyOnnx({ graphRest: message(15, message(1, externalTensor)) })],
    [
      'of an attribute',
      tinyOnnx({ nodes: node('features', 'score', 'Identity', '', message(5, message(5, externalTensor))) }),
    ],
    ['by its location alone', tinyOnnx({ graphRest: message(5, number(14, 1)) })],
  ])('refuses external data %s', (_, bytes) => {
    expect(() => assertSelfContained(bytes)).toThrow(refused('external'));
  });

  it('refuses nesting without end', () => {
    let nodes = node('a', 'b', 'If');
    for (let depth = 0; depth < 40; depth++) nodes = node('a', 'b', 'If', '', message(5, message(6, nodes)));
    expect(() => inspectOnnx(tinyOnnx({ nodes }))).toThrow(refused('deeply'));
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['text', new TextEncoder().encode('not a model')],
    ['a pointer to large storage', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n')],
    ['a model without a graph', Uint8Array.from(number(1, 8))],
    ['an endless varint', new Uint8Array(20).fill(255)],
  ])('refuses %s', (_, bytes) => {
    expect(() => inspectOnnx(bytes)).toThrow(expect.objectContaining({ code: 'FS_MODEL_INVALID' }));
  });

  it('cut off or damaged anywhere, it ends with a code or an answer', () => {
    const bytes = tinyOnnx({ graphRest: message(5, number(2, 1)) });
    for (let at = 0; at < bytes.length; at++) {
      for (const broken of [bytes.subarray(0, at), bytes.with(at, bytes[at]! ^ 0xff), bytes.with(at, 0xff)]) {
        try {
          inspectOnnx(broken);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(FraudstreamError);
        }
      }
      if (at > 0) expect(() => inspectOnnx(bytes.subarray(0, at))).toThrow(FraudstreamError);
    }
  });
});
