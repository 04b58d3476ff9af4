import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TransactionDecoder } from '../../src/codec/codec.ts';
import { SCHEMA_TEXTS, SCHEMA_TYPES } from '../../src/codec/schemas.ts';
import {
  createAvroTransactionDecoder,
  createConfluentTransactionDecoder,
} from '../../src/codec/transaction-decoder.ts';
import { createTransactionEncoder } from '../../src/codec/transaction-encoder.ts';
import { validateTransaction } from '../../src/codec/validate-transaction.ts';
import { FraudstreamError } from '../../src/domain/errors.ts';
import type { Transaction } from '../../src/domain/transaction.ts';
import { inputRecord, varint, wire } from '../unit/codec/sample.ts';
import { transaction } from './codec-arbitraries.ts';

const MUTANTS = 120_000;
const SEED = 20_260_101;
const MS_MAX = 50;

/** A newer writer with fields of every kind that we skip. */
const NEWER = JSON.stringify({
  ...(JSON.parse(SCHEMA_TEXTS.transaction) as object),
  fields: [
    { name: 'nothing', type: { type: 'array', items: 'null' } },
    ...(JSON.parse(SCHEMA_TEXTS.transaction) as { fields: object[] }).fields,
    { name: 'lines', type: { type: 'array', items: { type: 'map', values: ['null', 'long', 'bytes', 'double'] } } },
    {
      name: 'tree',
      type: { type: 'record', name: 'Tree', fields: [{ name: 'kids', type: { type: 'array', items: 'Tree' } }] },
    },
  ],
});
const NEWER_TAIL = Buffer.from([4, 4, 2, 97, 0, 2, 98, 2, 6, 0, 0, 0, 4, 0, 2, 0, 0, 0]);
const SCHEMAS: Record<number, string> = { 1: SCHEMA_TEXTS.transaction, 2: NEWER };

/** mulberry32: small, seeded, good enough to mutate with */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = randomOf(SEED);
const below = (n: number) => Math.floor(random() * n);
const FORGED = [2n ** 31n, 2n ** 40n, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n, -1n, -2n, 1_000n, 64n, 250_000n, 0n];

function mutate(seed: Buffer, other: Buffer): Buffer {
  const bytes = Buffer.from(seed);
  const at = below(bytes.length);
  switch (below(9)) {
    case 0:
      for (let n = 1 + below(8); n > 0; n--) bytes[below(bytes.length)]! ^= 1 << below(8);
      return bytes;
    case 1:
      return bytes.subarray(0, at);
    case 2: // the head of one record and the tail of another
      return Buffer.concat([bytes.subarray(0, at), other.subarray(below(other.length))]);
    case 3: // a forged length or count where there was a byte
      return Buffer.concat([bytes.subarray(0, at), varint(FORGED[below(FORGED.length)]!), bytes.subarray(at + 1)]);
    case 4:
      return Buffer.from(Array.from({ length: 1 + below(300) }, () => below(256)));
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(8))]);
    case 6:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - below(40)))]);
    case 7:
      bytes[at] = below(256);
      return bytes;
    default: // a run of continuation bytes
      bytes.fill(0x80 | below(128), at, Math.min(bytes.length, at + 1 + below(12)));
      return bytes;
  }
}

