import { describe, expect, it } from 'vitest';
import { SCHEMA_TEXTS, SCHEMA_TYPES } from '../../../src/codec/schemas.ts';
import { CHANNELS, LABEL_SOURCES } from '../../../src/domain/transaction.ts';
import { sampleDecision, sampleFlagged, sampleLabel, sampleTransaction } from './sample.ts';

interface Field {
  name: string;
  doc?: string;
  default?: unknown;
  type: unknown;
}
interface RecordSchema {
  name: string;
  namespace: string;
  fields: Field[];
}
const parse = (text: string) => JSON.parse(text) as RecordSchema;
const names = (schema: RecordSchema) => schema.fields.map((field) => field.name);

describe('contracts', () => {
  it.each([
    ['transaction', sampleTransaction()],
    ['decision', sampleDecision()],
    ['flagged', sampleFlagged()],
    ['label', sampleLabel()],
  ] as const)('%s.avsc has exactly the fields of the domain, in order', (name, sample) => {
    expect(names(parse(SCHEMA_TEXTS[name]))).toEqual(Object.keys(sample));
    expect(SCHEMA_TYPES[name].isValid(sample, { noUndeclaredFields: true })).toBe(true);
  });

  it('documents every record and field', () => {
    const undocumented: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (Array.isArray(node)) return node.forEach((item) => visit(item, path));
      if (typeof node !== 'object' || node === null) return;
      const { doc, type, fields, items, values, name } = node as Record<string, unknown>;
      if (name !== undefined && (typeof doc !== 'string' || doc.length < 8)) undocumented.push(`${path}.${name}`);
      for (const child of [type, fields, items, values]) visit(child, `${path}.${name ?? ''}`);
    };
    for (const [name, text] of Object.entries(SCHEMA_TEXTS)) visit(JSON.parse(text), name);
    expect(undocumented).toEqual([]);
  });

  it('flagged.avsc embeds transaction.avsc and decision.avsc as they are', () => {
    const flagged = parse(SCHEMA_TEXTS.flagged);
    const embedded = (field: string) => flagged.fields.find(({ name }) => name === field)?.type;
    expect(embedded('transaction')).toEqual(JSON.parse(SCHEMA_TEXTS.transaction));
    expect(embedded('decision')).toEqual(JSON.parse(SCHEMA_TEXTS.decision));
  });

  it('lists the symbols of the domain, with a default for those of a newer writer', () => {
    const enumOf = (text: string, field: string) => parse(text).fields.find(({ name }) => name === field)?.type;
    expect(enumOf(SCHEMA_TEXTS.transaction, 'channel')).toMatchObject({ symbols: CHANNELS, default: 'OTHER' });
    expect(enumOf(SCHEMA_TEXTS.label, 'source')).toMatchObject({ symbols: LABEL_SOURCES, default: 'OTHER' });
  });

  it('gives every nullable field the default null', () => {
    for (const text of Object.values(SCHEMA_TEXTS)) {
      for (const field of parse(text).fields) {
        if (Array.isArray(field.type)) expect(field).toMatchObject({ default: null });
      }
    }
  });
});
