import avro from 'avsc';
import { describe, expect, it } from 'vitest';
import { compileAvroScan } from '../../../src/codec/avro-scan.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { codeOf, varint } from './sample.ts';

const scanOf = (schema: unknown) => {
  const scan = compileAvroScan(JSON.stringify(schema));
  return (bytes: Buffer | readonly number[]) => {
    const buffer = Buffer.from(bytes as Buffer);
    scan.check(buffer, 0, buffer.length);
  };
};
const bytes = (...parts: (Buffer | string | number)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? varint(BigInt(part)) : Buffer.from(part))));

describe('avro scan: numbers', () => {
  const long = scanOf('long');

  it('accepts longs within ±(2^53 - 1)', () => {
    for (const value of [0n, -1n, 1n, 63n, 64n, -64n, -65n, 2n ** 31n, -(2n ** 31n), 2n ** 53n - 1n, 1n - 2n ** 53n]) {
      expect(() => long(varint(value))).not.toThrow();
    }
  });

  it.each([2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)])('refuses the long %s', (value) => {
    expect(codeOf(() => long(varint(value)))).toBe('FS_LONG_UNSAFE');
  });

  it('refuses a varint of more than ten bytes', () => {
    expect(codeOf(() => long([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]))).toBe(
      'FS_AVRO_INVALID',
    );
    expect(() => long([0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00])).not.toThrow();
  });

  it('refuses an int beyond 32 bits', () => {
    const int = scanOf('int');
    expect(() => int(varint(2n ** 31n - 1n))).not.toThrow();
    expect(codeOf(() => int(varint(2n ** 31n)))).toBe('FS_AVRO_INVALID');
  });

  it('refuses a boolean that is neither 0 nor 1', () => {
    expect(codeOf(() => scanOf('boolean')([2]))).toBe('FS_AVRO_INVALID');
  });
});

describe('avro scan: texts and lengths', () => {
  const text = scanOf('string');

  it('refuses lengths that do not fit', () => {
    expect(codeOf(() => text(bytes(5, 'abcd')))).toBe('FS_AVRO_TRUNCATED');
    expect(codeOf(() => text(bytes(2 ** 40, 'abcd')))).toBe('FS_AVRO_TRUNCATED');
    expect(codeOf(() => text(bytes(-1, 'abcd')))).toBe('FS_AVRO_INVALID');
    expect(codeOf(() => scanOf('bytes')(bytes(9, 'abcd')))).toBe('FS_AVRO_TRUNCATED');
    expect(codeOf(() => scanOf({ type: 'fixed', name: 'F', size: 9 })(bytes('abcd')))).toBe('FS_AVRO_TRUNCATED');
  });

  it('agrees with a strict decoder on what UTF-8 is', () => {
    const strict = new TextDecoder('utf-8', { fatal: true });
    const edges = [
      0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xee, 0xef,
    ];
    edges.push(0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff);
    let refused = 0;
    const check = (raw: number[]) => {
      const buffer = Buffer.from(raw);
      let expected = true;
      try {
        strict.decode(buffer);
      } catch {
        expected = false;
        refused++;
      }
      const input = Buffer.concat([varint(BigInt(raw.length)), buffer]);
      if (expected) expect(() => text(input), buffer.toString('hex')).not.toThrow();
      else
        expect(
          codeOf(() => text(input)),
          buffer.toString('hex'),
        ).toBe('FS_UTF8_INVALID');
    };
    for (const a of edges) {
      check([a]);
      for (const b of edges) {
        check([a, b]);
        for (const c of [0x41, 0x80, 0xbf, 0xc2]) {
          check([a, b, c]);
          if (a >= 0xf0) for (const d of [0x41, 0x80, 0xbf]) check([a, b, c, d]);
        }
      }
    }
    expect(refused).toBeGreaterThan(1_000);
  });

  it('refuses what is left over', () => {
    expect(codeOf(() => text(bytes(1, 'ab')))).toBe('FS_AVRO_TRAILING');
  });
});

