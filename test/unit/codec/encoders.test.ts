import { describe, expect, it } from 'vitest';
import type { ContractDecoder } from '../../../src/codec/decision-decoder.ts';
import {
  createDecisionDecoder,
  createFlaggedDecoder,
  createLabelDecoder,
} from '../../../src/codec/decision-decoder.ts';
import { createDecisionEncoder } from '../../../src/codec/decision-encoder.ts';
import type { SchemaLookup } from '../../../src/codec/schema-lookup.ts';
import { compileType, SCHEMA_TEXTS, SCHEMA_TYPES, writerSchemas } from '../../../src/codec/schemas.ts';
import { createLabelEncoder, createTransactionEncoder } from '../../../src/codec/transaction-encoder.ts';
import { codeOf, sampleDecision, sampleFlagged, sampleLabel, sampleTransaction, wire } from './sample.ts';

const decisions = createDecisionEncoder();
const transactions = createTransactionEncoder();
const labels = createLabelEncoder();

describe('encoders', () => {
  it('write the bytes that avsc writes', () => {
    expect(decisions.encodeDecision(sampleDecision())).toEqual(SCHEMA_TYPES.decision.toBuffer(sampleDecision()));
    expect(decisions.encodeFlagged(sampleFlagged())).toEqual(SCHEMA_TYPES.flagged.toBuffer(sampleFlagged()));
    expect(transactions.encode(sampleTransaction())).toEqual(SCHEMA_TYPES.transaction.toBuffer(sampleTransaction()));
    expect(labels.encode(sampleLabel())).toEqual(SCHEMA_TYPES.label.toBuffer(sampleLabel()));
  });

  it('write the Confluent header', () => {
    const encoder = createDecisionEncoder({ decision: 0x01020304, flagged: 0xffffffff });
    const decision = SCHEMA_TYPES.decision.toBuffer(sampleDecision());
    expect(encoder.encodeDecision(sampleDecision())).toEqual(wire(0x01020304, decision));
    expect(encoder.encodeFlagged(sampleFlagged()).subarray(0, 5)).toEqual(Buffer.from([0, 255, 255, 255, 255]));
    expect(createTransactionEncoder(5).encode(sampleTransaction())[4]).toBe(5);
    expect(createLabelEncoder(6).encode(sampleLabel())[4]).toBe(6);
  });

  it('hand out buffers that later records leave alone, across chunks of any fill', () => {
    const inputs = Array.from({ length: 3_000 }, (_, i) => {
      const note = 'ü'.repeat((i * 37) % 300) + 'x'.repeat((i * 101) % 900);
      return sampleTransaction({ transaction_id: `tx-${i}`, attributes: i % 3 === 0 ? {} : { note } });
    });
    const buffers = inputs.map((input) => transactions.encode(input));
    buffers.forEach((buffer, i) => expect({ ...SCHEMA_TYPES.transaction.fromBuffer(buffer) }).toEqual(inputs[i]));
  });

  it('write short texts beyond ASCII at the very end of a chunk', () => {
    const encoder = createDecisionEncoder(null);
    // Records of every length around 300 bytes: some text ends at each place before the end of a chunk.
    for (let k = 0; k < 20_000; k++) {
      const decision = sampleDecision({ model_version: 'x'.repeat(k % 97), policy_version: 'é', transaction_id: '€' });
      const bytes = encoder.encodeDecision(decision);
      if (!bytes.equals(SCHEMA_TYPES.decision.toBuffer(decision))) expect.fail(`record ${k}: ${bytes.length} bytes`);
    }
  });

  it('write a record that is larger than a chunk', () => {
    const features = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, i) => [`feature_${i}`, i % 7 ? i / 3 : null]),
    );
    const flagged = sampleFlagged({ features });
    expect(createFlaggedDecoder(null).decode(decisions.encodeFlagged(flagged))).toStrictEqual(flagged);
  });
});

describe('decoders of outputs', () => {
  it('read what the encoders write, as plain objects', () => {
    expect(createDecisionDecoder(null).decode(decisions.encodeDecision(sampleDecision()))).toStrictEqual(
      sampleDecision(),
    );
    expect(createFlaggedDecoder(null).decode(decisions.encodeFlagged(sampleFlagged()))).toStrictEqual(sampleFlagged());
    expect(createLabelDecoder(null).decode(labels.encode(sampleLabel()))).toStrictEqual(sampleLabel());
  });

  it('reads flagged payments of before a field was added, which lie in topics without a schema', () => {
    const older = writerSchemas('flagged').at(-1)!;
    const { explanation, ...rest } = sampleFlagged();
    expect(older).not.toContain('explanation');
    const bytes = compileType(older).toBuffer(rest);
    expect(createFlaggedDecoder(null).decode(bytes)).toStrictEqual({ ...rest, explanation: null });
    expect(codeOf(() => createFlaggedDecoder(null).decode(bytes.subarray(0, -1)))).toBe('FS_AVRO_TRUNCATED');
    expect(explanation).toBeDefined();
  });

  it('refuse bad input with a code', () => {
    const decode = (value: Buffer | null) => () => createFlaggedDecoder(null).decode(value);
    const good = decisions.encodeFlagged(sampleFlagged());
    expect(codeOf(decode(null))).toBe('FS_INPUT_TOMBSTONE');
    expect(codeOf(decode(Buffer.alloc(0)))).toBe('FS_INPUT_EMPTY');
    expect(codeOf(decode(good.subarray(0, -2)))).toBe('FS_AVRO_TRUNCATED');
    expect(codeOf(decode(Buffer.concat([good, good])))).toBe('FS_AVRO_TRAILING');
  });

  it('read the Confluent wire format, of older and newer writers', async () => {
    const newer = JSON.parse(SCHEMA_TEXTS.decision) as { fields: { name: string }[] };
    newer.fields.push({ name: 'extra', type: 'string' } as { name: string });
    const older = JSON.parse(SCHEMA_TEXTS.decision) as { fields: { name: string }[] };
    older.fields = older.fields.filter(({ name }) => name !== 'degraded');
    const texts = [SCHEMA_TEXTS.decision, JSON.stringify(newer), JSON.stringify(older), '"int"'];
    const known = new Set<number>();
    const registry: SchemaLookup = {
      lookup: (id) => (known.has(id) ? { text: texts[id]! } : null),
      isFresh: (id) => known.has(id),
      async fetchAll(ids) {
        for (const id of ids) known.add(id);
      },
    };
    const body = decisions.encodeDecision(sampleDecision({ degraded: [] }));
    const values = [
      wire(0, body),
      wire(1, Buffer.concat([body, Buffer.from('\u0002x')])),
      wire(2, body.subarray(0, -1)),
    ];
    const decoder: ContractDecoder<unknown> = createDecisionDecoder(registry);
    await decoder.prepare([...values, wire(3, body), null]);
    for (const value of values) expect(decoder.decode(value)).toStrictEqual(sampleDecision({ degraded: [] }));
    expect(codeOf(() => decoder.decode(wire(3, body)))).toBe('FS_SCHEMA_INCOMPATIBLE');
    expect(codeOf(() => decoder.decode(Buffer.from('abcdef')))).toBe('FS_WIRE_MAGIC');
  });
});
