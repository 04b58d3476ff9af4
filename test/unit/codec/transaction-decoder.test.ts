import avro from 'avsc';
import { describe, expect, it } from 'vitest';
import type { SchemaEntry, SchemaLookup } from '../../../src/codec/schema-lookup.ts';
import { SCHEMA_TEXTS, SCHEMA_TYPES } from '../../../src/codec/schemas.ts';
import {
  createAvroTransactionDecoder,
  createConfluentTransactionDecoder,
} from '../../../src/codec/transaction-decoder.ts';
import { createTransactionEncoder } from '../../../src/codec/transaction-encoder.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { codeOf, failureOf, inputRecord, sampleTransaction, varint, wire } from './sample.ts';

type Schema = { name: string; fields: { name: string; type: unknown; default?: unknown }[] };
const bundled = (): Schema => JSON.parse(SCHEMA_TEXTS.transaction) as Schema;
const encode = (over = {}) => createTransactionEncoder().encode(sampleTransaction(over));
const bare = createAvroTransactionDecoder();
const decode = (value: Buffer | null) => bare.decode(inputRecord(value));

/** A decoder for what a writer with this schema writes, and its bytes of a value. */
function writer(change: (schema: Schema) => void, value: Record<string, unknown>) {
  const schema = bundled();
  change(schema);
  const type = avro.Type.forSchema(schema as unknown as avro.Schema, { wrapUnions: false });
  const decoder = createAvroTransactionDecoder({ writerSchema: JSON.stringify(schema) });
  return decoder.decode(inputRecord(type.toBuffer(value)));
}
const fieldOf = (schema: Schema, name: string) => schema.fields.find((field) => field.name === name)!;
const without = (schema: Schema, ...names: string[]) => {
  schema.fields = schema.fields.filter(({ name }) => !names.includes(name));
};

describe('bare Avro', () => {
  it('decodes to the plain transaction', () => {
    expect(decode(encode())).toStrictEqual(sampleTransaction());
    expect(decode(SCHEMA_TYPES.transaction.toBuffer(sampleTransaction()))).toStrictEqual(sampleTransaction());
  });

  it('decodes a long record, whose strings do not share one text', () => {
    const attributes = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`key-${i}`, 'v'.repeat(512)]));
    expect(decode(encode({ attributes }))).toStrictEqual(sampleTransaction({ attributes }));
  });

  it('takes an empty optional text for an absent one', () => {
    const decoded = decode(encode({ terminal_id: '', device_id: '', ip: '' }));
    expect(decoded).toMatchObject({ terminal_id: null, device_id: null, ip: null });
  });

  it.each([
    ['FS_INPUT_TOMBSTONE', null],
    ['FS_INPUT_EMPTY', Buffer.alloc(0)],
    ['FS_RECORD_TOO_LARGE', Buffer.alloc(10_000_000)],
    ['FS_AVRO_TRUNCATED', encode().subarray(0, 40)],
    ['FS_AVRO_TRAILING', Buffer.concat([encode(), Buffer.from([0])])],
    ['FS_LONG_UNSAFE', encodeWithAmount(2n ** 53n)],
    ['FS_LONG_UNSAFE', encodeWithAmount(-(2n ** 63n))],
    ['FS_AMOUNT_INVALID', encodeWithAmount(-(2n ** 52n) - 5n)],
    ['FS_UTF8_INVALID', Buffer.concat([varint(2n), Buffer.from([0xc3, 0x28]), encode()])],
    ['FS_AVRO_TRUNCATED', Buffer.concat([varint(2n ** 40n), encode()])],
    ['FS_AVRO_INVALID', Buffer.concat([varint(-3n), encode()])],
  ] as const)('%s', (code, value) => {
    const failure = failureOf(() => decode(value));
    expect(failure.code).toBe(code);
    expect(failure.retriable).toBe(false);
    expect(failure.place).toMatchObject({ topic: 'transactions', partition: 2, offset: 41 });
  });

  it('names the field and not its value', () => {
    const failure = failureOf(() => decode(encode({ user_id: 'x'.repeat(129) })));
    expect(failure.code).toBe('FS_FIELD_TOO_LONG');
    expect(failure.place.field).toBe('user_id');
    expect(failure.message).not.toContain('xxx');
  });

  it('refuses forged counts of attributes, in either form of a block', () => {
    const head = encode({ attributes: {} }).subarray(0, -1);
    const forged = (count: bigint, ...rest: number[]) => Buffer.concat([head, varint(count), Buffer.from(rest)]);
    expect(codeOf(() => decode(forged(2n ** 31n)))).toBe('FS_AVRO_LIMIT');
    expect(codeOf(() => decode(forged(50n, 2, 65, 0)))).toBe('FS_AVRO_TRUNCATED');
    expect(codeOf(() => decode(forged(-1n, 40, 2, 65, 0, 0)))).toBe('FS_AVRO_TRUNCATED');
    expect(codeOf(() => decode(forged(-1n, 8, 2, 65, 0, 0, 0)))).toBe('FS_AVRO_INVALID');
    expect(decode(forged(-1n, 6, 2, 65, 0, 0)).attributes).toStrictEqual({ A: '' });
  });

  it('refuses more attributes than the limit before it reads them', () => {
    const entries = Array.from({ length: LIMITS.attributesMax + 1 }, (_, i) => [`k${i}`, 'v']);
    expect(codeOf(() => decode(encode({ attributes: Object.fromEntries(entries) })))).toBe('FS_FIELD_TOO_LONG');
  });

  it('does not lose or obey an attribute called __proto__', () => {
    const attributes = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
    expect(codeOf(() => decode(encode({ attributes })))).toBe('FS_FIELD_INVALID');
  });

  it('can be told to let card numbers through', () => {
    const lenient = createAvroTransactionDecoder({ cardNumberGuard: false });
    const value = encode({ card_id: '4111111111111111' });
    expect(codeOf(() => decode(value))).toBe('FS_CARD_NUMBER');
    expect(lenient.decode(inputRecord(value)).card_id).toBe('4111111111111111');
  });

  it('one bad record costs only itself', () => {
    const values = [encode(), encode().subarray(0, 9), encode({ user_id: 'user-2' })];
    const results = values.map((value) => {
      try {
        return decode(value).user_id;
      } catch (error) {
        return (error as FraudstreamError).code;
      }
    });
    expect(results).toEqual(['user-1', 'FS_AVRO_TRUNCATED', 'user-2']);
  });
});

