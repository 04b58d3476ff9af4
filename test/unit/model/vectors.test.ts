import { describe, expect, it } from 'vitest';

import { checkVectors, parseVectors } from '../../../src/model/vectors.ts';

const SHA = 'a'.repeat(64);
const GOOD = {
  format_version: 1,
  sha256: SHA,
  features: ['x', 'y'],
  vectors: [
    { name: 'v0', inputs: [1.5, null], output: 0.25 },
    { name: 'v1', inputs: [0, -2], output: 0.75 },
  ],
};
const parse = (changes: object): unknown => parseVectors(JSON.stringify({ ...GOOD, ...changes }), SHA, ['x', 'y']);

describe('parseVectors', () => {
  it('reads rows; null is a missing value', () => {
    const vectors = parseVectors(JSON.stringify(GOOD), SHA, ['x', 'y']);
    expect(vectors.names).toEqual(['v0', 'v1']);
    expect([...vectors.rows]).toEqual([1.5, Number.NaN, 0, -2]);
    expect([...vectors.outputs]).toEqual([0.25, 0.75]);
  });

  it.each<[object, string, string]>([
    [{ format_version: 2 }, 'FS_MODEL_INVALID', 'format_version'],
    [{ sha256: 'b'.repeat(64) }, 'FS_MODEL_VECTORS', 'another model'],
    [{ features: ['y', 'x'] }, 'FS_MODEL_VECTORS', 'feature x'],
    [{ features: ['x', 'y', 'z'] }, 'FS_MODEL_VECTORS', 'feature z'],
    [{ features: undefined }, 'FS_MODEL_VECTORS', 'feature x'],
    [{ vectors: [] }, 'FS_MODEL_INVALID', 'list'],
    [{ vectors: [null] }, 'FS_MODEL_INVALID', 'vectors[0]'],
    [{ vectors: [{ name: 'short', inputs: [1], output: 0 }] }, 'FS_MODEL_INVALID', 'short: inputs'],
    [{ vectors: [{ name: 'words', inputs: [1, '2'], output: 0 }] }, 'FS_MODEL_INVALID', 'words: inputs[1]'],
    [{ vectors: [{ name: 'blank', inputs: [1, 2] }] }, 'FS_MODEL_INVALID', 'blank: output'],
  ])('%j is refused with %s', (changes, code, words) => {
    expect(() => parse(changes)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }));
  });

  it('is not JSON', () => {
    expect(() => parseVectors('{', SHA, ['x'])).toThrow(expect.objectContaining({ code: 'FS_MODEL_INVALID' }));
  });
});

describe('checkVectors', () => {
  const vectors = parseVectors(JSON.stringify(GOOD), SHA, ['x', 'y']);

  it('accepts the last bits of another processor', () => {
    expect(() => checkVectors(vectors, Float64Array.of(0.250_000_9, 0.75))).not.toThrow();
  });

  it.each([0.750_002, Number.NaN, 0.25])('names the vector that gives %d', (score) => {
    expect(() => checkVectors(vectors, Float64Array.of(0.25, score))).toThrow(
      expect.objectContaining({ code: 'FS_MODEL_VECTORS', message: expect.stringContaining('vector v1') }),
    );
  });
});
