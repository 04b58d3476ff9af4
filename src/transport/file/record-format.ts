import { AvroCursor } from '../../codec/avro-cursor.ts';
import { type AvroType, parseAvroSchema } from '../../codec/avro-schema.ts';
import { SCHEMA_TEXTS } from '../../codec/schemas.ts';
import { createLabelEncoder, createTransactionEncoder } from '../../codec/transaction-encoder.ts';
import { compileTransactionReader } from '../../codec/transaction-reader.ts';
import { FraudstreamError } from '../../domain/errors.ts';
import { readAsJson } from './generic-reader.ts';
import { labelFromJson, transactionFromJson } from './json-record.ts';

/** What a file source must know of the records in its files. */
export interface RecordFormat {
  /** our schema, JSON text */
  readonly schema: string;
  /** Bytes of our schema from a parsed line; null when it is no such record. */
  fromJson(json: unknown): Buffer | null;
  /**
   * How records of a writer schema become bytes of ours; null when they are so already. A record that cannot be read
   * comes back as it is. Throws FS_SCHEMA_INCOMPATIBLE.
   */
  converter(writerSchema: string): ((record: Buffer) => Buffer) | null;
}

export function transactionFormat(): RecordFormat {
  const encoder = createTransactionEncoder();
  return {
    schema: SCHEMA_TEXTS.transaction,
    fromJson(json) {
      const transaction = transactionFromJson(json);
      return transaction === null ? null : encoder.encode(transaction);
    },
    converter(writerSchema) {
      const writer = parseAvroSchema(writerSchema);
      if (sameLayout(writer, parseAvroSchema(SCHEMA_TEXTS.transaction))) return null;
      const read = compileTransactionReader(writer);
      const cursor = new AvroCursor();
      return guarded((record) => {
        cursor.reset(record, 0, record.length);
        return encoder.encode(read(cursor));
      });
    },
  };
}

export function labelFormat(): RecordFormat {
  const encoder = createLabelEncoder();
  const encode = (json: unknown): Buffer | null => {
    const label = labelFromJson(json);
    return label === null ? null : encoder.encode(label);
  };
  return {
    schema: SCHEMA_TEXTS.label,
    fromJson: encode,
    converter(writerSchema) {
      const writer = parseAvroSchema(writerSchema);
      if (sameLayout(writer, parseAvroSchema(SCHEMA_TEXTS.label))) return null;
      return guarded((record) => encode(readAsJson(writer, record)));
    },
  };
}

/** Of a record that cannot be read the raw bytes are handed on; a bug is thrown. */
function guarded(convert: (record: Buffer) => Buffer | null): (record: Buffer) => Buffer {
  return (record) => {
    try {
      return convert(record) ?? record;
    } catch (error) {
      if (error instanceof FraudstreamError) return record;
      throw error;
    }
  };
}

/** Equal names and types in equal order; documentation, defaults and the record's own name do not change the bytes. */
function sameLayout(a: AvroType, b: AvroType): boolean {
  if (a.kind !== 'record' || b.kind !== 'record' || a.fields.length !== b.fields.length) return false;
  try {
    return JSON.stringify(a.fields) === JSON.stringify(b.fields);
  } catch {
    // A recursive schema has no finite text, and ours is not recursive.
    return false;
  }
}
