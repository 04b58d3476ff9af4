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

export type ContractName = keyof typeof SCHEMA_TEXTS;

/**
 * Compiled once. timestamp-millis are plain numbers (avsc builds no Dates unless told to), and unions are unwrapped, so
 * that what is decoded is the domain's object itself.
 */
const compile = (text: string): avro.Type =>
  avro.Type.forSchema(JSON.parse(text) as avro.Schema, { wrapUnions: false });

export const SCHEMA_TYPES: Readonly<Record<ContractName, avro.Type>> = {
  transaction: compile(SCHEMA_TEXTS.transaction),
  decision: compile(SCHEMA_TEXTS.decision),
  flagged: compile(SCHEMA_TEXTS.flagged),
  label: compile(SCHEMA_TEXTS.label),
};
