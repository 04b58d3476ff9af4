import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileAvroScan } from '../../src/codec/avro-scan.ts';
import { createDecisionDecoder, createFlaggedDecoder, createLabelDecoder } from '../../src/codec/decision-decoder.ts';
import { createDecisionEncoder } from '../../src/codec/decision-encoder.ts';
import { compileType, SCHEMA_TEXTS, SCHEMA_TYPES } from '../../src/codec/schemas.ts';
import { createAvroTransactionDecoder } from '../../src/codec/transaction-decoder.ts';
import { createLabelEncoder, createTransactionEncoder } from '../../src/codec/transaction-encoder.ts';
import { isUtf8 } from '../../src/codec/utf8.ts';
import { codeOf, inputRecord, varint } from '../unit/codec/sample.ts';
import { decision, flagged, label, transaction } from './codec-arbitraries.ts';

const RUNS = { numRuns: 1_000 };

describe('our encoders and decoders against avsc', () => {
  it('transactions: the same bytes, the same object', () => {
    const encoder = createTransactionEncoder();
    const decoder = createAvroTransactionDecoder();
    const property = fc.property(transaction, (value) => {
      const bytes = encoder.encode(value);
      expect(bytes).toEqual(SCHEMA_TYPES.transaction.toBuffer(value));
      expect(decoder.decode(inputRecord(bytes))).toStrictEqual(value);
    });
    fc.assert(property, RUNS);
  });

  it('decisions', () => {
    const encoder = createDecisionEncoder();
    const decoder = createDecisionDecoder(null);
    const property = fc.property(decision, (value) => {
      const bytes = encoder.encodeDecision(value);
      expect(bytes).toEqual(SCHEMA_TYPES.decision.toBuffer(value));
      expect(decoder.decode(bytes)).toStrictEqual(value);
    });
    fc.assert(property, RUNS);
  });

  it('flagged transactions', () => {
    const encoder = createDecisionEncoder();
    const decoder = createFlaggedDecoder(null);
    const property = fc.property(flagged, (value) => {
      const bytes = encoder.encodeFlagged(value);
      expect(bytes).toEqual(SCHEMA_TYPES.flagged.toBuffer(value));
      expect(decoder.decode(bytes)).toStrictEqual(value);
    });
    fc.assert(property, { numRuns: 300 });
  });

  it('labels', () => {
    const encoder = createLabelEncoder();
    const decoder = createLabelDecoder(null);
    const property = fc.property(label, (value) => {
      const bytes = encoder.encode(value);
      expect(bytes).toEqual(SCHEMA_TYPES.label.toBuffer(value));
      expect(decoder.decode(bytes)).toStrictEqual(value);
    });
    fc.assert(property, RUNS);
  });
});

describe('schema resolution against avsc', () => {
  type Field = { name: string; type: unknown; default?: unknown; doc?: string };
  const fields = (JSON.parse(SCHEMA_TEXTS.transaction) as { fields: Field[] }).fields;
  const optional = [['terminal_id'], ['device_id'], ['ip'], ['lat', 'lon'], ['attributes']];
  const unknownTypes: unknown[] = [
    'null',
    'long',
    'bytes',
    { type: 'array', items: 'double' },
    { type: 'map', values: { type: 'array', items: 'string' } },
    ['null', { type: 'record', name: 'Extra', fields: [{ name: 'x', type: ['null', 'Extra'] }] }],
  ];

  /** Our schema with optional fields left out, unknown ones put in, and all of it in some order. */
  const writerSchema = fc
    .record({
      dropped: fc.subarray(optional),
      added: fc.subarray(unknownTypes),
      order: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
    })
    .map(({ dropped, added, order }) => {
      const kept = fields.filter(({ name }) => !dropped.flat().includes(name));
      const more = added.map((type, i): Field => ({ name: `extra_${i}`, type }));
      const keyed = [...kept, ...more].map((field) => [order.next().value, field] as const);
      const shuffled = keyed.sort(([a], [b]) => a - b).map(([, field]) => field);
      return { type: 'record', name: 'Transaction', namespace: 'io.fraudstream', fields: shuffled };
    });

  it('any older or newer writer', () => {
    const property = fc.property(writerSchema, transaction, (schema, value) => {
      const writer = avro.Type.forSchema(structuredClone(schema) as avro.Schema, { wrapUnions: true });
      const plain = compileType(JSON.stringify(schema));
      const random = writer.clone(writer.random(), {}) as Record<string, unknown>;
      const extras = schema.fields.filter(({ name }) => name.startsWith('extra_')).map(({ name }) => name);
      const unwrapped = plain.fromBuffer(writer.toBuffer(random)) as Record<string, unknown>;
      const bytes = plain.toBuffer({ ...value, ...Object.fromEntries(extras.map((name) => [name, unwrapped[name]])) });
      const decoder = createAvroTransactionDecoder({ writerSchema: JSON.stringify(schema) });
      const oracle = SCHEMA_TYPES.transaction.fromBuffer(
        bytes,
        SCHEMA_TYPES.transaction.createResolver(plain),
      ) as object;
      const attributes = { ...(oracle as { attributes: object }).attributes };
      expect(decoder.decode(inputRecord(bytes))).toStrictEqual({ ...oracle, attributes });
    });
    fc.assert(property, { numRuns: 300 });
  });
});

