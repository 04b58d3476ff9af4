import { readFileSync } from 'node:fs';
import avro from 'avsc';

/** Our contracts, as they stand in `schemas/`: next to `src/` and next to `dist/`. */
const read = (name: string): string => readFileSync(new URL(`../../schemas/${name}.avsc`, import.meta.url), 'utf8');

export const SCHEMA_TEXTS = {
  transaction: read('transaction'),
  decision: read('decision'),
  flagged: read('flagged'),
  label: read('label'),
} as const;

/** Fields that were added at the end of a contract, the newest first: bare Avro names no schema, and older records lie in topics. */
const ADDED: Partial<Record<keyof typeof SCHEMA_TEXTS, readonly string[]>> = { flagged: ['explanation'] };

/** The writer schemas that bare Avro of this contract may have, the newest first. */
export function writerSchemas(contract: ContractName): string[] {
  const schema = JSON.parse(SCHEMA_TEXTS[contract]) as { fields: { name: string }[] };
  const texts: string[] = [SCHEMA_TEXTS[contract]];
  for (const added of ADDED[contract] ?? []) {
    schema.fields = schema.fields.filter(({ name }) => name !== added);
    texts.push(JSON.stringify(schema));
  }
  return texts;
}

export type ContractName = keyof typeof SCHEMA_TEXTS;

/** avsc's own longs stop short of 2^53 - 1, and misread what is below -2^52; these are exact. */
const EXACT_LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => Number(bytes.readBigInt64LE()),
  toBuffer: (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: Number,
  toJSON: Number,
  isValid: Number.isSafeInteger,
  compare: (a: number, b: number) => Math.sign(a - b),
});

/**
 * Compiled by avsc. timestamp-millis are plain numbers (avsc builds no Dates unless told to), and unions are unwrapped
 * where that is unambiguous, so that what is decoded is the domain's object itself.
 */
export function compileType(text: string): avro.Type {
  return avro.Type.forSchema(JSON.parse(text) as avro.Schema, {
    typeHook: (schema) => (schema === 'long' || isLong(schema) ? EXACT_LONG : undefined),
  });
}

function isLong(schema: avro.Schema): boolean {
  return typeof schema === 'object' && 'type' in schema && schema.type === 'long';
}

export const SCHEMA_TYPES: Readonly<Record<ContractName, avro.Type>> = {
  transaction: compileType(SCHEMA_TEXTS.transaction),
  decision: compileType(SCHEMA_TEXTS.decision),
  flagged: compileType(SCHEMA_TEXTS.flagged),
  label: compileType(SCHEMA_TEXTS.label),
};
