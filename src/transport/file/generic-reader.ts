import { AvroCursor } from '../../codec/avro-cursor.ts';
import { itemBytesMin } from '../../codec/avro-scan.ts';
import type { AvroType } from '../../codec/avro-schema.ts';

/**
 * One Avro record as a plain object, for records that are few (labels of another writer). Bytes and fixed come as null.
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
      return cursor.readFloat();
    case 'double':
      return cursor.readDouble();
    case 'string':
      return cursor.readText();
    case 'bytes':
      cursor.skip(cursor.readLength());
      return null;
    case 'fixed':
      cursor.skip(type.size);
      return null;
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

function blocks(cursor: AvroCursor, bytesMin: number, item: () => void): void {
  cursor.enter();
  for (let count = cursor.readBlock(bytesMin); count !== 0; count = cursor.readBlock(bytesMin)) {
    const blockEnd = cursor.blockEnd;
    for (let i = 0; i < count; i++) item();
    cursor.closeBlock(blockEnd);
  }
  cursor.depth--;
}