/** The sample with an amount that our own encoder cannot write. */
function encodeWithAmount(amount: bigint): Buffer {
  const value = encode();
  const amountAt = value.indexOf(varint(4_999n), 20);
  return Buffer.concat([value.subarray(0, amountAt), varint(amount), value.subarray(amountAt + 2)]);
}

describe('schema evolution', () => {
  it('reads an older writer without our optional fields', () => {
    const optional = ['terminal_id', 'device_id', 'ip', 'lat', 'lon', 'attributes'];
    const expected = sampleTransaction({ terminal_id: null, ip: null, lat: null, lon: null, attributes: {} });
    expect(writer((schema) => without(schema, ...optional), { ...sampleTransaction() })).toStrictEqual(expected);
  });

  it('reads fields in another order, and nothing of one record in the next', () => {
    const schema = bundled();
    schema.fields.reverse();
    const type = avro.Type.forSchema(schema as unknown as avro.Schema, { wrapUnions: false });
    const decoder = createAvroTransactionDecoder({ writerSchema: JSON.stringify(schema) });
    const first = decoder.decode(inputRecord(type.toBuffer(sampleTransaction())));
    const bareOne = sampleTransaction({ terminal_id: null, lat: null, lon: null, attributes: {} });
    expect(first).toStrictEqual(sampleTransaction());
    expect(decoder.decode(inputRecord(type.toBuffer(bareOne)))).toStrictEqual(bareOne);
    expect(first).toStrictEqual(sampleTransaction());
  });

  it('skips the unknown fields of a newer writer, however nested', () => {
    const node = { type: 'record', name: 'Node', fields: [{ name: 'next', type: ['null', 'Node'] }] };
    const change = (schema: Schema) => {
      schema.fields.unshift({ name: 'lines', type: { type: 'array', items: { type: 'map', values: ['null', node] } } });
      schema.fields.splice(5, 0, { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9 } });
      schema.fields.push({ name: 'trace', type: { type: 'fixed', name: 'Trace', size: 16 } });
    };
    const lines = [{ a: null, b: { next: { next: null } } }, {}];
    const value = { ...sampleTransaction(), lines, price: Buffer.from([0xff]), trace: Buffer.alloc(16) };
    expect(writer(change, value)).toStrictEqual(sampleTransaction());
  });

  it('scans the fields that it skips', () => {
    const schema = bundled();
    schema.fields.push({ name: 'extra', type: { type: 'array', items: 'long' } });
    const decoder = createAvroTransactionDecoder({ writerSchema: JSON.stringify(schema) });
    const with5 = (...tail: Buffer[]) => inputRecord(Buffer.concat([encode(), ...tail]));
    expect(codeOf(() => decoder.decode(with5(varint(2n ** 31n))))).toBe('FS_AVRO_LIMIT');
    expect(codeOf(() => decoder.decode(with5(varint(1n), varint(2n ** 60n), varint(0n))))).toBe('FS_LONG_UNSAFE');
    expect(decoder.decode(with5(varint(1n), varint(7n), varint(0n)))).toStrictEqual(sampleTransaction());
  });

  it('promotes: int to long and double, float to double, bytes to string', () => {
    const change = (schema: Schema) => {
      fieldOf(schema, 'amount_minor').type = 'int';
      fieldOf(schema, 'lat').type = ['null', 'float'];
      fieldOf(schema, 'lon').type = 'int';
      fieldOf(schema, 'user_id').type = 'bytes';
      fieldOf(schema, 'attributes').type = { type: 'map', values: 'bytes' };
      delete fieldOf(schema, 'attributes').default;
      delete fieldOf(schema, 'lon').default;
    };
    const value = {
      ...sampleTransaction({ lat: 0.5, lon: 13 }),
      user_id: Buffer.from('úser'),
      attributes: { a: Buffer.from('b') },
    };
    const expected = sampleTransaction({ lat: 0.5, lon: 13, user_id: 'úser', attributes: { a: 'b' } });
    expect(writer(change, value)).toStrictEqual(expected);
    const broken = { ...value, user_id: Buffer.from([0xff]) };
    expect(codeOf(() => writer(change, broken))).toBe('FS_UTF8_INVALID');
  });

  it('reads a channel that it does not know as OTHER, from an enum or a string', () => {
    const toEnum = (schema: Schema) =>
      (fieldOf(schema, 'channel').type = { type: 'enum', name: 'Kanal', symbols: ['TAP', 'ATM'] });
    const toText = (schema: Schema) => (fieldOf(schema, 'channel').type = 'string');
    for (const change of [toEnum, toText]) {
      expect(writer(change, { ...sampleTransaction(), channel: 'TAP' }).channel).toBe('OTHER');
      expect(writer(change, { ...sampleTransaction(), channel: 'ATM' }).channel).toBe('ATM');
    }
  });

  it('lets a required field be nullable at the writer: only a null is refused', () => {
    const change = (schema: Schema) => (fieldOf(schema, 'country').type = ['null', 'string']);
    expect(writer(change, { ...sampleTransaction() })).toStrictEqual(sampleTransaction());
    const failure = failureOf(() => writer(change, { ...sampleTransaction(), country: null }));
    expect([failure.code, failure.place.field]).toEqual(['FS_FIELD_MISSING', 'country']);
  });

  it('reads the same bytes under another record name', () => {
    const rename = (schema: Schema) => (schema.name = 'PaymentMade');
    expect(writer(rename, { ...sampleTransaction() })).toStrictEqual(sampleTransaction());
  });

  it.each([
    ['a required field is missing', 'user_id', (schema: Schema) => without(schema, 'user_id')],
    ['an amount is a float', 'amount_minor', (schema: Schema) => (fieldOf(schema, 'amount_minor').type = 'double')],
    [
      'the event time is in microseconds',
      'event_time',
      (schema: Schema) => (fieldOf(schema, 'event_time').type = { type: 'long', logicalType: 'timestamp-micros' }),
    ],
    ['no branch is ours', 'mcc', (schema: Schema) => (fieldOf(schema, 'mcc').type = ['null', 'int'])],
    [
      'attributes are no map of texts',
      'attributes',
      (schema: Schema) => (fieldOf(schema, 'attributes').type = { type: 'map', values: 'int' }),
    ],
  ])('refuses a writer schema where %s, and names it', (_, field, change) => {
    const schema = bundled();
    change(schema);
    const failure = failureOf(() => createAvroTransactionDecoder({ writerSchema: JSON.stringify(schema) }));
    expect([failure.code, failure.place.field]).toEqual(['FS_SCHEMA_INCOMPATIBLE', field]);
    expect(failure.message).toContain(field);
  });

  it('refuses a writer schema that is no record', () => {
    expect(codeOf(() => createAvroTransactionDecoder({ writerSchema: '"string"' }))).toBe('FS_SCHEMA_INCOMPATIBLE');
  });
});

