import type avro from 'avsc';
import type { Decision, FlaggedTransaction } from '../domain/decision.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { Label } from '../domain/transaction.ts';
import { type AvroScan, compileAvroScan } from './avro-scan.ts';
import type { SchemaEntry, SchemaLookup } from './schema-lookup.ts';
import { compileType, type ContractName, SCHEMA_TYPES, writerSchemas } from './schemas.ts';
import { readSchemaId, WIRE_HEADER_BYTES } from './wire-format.ts';

/** Reads what fraudstream writes: for the commands and for tests, not for the path of every payment. */
export interface ContractDecoder<T> {
  /** Makes the writer schemas of these values known. @throws FraudstreamError FS_REGISTRY_UNAVAILABLE only */
  prepare(values: Iterable<Buffer | null>): Promise<void>;
  /** @throws FraudstreamError not retriable: FS_INPUT_*, FS_WIRE_*, FS_SCHEMA_*, FS_AVRO_*, FS_LONG_UNSAFE, FS_UTF8_INVALID */
  decode(value: Buffer | null): T;
}

/** @param registry of the Confluent wire format; null for bare Avro of the bundled schema */
export function createDecisionDecoder(registry: SchemaLookup | null): ContractDecoder<Decision> {
  return createContractDecoder<Decision>('decision', registry);
}

/** @param registry of the Confluent wire format; null for bare Avro of the bundled schema */
export function createFlaggedDecoder(registry: SchemaLookup | null): ContractDecoder<FlaggedTransaction> {
  return createContractDecoder<FlaggedTransaction>('flagged', registry);
}

/** @param registry of the Confluent wire format; null for bare Avro of the bundled schema */
export function createLabelDecoder(registry: SchemaLookup | null): ContractDecoder<Label> {
  return createContractDecoder<Label>('label', registry);
}

/** Scans first, then lets avsc decode what it can be trusted with. */
interface Reader {
  readonly entry: SchemaEntry | null;
  readonly scan: AvroScan;
  readonly type: avro.Type;
  readonly resolver: ReturnType<avro.Type['createResolver']>;
}

const READERS_MAX = 256;

function createContractDecoder<T>(contract: ContractName, registry: SchemaLookup | null): ContractDecoder<T> {
  if (registry === null) {
    const [newest, ...older] = writerSchemas(contract).map((text) => compileReader(contract, text, null));
    return {
      async prepare() {},
      decode: (value) => decodeBare<T>(newest!, older, present(value)),
    };
  }
  const readers = new Map<number, Reader>();
  return {
    async prepare(values) {
      const needed = new Set<number>();
      for (const value of values) {
        if (value === null || value.length < WIRE_HEADER_BYTES || value[0] !== 0) continue;
        const id = value.readUInt32BE(1);
        if (!registry.isFresh(id)) needed.add(id);
      }
      if (needed.size > 0) await registry.fetchAll(needed);
    },
    decode(value) {
      const bytes = present(value);
      const id = readSchemaId(bytes);
      const entry = registry.lookup(id);
      if (entry === null) throw new FraudstreamError('FS_INTERNAL', `schema id ${id} was not prepared`);
      if (!('text' in entry)) throw new FraudstreamError(entry.code, entry.detail);
      let reader = readers.get(id);
      if (reader === undefined || reader.entry !== entry) {
        reader = compileReader(contract, entry.text, entry);
        if (readers.size >= READERS_MAX) readers.clear();
        readers.set(id, reader);
      }
      return decodeWith<T>(reader, bytes, WIRE_HEADER_BYTES);
    },
  };
}

/** An older record ends where a newer one would go on. */
function decodeBare<T>(newest: Reader, older: readonly Reader[], bytes: Buffer): T {
  try {
    return decodeWith<T>(newest, bytes, 0);
  } catch (thrown) {
    for (const reader of older) {
      try {
        return decodeWith<T>(reader, bytes, 0);
      } catch {
        // the newest one says what is wrong
      }
    }
    throw thrown;
  }
}

function present(value: Buffer | null): Buffer {
  if (value === null) throw new FraudstreamError('FS_INPUT_TOMBSTONE', '');
  if (value.length === 0) throw new FraudstreamError('FS_INPUT_EMPTY', '');
  return value;
}

function compileReader(contract: ContractName, writerSchema: string, entry: SchemaEntry | null): Reader {
  const type = SCHEMA_TYPES[contract];
  // The scan's own parser has the caps: it goes first.
  const scan = compileAvroScan(writerSchema);
  try {
    const resolver = type.createResolver(compileType(writerSchema), { ignoreNamespaces: true });
    return { entry, scan, type, resolver };
  } catch (error) {
    throw new FraudstreamError('FS_SCHEMA_INCOMPATIBLE', `it cannot be read as ${contract}.avsc`, {}, { cause: error });
  }
}

function decodeWith<T>(reader: Reader, bytes: Buffer, start: number): T {
  reader.scan.check(bytes, start, bytes.length);
  try {
    return plain(reader.type.fromBuffer(bytes.subarray(start), reader.resolver)) as T;
  } catch (error) {
    throw new FraudstreamError('FS_AVRO_INVALID', '', {}, { cause: error });
  }
}

/** avsc's records are instances of generated classes; the domain's are plain objects. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const copy = { ...value } as Record<string, unknown>;
  for (const key in copy) if (typeof copy[key] === 'object') copy[key] = plain(copy[key]);
  return copy;
}
