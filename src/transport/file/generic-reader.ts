import { AvroCursor } from '../../codec/avro-cursor.ts';
import { itemBytesMin } from '../../codec/avro-scan.ts';
import type { AvroType } from '../../codec/avro-schema.ts';

/**
 * One Avro record as a plain object, for records that are few (labels of another writer) or unknown (mapped files).
 * Decimals come as exact texts, other bytes and fixed as null.
 * Throws a FraudstreamError as AvroCursor does.
 */
export function readAsJson(type: AvroType, record: Buffer): unknown {
  const cursor = new AvroCursor();
  cursor.reset(record, 0, record.length);
  return read(type, cursor);
}

function read(type: AvroType, cursor: AvroCursor): unknown {
  switch (type.kind) {
    case 'null':
      return null;
    case 'boolean':
      return cursor.readBoolean();
    case 'int':
      return cursor.readInt();
    case 'long':
      return cursor.readLong();
    case 'float':
      return shortest(cursor.readFloat());
    case 'double':
      return cursor.readDouble();
    case 'string':
      return cursor.readText();
    case 'bytes':
      return decimal(cursor, cursor.readLength(), type.decimalScale);
    case 'fixed':
      return decimal(cursor, type.size, type.decimalScale);
    case 'enum':
      return type.symbols[cursor.readIndex(type.symbols.length)];
    case 'union': {
      const branch = type.branches[cursor.readIndex(type.branches.length)];
      return branch === undefined ? null : read(branch, cursor);
    }
    case 'array': {
      const items: unknown[] = [];
      blocks(cursor, itemBytesMin(type.items), () => void items.push(read(type.items, cursor)));
      return items;
    }
    case 'map': {
      const entries = new Map<string, unknown>();
      blocks(cursor, 1 + itemBytesMin(type.items), () => {
        const key = cursor.readText();
        entries.set(key, read(type.items, cursor));
      });
      return Object.fromEntries(entries);
    }
    case 'record': {
      cursor.enter();
      cursor.spend(type.fields.length);
      const fields = new Map<string, unknown>();
      for (const field of type.fields) fields.set(field.name, read(field.type, cursor));
      cursor.depth--;
      return Object.fromEntries(fields);
    }
  }
}

/** The number that a float of 32 bits was written for: 5.1, not 5.099999904632568. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

/** A two's-complement integer, big endian, and where its point stands. Longer ones than any money has are left out. */
function decimal(cursor: AvroCursor, length: number, scale: number | undefined): string | null {
  const from = cursor.pos;
  cursor.skip(length);
  if (scale === undefined || length === 0 || length > DECIMAL_BYTES_MAX) return null;
  const unscaled = BigInt.asIntN(length * 8, BigInt(`0x${cursor.bytes.toString('hex', from, from + length)}`));
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}${scale === 0 ? '' : `.${digits.slice(point)}`}`;
}

const DECIMAL_BYTES_MAX = 64;

function blocks(cursor: AvroCursor, bytesMin: number, item: () => void): void {
  cursor.enter();
  for (let count = cursor.readBlock(bytesMin); count !== 0; count = cursor.readBlock(bytesMin)) {
    const blockEnd = cursor.blockEnd;
    for (let i = 0; i < count; i++) item();
    cursor.closeBlock(blockEnd);
  }
  cursor.depth--;
}