describe('avro scan: counts', () => {
  it('refuses a forged count of array or map items at once', () => {
    const forged = varint(2n ** 31n);
    const started = performance.now();
    expect(codeOf(() => scanOf({ type: 'array', items: 'long' })(forged))).toBe('FS_AVRO_LIMIT');
    expect(codeOf(() => scanOf({ type: 'map', values: 'string' })(forged))).toBe('FS_AVRO_LIMIT');
    expect(codeOf(() => scanOf({ type: 'array', items: 'long' })(bytes(1_000, '1234')))).toBe('FS_AVRO_TRUNCATED');
    expect(performance.now() - started).toBeLessThan(100);
  });

  it('bounds items that take no bytes', () => {
    const nulls = scanOf({ type: 'array', items: 'null' });
    expect(() => nulls(bytes(1_000, 0))).not.toThrow();
    expect(codeOf(() => nulls(bytes(LIMITS.avroNodesMax + 1, 0)))).toBe('FS_AVRO_LIMIT');
    // many blocks, each of them allowed
    const block = varint(BigInt(LIMITS.avroNodesMax - 1));
    expect(codeOf(() => nulls(Buffer.concat([block, block, Buffer.from([0])])))).toBe('FS_AVRO_LIMIT');
  });

  it('bounds records of records that take no bytes', () => {
    let schema: unknown = { type: 'record', name: 'R0', fields: [{ name: 'n', type: 'null' }] };
    for (let level = 1; level <= 20; level++) {
      const below = `R${level - 1}`;
      const fields = [
        { name: 'a', type: schema },
        { name: 'b', type: below },
      ];
      schema = { type: 'record', name: `R${level}`, fields };
    }
    const started = performance.now();
    expect(codeOf(() => scanOf(schema)([]))).toBe('FS_AVRO_LIMIT');
    expect(performance.now() - started).toBeLessThan(500);
  });

  it('reads blocks that state their size, and refuses a false one', () => {
    const longs = scanOf({ type: 'array', items: 'long' });
    expect(() => longs(bytes(-2, 2, 5, 6, 0))).not.toThrow();
    expect(codeOf(() => longs(bytes(-2, 3, 5, 6, 7, 0)))).toBe('FS_AVRO_INVALID');
    expect(codeOf(() => longs(bytes(-2, 99, 5, 6, 0)))).toBe('FS_AVRO_TRUNCATED');
    expect(codeOf(() => longs(bytes(-2, -1, 5, 6, 0)))).toBe('FS_AVRO_INVALID');
  });

  it('bounds the nesting of a recursive schema', () => {
    const node = { type: 'record', name: 'Node', fields: [{ name: 'next', type: ['null', 'Node'] }] };
    const chain = (length: number) => Buffer.concat([Buffer.alloc(length, 2), Buffer.from([0])]);
    expect(() => scanOf(node)(chain(10))).not.toThrow();
    expect(codeOf(() => scanOf(node)(chain(100_000)))).toBe('FS_AVRO_LIMIT');
  });

  it('refuses an index without a branch or a symbol', () => {
    const union = scanOf(['null', 'long']);
    const symbols = scanOf({ type: 'enum', name: 'E', symbols: ['A', 'B'] });
    for (const scan of [union, symbols]) {
      expect(codeOf(() => scan(varint(2n)))).toBe('FS_AVRO_INVALID');
      expect(codeOf(() => scan(varint(-1n)))).toBe('FS_AVRO_INVALID');
    }
  });
});

describe('avro scan: records', () => {
  const schema = {
    type: 'record',
    name: 'Wide',
    namespace: 'a.b',
    fields: [
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['X', 'Y'] } },
      { name: 'again', type: 'Kind' },
      { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 4 } },
      { name: 'tags', type: { type: 'array', items: { type: 'map', values: ['null', 'float', 'a.b.Hash'] } } },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
      { name: 'ok', type: 'boolean' },
      { name: 'ratio', type: 'double' },
      { name: 'raw', type: 'bytes' },
    ],
  };
  const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true });
  const value = {
    kind: 'X',
    again: 'Y',
    hash: Buffer.from('abcd'),
    tags: [{ a: null, b: { float: 1.5 } }, {}, { c: { 'a.b.Hash': Buffer.from('efgh') } }],
    at: 1,
    ok: true,
    ratio: Number.NaN,
    raw: Buffer.from([0xff]),
  };
  const encoded = type.toBuffer(value);

  it('refuses every prefix as truncated', () => {
    const scan = scanOf(schema);
    expect(() => scan(encoded)).not.toThrow();
    for (let end = 0; end < encoded.length; end++) {
      expect(
        codeOf(() => scan(encoded.subarray(0, end))),
        String(end),
      ).toBe('FS_AVRO_TRUNCATED');
    }
  });

  it('cuts a block into records', () => {
    const scan = compileAvroScan(JSON.stringify(schema));
    const block = Buffer.concat([encoded, encoded, encoded]);
    const ends: number[] = [];
    for (let pos = 0; pos < block.length;) ends.push((pos = scan.recordEnd(block, pos, block.length)));
    expect(ends).toEqual([1, 2, 3].map((n) => n * encoded.length));
  });
});

describe('writer schemas', () => {
  it.each([
    ['no schema at all', '{'],
    ['an unknown type', '"uuid"'],
    ['a reference', JSON.stringify({ type: 'record', name: 'R', fields: [{ name: 'x', type: 'other.Type' }] })],
    ['a record without fields', JSON.stringify({ type: 'record', name: 'R' })],
    ['a field twice', JSON.stringify({ type: 'record', name: 'R', fields: Array(2).fill({ name: 'x', type: 'int' }) })],
    [
      'a name twice',
      JSON.stringify([
        { type: 'fixed', name: 'F', size: 1 },
        { type: 'fixed', name: 'F', size: 2 },
      ]),
    ],
    ['an empty union', '[]'],
    ['a fixed of no size', JSON.stringify({ type: 'fixed', name: 'F', size: -1 })],
    ['an enum without symbols', JSON.stringify({ type: 'enum', name: 'E' })],
    ['too deep', '{"type":"array","items":'.repeat(5_000) + '"int"' + '}'.repeat(5_000)],
    ['too many types', JSON.stringify(Array(LIMITS.schemaNodesMax + 1).fill('int'))],
    ['too long', JSON.stringify('x'.repeat(LIMITS.schemaBytesMax))],
  ])('refuses %s', (_, text) => {
    expect(codeOf(() => compileAvroScan(text))).toBe('FS_SCHEMA_INCOMPATIBLE');
  });
});
