import type { OutputRecord, RecordHeaders } from '../record.ts';
import { crc32c } from './crc32c.ts';
import { ATTRIBUTE_TRANSACTIONAL, BATCH_HEADER_BYTES } from './record-batch-decode.ts';

/**
 * Writes record batches of format 2 into one buffer. Producer id, epoch and sequence are stamped when a batch is sent
 * (`sealBatch`), since a batch that must be sent again under a new id keeps its records. Pure.
 */

const CRC_AT = 17;
const CRC_START = 21;
const HEADER_NAMES_CACHED_MAX = 256;

export interface EncodedBatch {
  /** the whole batch; its checksum and producer fields are not yet set */
  readonly bytes: Buffer;
  readonly recordCount: number;
}

/** Compresses the records section. */
export type Compressor = (records: Buffer) => Buffer;

type Encodable = Pick<OutputRecord, 'key' | 'value' | 'headers' | 'timestampMs'>;

const headerNames = new Map<string, Buffer>();

function headerName(name: string): Buffer {
  const known = headerNames.get(name);
  if (known !== undefined) return known;
  const bytes = Buffer.from(name, 'utf8');
  if (headerNames.size < HEADER_NAMES_CACHED_MAX) headerNames.set(name, bytes);
  return bytes;
}

function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  return zigzag < 0x80 ? 1 : zigzag < 0x4000 ? 2 : zigzag < 0x20_0000 ? 3 : zigzag < 0x1000_0000 ? 4 : 5;
}

const isSmall = (value: number): boolean => value >= -0x4000_0000 && value < 0x4000_0000;

function varlongBytes(value: number): number {
  if (isSmall(value)) return varintBytes(value);
  let zigzag = value >= 0 ? value * 2 : -value * 2 - 1;
  let bytes = 1;
  while (zigzag >= 128) {
    zigzag = Math.floor(zigzag / 128);
    bytes++;
  }
  return bytes;
}

function headersBytes(headers: RecordHeaders): number {
  let bytes = 0;
  let count = 0;
  for (const name in headers) {
    const value = headers[name] as Buffer | readonly Buffer[];
    const nameLength = headerName(name).length;
    const one = nameLength + varintBytes(nameLength);
    if (Buffer.isBuffer(value)) {
      bytes += one + value.length + varintBytes(value.length);
      count++;
    } else {
      for (const each of value) bytes += one + each.length + varintBytes(each.length);
      count += value.length;
    }
  }
  return bytes + varintBytes(count);
}

function countHeaders(headers: RecordHeaders): number {
  let count = 0;
  for (const name in headers) {
    const value = headers[name] as Buffer | readonly Buffer[];
    count += Buffer.isBuffer(value) ? 1 : value.length;
  }
  return count;
}

/** Upper bound of one record's share of a batch, for splitting before encoding. */
export function recordBytesMax(record: Encodable): number {
  const headers = record.headers === null ? 1 : headersBytes(record.headers);
  return 31 + (record.key?.length ?? 0) + (record.value?.length ?? 0) + headers;
}

class Writer {
  bytes: Buffer;
  at: number;

  constructor(capacity: number, at: number) {
    this.bytes = Buffer.allocUnsafe(capacity);
    this.at = at;
  }

  varint(value: number): void {
    let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
    while (zigzag >= 0x80) {
      this.bytes[this.at++] = (zigzag & 0x7f) | 0x80;
      zigzag >>>= 7;
    }
    this.bytes[this.at++] = zigzag;
  }

  varlong(value: number): void {
    if (isSmall(value)) return this.varint(value);
    let zigzag = value >= 0 ? value * 2 : -value * 2 - 1;
    while (zigzag >= 128) {
      this.bytes[this.at++] = (zigzag % 128) | 0x80;
      zigzag = Math.floor(zigzag / 128);
    }
    this.bytes[this.at++] = zigzag;
  }

  block(block: Buffer): void {
    this.bytes.set(block, this.at);
    this.at += block.length;
  }

  nullable(block: Buffer | null): void {
    if (block === null) return this.varint(-1);
    this.varint(block.length);
    this.block(block);
  }

  header(name: Buffer, value: Buffer): void {
    this.nullable(name);
    this.nullable(value);
  }
}

/**
 * Encodes `records`, at least one, as one batch. A timestamp below 0 becomes `nowMs`. `compress` is null for none;
 * `codec` is its number.
 */
export function encodeBatch(
  records: readonly Encodable[],
  nowMs: number,
  codec: number,
  compress: Compressor | null,
): EncodedBatch {
  const count = records.length;
  let capacity = BATCH_HEADER_BYTES;
  for (let i = 0; i < count; i++) capacity += recordBytesMax(records[i] as Encodable);
  const writer = new Writer(capacity, BATCH_HEADER_BYTES);
  const first = (records[0] as Encodable).timestampMs;
  const baseTimestampMs = first < 0 ? nowMs : first;
  let timestampMsMax = baseTimestampMs;
  for (let i = 0; i < count; i++) {
    const { key, value, headers, timestampMs } = records[i] as Encodable;
    const time = timestampMs < 0 ? nowMs : timestampMs;
    if (time > timestampMsMax) timestampMsMax = time;
    const delta = time - baseTimestampMs;
    const keyBytes = key === null ? 1 : key.length + varintBytes(key.length);
    const valueBytes = value === null ? 1 : value.length + varintBytes(value.length);
    const rest = headers === null ? 1 : headersBytes(headers);
    writer.varint(1 + varlongBytes(delta) + varintBytes(i) + keyBytes + valueBytes + rest);
    writer.bytes[writer.at++] = 0;
    writer.varlong(delta);
    writer.varint(i);
    writer.nullable(key);
    writer.nullable(value);
    if (headers === null) {
      writer.varint(0);
      continue;
    }
    writer.varint(countHeaders(headers));
    for (const name in headers) {
      const content = headers[name] as Buffer | readonly Buffer[];
      const nameBytes = headerName(name);
      if (Buffer.isBuffer(content)) writer.header(nameBytes, content);
      else for (const each of content) writer.header(nameBytes, each);
    }
  }
  let bytes = writer.bytes.subarray(0, writer.at);
  if (compress !== null) {
    const packed = compress(bytes.subarray(BATCH_HEADER_BYTES));
    bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES + packed.length);
    bytes.set(packed, BATCH_HEADER_BYTES);
  }
  bytes.writeBigInt64BE(0n, 0); // base offset: the broker sets it
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt32BE(-1, 12); // partition leader epoch
  bytes[16] = 2;
  bytes.writeInt16BE(compress === null ? 0 : codec, 21);
  bytes.writeInt32BE(count - 1, 23);
  bytes.writeBigInt64BE(BigInt(baseTimestampMs), 27);
  bytes.writeBigInt64BE(BigInt(timestampMsMax), 35);
  bytes.writeInt32BE(count, 57);
  return { bytes, recordCount: count };
}

/** Sets producer id, epoch and first sequence (−1, −1, −1 without idempotence) and the checksum. */
export function sealBatch(
  bytes: Buffer,
  producerId: bigint,
  producerEpoch: number,
  firstSequence: number,
  transactional = false,
): void {
  if (transactional) bytes.writeInt16BE(bytes.readInt16BE(21) | ATTRIBUTE_TRANSACTIONAL, 21);
  bytes.writeBigInt64BE(producerId, 43);
  bytes.writeInt16BE(producerEpoch, 51);
  bytes.writeInt32BE(firstSequence, 53);
  bytes.writeUInt32BE(crc32c(bytes, CRC_START, bytes.length), CRC_AT);
}
