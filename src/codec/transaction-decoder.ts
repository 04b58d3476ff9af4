import { type ErrorCode, type ErrorPlace, ERRORS, FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Transaction } from '../domain/transaction.ts';
import type { InputRecord } from '../transport/record.ts';
import { AvroCursor } from './avro-cursor.ts';
import { parseAvroSchema } from './avro-schema.ts';
import type { TransactionDecoder } from './codec.ts';
import type { SchemaEntry, SchemaLookup } from './schema-lookup.ts';
import { SCHEMA_TEXTS } from './schemas.ts';
import { compileTransactionReader, type TransactionReader } from './transaction-reader.ts';
import { validateTransaction } from './validate-transaction.ts';
import { readSchemaId, WIRE_HEADER_BYTES } from './wire-format.ts';

export interface DecoderOptions {
  /** bytes; default LIMITS.recordBytesMax */
  readonly recordBytesMax?: number;
  /** default true: FS_CARD_NUMBER for a card number where a token belongs */
  readonly cardNumberGuard?: boolean;
}

export interface AvroDecoderOptions extends DecoderOptions {
  /** JSON text of the schema that the records were written with, e.g. of a container file; default: the bundled one */
  readonly writerSchema?: string;
}

/**
 * Bare Avro binary, all of one writer schema.
 * @throws FraudstreamError FS_SCHEMA_INCOMPATIBLE when that schema cannot be read as a Transaction
 */
export function createAvroTransactionDecoder(options: AvroDecoderOptions = {}): TransactionDecoder {
  const read = compileTransactionReader(parseAvroSchema(options.writerSchema ?? SCHEMA_TEXTS.transaction));
  const decodeValue = valueDecoder(options);
  return {
    async prepare() {},
    decode: (record) => decodeValue(record, payload(record, options), 0, read),
  };
}

/** Confluent wire format: magic byte 0, schema id (4 bytes, big endian), Avro binary of that schema. */
export function createConfluentTransactionDecoder(
  registry: SchemaLookup,
  options: DecoderOptions = {},
): TransactionDecoder {
  const decodeValue = valueDecoder(options);
  const readers = new Map<number, CachedReader>();
  let last: CachedReader | null = null;

  const cachedReader = (id: number): CachedReader => {
    const entry = registry.lookup(id);
    // Only a caller that skipped `prepare` gets here.
    if (entry === null) throw new FraudstreamError('FS_INTERNAL', `schema id ${id} was not prepared`);
    let cached = readers.get(id);
    if (cached === undefined || cached.entry !== entry) {
      cached = { id, entry, reader: compileReader(entry, id) };
      // What is dropped is compiled again when it is met again.
      if (readers.size >= READERS_MAX) readers.clear();
      readers.set(id, cached);
    }
    return cached;
  };

  return {
    async prepare(records) {
      let needed: Set<number> | null = null;
      let seen = -1;
      for (const record of records) {
        const value = record.value;
        if (value === null || value.length < WIRE_HEADER_BYTES || value[0] !== 0) continue;
        const id = value.readUInt32BE(1);
        if (id === seen) continue;
        seen = id;
        if (!registry.isFresh(id)) (needed ??= new Set()).add(id);
      }
      if (needed !== null) await registry.fetchAll(needed);
    },
    decode(record) {
      const value = payload(record, options);
      const id = schemaIdOf(record, value);
      if (last === null || last.id !== id || !('text' in last.entry)) last = cachedReader(id);
      const { reader } = last;
      if (typeof reader !== 'function') {
        throw new FraudstreamError(reader.code, reader.detail, { ...reader.place, ...placeOf(record) });
      }
      return decodeValue(record, value, WIRE_HEADER_BYTES, reader);
    },
  };
}

const READERS_MAX = 1_024;

interface CachedReader {
  readonly id: number;
  readonly entry: SchemaEntry;
  readonly reader: TransactionReader | Refusal;
}

/** Why no record of a schema can be read. */
interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly place: ErrorPlace;
}

function compileReader(entry: SchemaEntry, id: number): TransactionReader | Refusal {
  if (!('text' in entry)) return { code: entry.code, detail: entry.detail, place: {} };
  try {
    return compileTransactionReader(parseAvroSchema(entry.text));
  } catch (error) {
    if (!(error instanceof FraudstreamError)) throw error;
    return { code: error.code, detail: `schema id ${id}: ${detailOf(error)}`, place: error.place };
  }
}

function payload(record: InputRecord, options: DecoderOptions): Buffer {
  const value = record.value;
  if (value === null) throw new FraudstreamError('FS_INPUT_TOMBSTONE', '', placeOf(record));
  if (value.length === 0) throw new FraudstreamError('FS_INPUT_EMPTY', '', placeOf(record));
  const max = options.recordBytesMax ?? LIMITS.recordBytesMax;
  if (value.length > max) {
    throw new FraudstreamError('FS_RECORD_TOO_LARGE', `${value.length} bytes, at most ${max}`, placeOf(record));
  }
  return value;
}

function schemaIdOf(record: InputRecord, value: Buffer): number {
  try {
    return readSchemaId(value);
  } catch (error) {
    throw atRecord(error, record);
  }
}

function valueDecoder(options: DecoderOptions) {
  const guard = options.cardNumberGuard ?? true;
  const cursor = new AvroCursor();
  return (record: InputRecord, value: Buffer, start: number, read: TransactionReader): Transaction => {
    try {
      cursor.reset(value, start, value.length);
      const transaction = read(cursor);
      const left = cursor.end - cursor.pos;
      if (left > 0) throw new FraudstreamError('FS_AVRO_TRAILING', `${left} bytes`);
      validateTransaction(transaction, guard);
      return transaction;
    } catch (error) {
      throw atRecord(error, record);
    }
  };
}

/** What was thrown for this record only, with its place in the input. */
function atRecord(error: unknown, record: InputRecord): unknown {
  if (error instanceof FraudstreamError) Object.assign(error.place, placeOf(record));
  return error;
}

function placeOf(record: InputRecord) {
  return { topic: record.topic, partition: record.partition, offset: record.offset };
}

function detailOf(error: FraudstreamError): string {
  return error.message.slice(ERRORS[error.code].text.length + 2);
}