describe('Confluent wire format', () => {
  /** A registry whose answers are given; counts what it was asked for. */
  function lookupOf(schemas: Record<number, SchemaEntry>) {
    const known = new Map<number, SchemaEntry>();
    const asked: number[] = [];
    const lookup: SchemaLookup = {
      lookup: (id) => known.get(id) ?? null,
      isFresh: (id) => known.has(id),
      async fetchAll(ids) {
        for (const id of ids) {
          asked.push(id);
          if (id === 503) throw new FraudstreamError('FS_REGISTRY_UNAVAILABLE', '');
          known.set(id, schemas[id] ?? { code: 'FS_SCHEMA_UNKNOWN', detail: `schema id ${id}` });
        }
      },
    };
    return { lookup, asked };
  }
  const extended = bundled();
  extended.fields.push({ name: 'note', type: 'string' });
  const schemas = {
    7: { text: SCHEMA_TEXTS.transaction },
    8: { text: JSON.stringify(extended) },
    9: { text: '"int"' },
    10: { code: 'FS_SCHEMA_INCOMPATIBLE', detail: 'schema id 10: it is not an Avro schema' },
  } as const;
  const note = Buffer.from('\u0004hi');

  it('decodes each record with its own schema, and asks once for each id', async () => {
    const { lookup, asked } = lookupOf(schemas);
    const decoder = createConfluentTransactionDecoder(lookup);
    const records = [
      wire(7, encode()),
      wire(8, Buffer.concat([encode(), note])),
      wire(7, encode({ user_id: 'user-2' })),
      wire(8, Buffer.concat([encode(), note])),
    ].map((value) => inputRecord(value));
    await decoder.prepare(records);
    await decoder.prepare(records);
    expect(asked).toEqual([7, 8]);
    expect(records.map((record) => decoder.decode(record).user_id)).toEqual(['user-1', 'user-1', 'user-2', 'user-1']);
    expect(decoder.decode(records[1]!)).toStrictEqual(sampleTransaction());
  });

  it('permanent problems of a schema are those of its records alone', async () => {
    const { lookup } = lookupOf(schemas);
    const decoder = createConfluentTransactionDecoder(lookup);
    const ids = [7, 9, 10, 404, 7];
    const records = ids.map((id) => inputRecord(wire(id, encode())));
    await decoder.prepare(records);
    const outcome = records.map((record) => {
      try {
        return decoder.decode(record).user_id;
      } catch (error) {
        const { code, retriable, place } = error as FraudstreamError;
        return [code, retriable, place.offset];
      }
    });
    const refused = ['FS_SCHEMA_INCOMPATIBLE', false, 41];
    expect(outcome).toEqual(['user-1', refused, refused, ['FS_SCHEMA_UNKNOWN', false, 41], 'user-1']);
  });

  it('a registry that is down rejects prepare, retriably', async () => {
    const { lookup } = lookupOf(schemas);
    const decoder = createConfluentTransactionDecoder(lookup);
    const failure = await decoder.prepare([inputRecord(wire(503, encode()))]).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'FS_REGISTRY_UNAVAILABLE', retriable: true });
  });

  it.each([
    ['FS_INPUT_TOMBSTONE', null],
    ['FS_INPUT_EMPTY', Buffer.alloc(0)],
    ['FS_WIRE_MAGIC', Buffer.from([1, 0, 0, 0, 7, 1])],
    ['FS_WIRE_TRUNCATED', Buffer.from([0, 0, 0, 0])],
    ['FS_AVRO_TRUNCATED', Buffer.from([0, 0, 0, 0, 7])],
    ['FS_RECORD_TOO_LARGE', wire(7, Buffer.alloc(2_000_000))],
  ] as const)('%s', async (code, value) => {
    const { lookup } = lookupOf(schemas);
    const decoder = createConfluentTransactionDecoder(lookup);
    const record = inputRecord(value);
    await decoder.prepare([record]);
    const failure = failureOf(() => decoder.decode(record));
    expect(failure.code).toBe(code);
    expect(failure.place).toMatchObject({ topic: 'transactions', partition: 2, offset: 41 });
  });

  it('asks nothing for records without a schema id', async () => {
    const { lookup, asked } = lookupOf(schemas);
    const decoder = createConfluentTransactionDecoder(lookup);
    await decoder.prepare(
      [null, Buffer.alloc(0), Buffer.from([0, 1]), Buffer.from('hello world')].map((v) => inputRecord(v)),
    );
    expect(asked).toEqual([]);
  });
});