describe('100,000 mutated records', () => {
  it('each decodes to a valid transaction or is a dead letter; none crashes, hangs or vanishes', async () => {
    const encoder = createTransactionEncoder();
    const seeds = fc.sample(transaction, { numRuns: 400, seed: SEED }).map((value) => encoder.encode(value));
    const confluent = createConfluentTransactionDecoder({
      lookup: (id) => {
        const schema = SCHEMAS[id];
        return schema === undefined ? { code: 'FS_SCHEMA_UNKNOWN', detail: `${id}` } : (texts[id] ??= { text: schema });
      },
      isFresh: () => true,
      async fetchAll() {},
    });
    const texts: Record<number, { text: string }> = {};
    const bare = createAvroTransactionDecoder();
    const newer = createAvroTransactionDecoder({ writerSchema: NEWER });
    const newerOf = (bytes: Buffer) => Buffer.concat([Buffer.from([6, 0]), bytes, NEWER_TAIL]);
    const forms: { decoder: TransactionDecoder; form: (bytes: Buffer) => Buffer; comparable: boolean }[] = [
      { decoder: bare, form: (bytes) => bytes, comparable: true },
      { decoder: newer, form: newerOf, comparable: false },
      { decoder: confluent, form: (bytes) => wire(1, bytes), comparable: false },
      { decoder: confluent, form: (bytes) => wire(2, newerOf(bytes)), comparable: false },
    ];
    for (const { decoder, form } of forms) {
      for (const seed of seeds) expect(() => decoder.decode(inputRecord(form(seed)))).not.toThrow();
    }

    const codes = new Map<string, number>();
    let decoded = 0;
    for (let i = 0; i < MUTANTS; i++) {
      const { decoder, form, comparable } = forms[i & 3]!;
      const bytes = mutate(form(seeds[below(seeds.length)]!), form(seeds[below(seeds.length)]!));
      const record = inputRecord(bytes, { offset: i });
      await decoder.prepare([record]);
      const started = performance.now();
      const outcome = attempt(decoder, record);
      // What took long is timed again: slow bytes are slow every time, a busy machine is not.
      if (performance.now() - started > MS_MAX)
        expect(fastestMs(decoder, record), bytes.toString('hex')).toBeLessThan(MS_MAX);
      if (outcome instanceof FraudstreamError) {
        if (outcome.retriable || outcome.code === 'FS_INTERNAL' || outcome.place.offset !== i) throw outcome;
        codes.set(outcome.code, (codes.get(outcome.code) ?? 0) + 1);
      } else {
        decoded++;
        validateTransaction(outcome, true);
        if (comparable && !isDeepStrictEqual(outcome, byAvsc(bytes))) {
          expect.fail(`decodes otherwise than with avsc: ${bytes.toString('hex')}`);
        }
      }
    }
    const refused = [...codes.values()].reduce((sum, count) => sum + count, 0);
    expect(decoded + refused).toBe(MUTANTS);
    expect(decoded).toBeGreaterThan(MUTANTS / 50);
    // Each of these has to have been met, or the mutations are too tame to show anything.
    expect([...codes.keys()]).toEqual(
      expect.arrayContaining([
        'FS_AMOUNT_INVALID',
        'FS_AVRO_INVALID',
        'FS_AVRO_LIMIT',
        'FS_AVRO_TRAILING',
        'FS_AVRO_TRUNCATED',
        'FS_COORDINATES_INVALID',
        'FS_CURRENCY_UNKNOWN',
        'FS_EVENT_TIME_INVALID',
        'FS_FIELD_INVALID',
        'FS_FIELD_MISSING',
        'FS_INPUT_EMPTY',
        'FS_LONG_UNSAFE',
        'FS_SCHEMA_UNKNOWN',
        'FS_UTF8_INVALID',
        'FS_WIRE_MAGIC',
        'FS_WIRE_TRUNCATED',
      ]),
    );
  });
});

/** The transaction, or the error if it is one of ours; any other error fails the test. */
function attempt(decoder: TransactionDecoder, record: ReturnType<typeof inputRecord>): Transaction | FraudstreamError {
  try {
    return decoder.decode(record);
  } catch (error) {
    if (error instanceof FraudstreamError) return error;
    throw error;
  }
}

function fastestMs(decoder: TransactionDecoder, record: ReturnType<typeof inputRecord>): number {
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    attempt(decoder, record);
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}

/** The same bytes by the library, with empty optional texts taken for absent ones as we do. */
function byAvsc(bytes: Buffer): Transaction {
  const value = { ...(SCHEMA_TYPES.transaction.fromBuffer(bytes) as Transaction) };
  const orNull = (text: string | null) => (text === '' ? null : text);
  return {
    ...value,
    terminal_id: orNull(value.terminal_id),
    device_id: orNull(value.device_id),
    ip: orNull(value.ip),
    attributes: { ...value.attributes },
  };
}