describe('the scan', () => {
  const schemas: unknown[] = [
    'boolean',
    'long',
    'double',
    'float',
    ['null', 'string', 'long'],
    { type: 'array', items: ['null', 'string'] },
    { type: 'map', values: { type: 'array', items: 'bytes' } },
    JSON.parse(SCHEMA_TEXTS.flagged),
    { type: 'record', name: 'Tree', fields: [{ name: 'kids', type: { type: 'array', items: 'bytes' } }] },
    { type: 'array', items: { type: 'fixed', name: 'F', size: 3 } },
    { type: 'array', items: { type: 'enum', name: 'E', symbols: ['A', 'B', 'C'] } },
  ];

  it('ends where avsc ends, for any value, and refuses every prefix', () => {
    const compiled = schemas.map((schema) => {
      const type = avro.Type.forSchema(structuredClone(schema) as avro.Schema, { wrapUnions: true });
      return { type, scan: compileAvroScan(JSON.stringify(schema)) };
    });
    for (let round = 0; round < 200; round++) {
      for (const { type, scan } of compiled) {
        const bytes = type.toBuffer(type.random());
        const padded = Buffer.concat([Buffer.from([255]), bytes, Buffer.from([255])]);
        expect(scan.recordEnd(padded, 1, padded.length)).toBe(1 + bytes.length);
        const cut = Math.floor((round / 200) * bytes.length);
        if (bytes.length > 0) expect(codeOf(() => scan.check(bytes, 0, cut))).toBe('FS_AVRO_TRUNCATED');
      }
    }
  });

  it('longs: exact within ±(2^53 - 1), refused beyond', () => {
    const schema = { type: 'record', name: 'T', fields: [...JSON.parse(SCHEMA_TEXTS.transaction).fields] };
    const decoder = createAvroTransactionDecoder({ writerSchema: JSON.stringify(schema) });
    const head = Buffer.from('\u0002t\u0002u', 'utf8');
    const tail = createTransactionEncoder().encode(sampleTail());
    const rest = tail.subarray(head.length + varint(0n).length + varint(0n).length);
    const property = fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.nat(63), (wide, shift) => {
      const value = wide >> BigInt(shift);
      const bytes = Buffer.concat([head, varint(0n), varint(value), rest]);
      const decode = () => decoder.decode(inputRecord(bytes)).amount_minor;
      const safe = value <= 2n ** 53n - 1n && value >= 1n - 2n ** 53n;
      if (!safe) expect(codeOf(decode)).toBe('FS_LONG_UNSAFE');
      else if (value < 0n) expect(codeOf(decode)).toBe('FS_AMOUNT_INVALID');
      else expect(BigInt(decode())).toBe(value);
    });
    fc.assert(property, { numRuns: 5_000 });
  });

  it('UTF-8: agrees with a strict decoder', () => {
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const lead = fc.constantFrom(0xc2, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0x41, 0xc0);
    const bytes = fc.array(fc.oneof(lead, fc.integer({ min: 0x80, max: 0xbf }), fc.nat(255)), { maxLength: 12 });
    const property = fc.property(bytes, (raw) => {
      let valid = true;
      try {
        strict.decode(Uint8Array.from(raw));
      } catch {
        valid = false;
      }
      expect(isUtf8(Uint8Array.from(raw), 0, raw.length)).toBe(valid);
    });
    fc.assert(property, { numRuns: 20_000 });
  });
});

function sampleTail() {
  return {
    transaction_id: 't',
    user_id: 'u',
    event_time: 0,
    amount_minor: 0,
    currency: 'EUR',
    card_id: 'c',
    merchant_id: 'm',
    mcc: '5411',
    terminal_id: null,
    device_id: null,
    ip: null,
    country: 'DE',
    channel: 'POS',
    lat: null,
    lon: null,
    attributes: {},
  } as const;
}
