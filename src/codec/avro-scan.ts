import { FraudstreamError } from '../domain/errors.ts';
import { AvroCursor } from './avro-cursor.ts';
import { type AvroType, parseAvroSchema } from './avro-schema.ts';

/** Moves a cursor over one value, checking every byte of it; allocates nothing. */
export type ScanStep = (cursor: AvroCursor) => void;

/**
 * Checks Avro binary data against its writer schema before a decoder that trusts its input (avsc) sees it: lengths and
 * counts against what is left and against LIMITS, indexes, safe longs, UTF-8.
 */
export interface AvroScan {
  /** Checks the record that starts at `pos` and returns where it ends: cuts a container file's block into records. */
  recordEnd(bytes: Buffer, pos: number, end: number): number;
  /** Checks that `bytes[pos, end)` is exactly one record; else FS_AVRO_TRAILING, or what was wrong with it. */
  check(bytes: Buffer, pos: number, end: number): void;
}

/**
 * @param writerSchema JSON text
 * @throws FraudstreamError FS_SCHEMA_INCOMPATIBLE
 */
export function compileAvroScan(writerSchema: string): AvroScan {
  const step = compileScanStep(parseAvroSchema(writerSchema), false, new Map());
  const cursor = new AvroCursor();
  const recordEnd = (bytes: Buffer, pos: number, end: number): number => {
    cursor.reset(bytes, pos, end);
    step(cursor);
    return cursor.pos;
  };
  return {
    recordEnd,
    check(bytes, pos, end) {
      const left = end - recordEnd(bytes, pos, end);
      if (left > 0) throw new FraudstreamError('FS_AVRO_TRAILING', `${left} bytes`);
    },
  };
}

/** What is known of the types seen so far, by identity: a recursive schema is compiled once per named type. */
export type ScanMemo = Map<AvroType, ScanStep>;

/** `bytesAreText`: bytes that a reader takes for a string must be UTF-8 as well. */
export function compileScanStep(type: AvroType, bytesAreText: boolean, memo: ScanMemo): ScanStep {
  switch (type.kind) {
    case 'null':
      return () => {};
    case 'boolean':
      return (cursor) => void cursor.readBoolean();
    case 'int':
      return (cursor) => void cursor.readInt();
    case 'long':
      return (cursor) => void cursor.readLong();
    case 'float':
      return (cursor) => cursor.skip(4);
    case 'double':
      return (cursor) => cursor.skip(8);
    case 'bytes':
      return bytesAreText ? (cursor) => cursor.skipText() : (cursor) => cursor.skip(cursor.readLength());
    case 'string':
      return (cursor) => cursor.skipText();
    case 'fixed': {
      const size = type.size;
      return (cursor) => cursor.skip(size);
    }
    case 'enum': {
      const count = type.symbols.length;
      return (cursor) => void cursor.readIndex(count);
    }
    case 'union': {
      const steps = type.branches.map((branch) => compileScanStep(branch, bytesAreText, memo));
      return (cursor) => steps[cursor.readIndex(steps.length)]!(cursor);
    }
    case 'array':
      return blocks(compileScanStep(type.items, bytesAreText, memo), itemBytesMin(type.items));
    case 'map': {
      const value = compileScanStep(type.items, bytesAreText, memo);
      return blocks(
        (cursor) => {
          cursor.skipText();
          value(cursor);
        },
        1 + itemBytesMin(type.items),
      );
    }
    case 'record': {
      const known = memo.get(type);
      if (known !== undefined) return known;
      const steps: ScanStep[] = [];
      const step: ScanStep = (cursor) => {
        cursor.enter();
        cursor.spend(steps.length);
        for (let i = 0; i < steps.length; i++) steps[i]!(cursor);
        cursor.depth--;
      };
      memo.set(type, step);
      for (const field of type.fields) steps.push(compileScanStep(field.type, bytesAreText, memo));
      return step;
    }
  }
}

function blocks(item: ScanStep, bytesMin: number): ScanStep {
  return (cursor) => {
    cursor.enter();
    for (;;) {
      const count = cursor.readBlock(bytesMin);
      if (count === 0) break;
      const blockEnd = cursor.blockEnd;
      for (let i = 0; i < count; i++) item(cursor);
      cursor.closeBlock(blockEnd);
    }
    cursor.depth--;
  };
}

/** The least that a value takes. Zero for null, empty records and recursion: the cursor's budget bounds those. */
export function itemBytesMin(type: AvroType, open = new Map<AvroType, number>()): number {
  switch (type.kind) {
    case 'null':
      return 0;
    case 'float':
      return 4;
    case 'double':
      return 8;
    case 'fixed':
      return type.size;
    case 'record': {
      const known = open.get(type);
      if (known !== undefined) return known;
      open.set(type, 0);
      let sum = 0;
      for (const field of type.fields) sum += itemBytesMin(field.type, open);
      open.set(type, sum);
      return sum;
    }
    default:
      return 1;
  }
}
