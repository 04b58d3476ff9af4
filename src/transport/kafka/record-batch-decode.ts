import { FraudstreamError } from '../../domain/errors.ts';
import type { InputRecord, RecordHeaders } from '../record.ts';
import { crc32c } from './crc32c.ts';

/**
 * Reads record batches of format 2 (KIP-98, https://kafka.apache.org/documentation/#recordbatch) without copying: keys
 * and values are views of the fetched (or decompressed) buffer. Pure; every length is checked before it is used.
 */

/** Offset and length of a batch: what is needed to find its end. */
const FRAME_BYTES = 12;
export const BATCH_HEADER_BYTES = 61;
const CRC_START = 21;
const MAGIC_AT = 16;
const ATTRIBUTE_CODEC = 0x07;
const ATTRIBUTE_LOG_APPEND_TIME = 0x08;
export const ATTRIBUTE_TRANSACTIONAL = 0x10;
const ATTRIBUTE_CONTROL = 0x20;
/** the least bytes that a record can have: its length, attributes, two deltas, two lengths and a count */
const RECORD_BYTES_MIN = 7;

export interface BatchHeader {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** position of the batch in its buffer, and of the first byte behind it */
  readonly start: number;
  readonly end: number;
  readonly crc: number;
  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; others are unknown */
  readonly codec: number;
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly baseTimestampMs: number;
  readonly timestampMsMax: number;
  readonly producerId: number;
  readonly recordCount: number;
}

export type BatchFrame =
  | { readonly kind: 'batch'; readonly header: BatchHeader }
  /** format 0 or 1: one message set up to the end of the buffer */
  | { readonly kind: 'legacy' }
  /** the fetch limit cut it off, or nothing is left */
  | { readonly kind: 'partial' }
  /** the length makes no sense: where the next batch begins is unknown */
  | { readonly kind: 'broken'; readonly baseOffset: number };

/** Reads an int64 that holds an offset, an id or a time; exact up to 2^53, which no log reaches. */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4);
}

export function readBatchFrame(bytes: Buffer, start: number): BatchFrame {
  if (start + MAGIC_AT + 1 > bytes.length) return { kind: 'partial' };
  const baseOffset = readInt64(bytes, start);
  const length = bytes.readInt32BE(start + 8);
  const magic = bytes.readInt8(start + MAGIC_AT);
  if (magic === 0 || magic === 1) return { kind: 'legacy' };
  if (magic !== 2 || length < BATCH_HEADER_BYTES - FRAME_BYTES) return { kind: 'broken', baseOffset };
  const end = start + FRAME_BYTES + length;
  if (end > bytes.length) return { kind: 'partial' };
  const attributes = bytes.readInt16BE(start + 21);
  return {
    kind: 'batch',
    header: {
      baseOffset,
      lastOffset: baseOffset + bytes.readInt32BE(start + 23),
      start,
      end,
      crc: bytes.readUInt32BE(start + 17),
      codec: attributes & ATTRIBUTE_CODEC,
      logAppendTime: (attributes & ATTRIBUTE_LOG_APPEND_TIME) !== 0,
      transactional: (attributes & ATTRIBUTE_TRANSACTIONAL) !== 0,
      control: (attributes & ATTRIBUTE_CONTROL) !== 0,
      baseTimestampMs: readInt64(bytes, start + 27),
      timestampMsMax: readInt64(bytes, start + 35),
      producerId: readInt64(bytes, start + 43),
      recordCount: bytes.readInt32BE(start + 57),
    },
  };
}

export function crcMatches(bytes: Buffer, header: BatchHeader): boolean {
  return crc32c(bytes, header.start + CRC_START, header.end) === header.crc;
}

/** For a control batch: whether it commits (true) or aborts (false) its producer's transaction; null for other controls. */
export function readControlMarker(bytes: Buffer, header: BatchHeader): boolean | null {
  const cursor = new RecordCursor(bytes, header.start + BATCH_HEADER_BYTES, header.end, header, '', 0);
  const key = cursor.next()?.key;
  if (key === undefined || key === null || key.length < 4) return null;
  const type = key.readInt16BE(2);
  return type === 0 ? false : type === 1 ? true : null;
}

/** One record of a fetched batch. Headers are checked when it is read, and built when they are asked for. */
export class FetchedRecord implements InputRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  private readonly source: Buffer;
  private readonly headersAt: number;
  private built: RecordHeaders | null | undefined;

  constructor(
    topic: string,
    partition: number,
    offset: number,
    timestampMs: number,
    key: Buffer | null,
    value: Buffer | null,
    source: Buffer,
    headersAt: number,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.key = key;
    this.value = value;
    this.source = source;
    this.headersAt = headersAt;
    this.built = headersAt < 0 ? null : undefined;
  }

  get headers(): RecordHeaders | null {
    if (this.built === undefined) this.built = readHeaders(this.source, this.headersAt);
    return this.built;
  }
}

/** Repeated names keep their values in order; a null value reads as an empty one. */
function readHeaders(bytes: Buffer, at: number): RecordHeaders {
  const headers = Object.create(null) as Record<string, Buffer | Buffer[]>;
  const reader = new VarintReader(bytes, at, bytes.length);
  const count = reader.varint();
  for (let i = 0; i < count; i++) {
    const nameLength = reader.varint();
    const name = bytes.toString('utf8', reader.at, reader.at + nameLength);
    reader.at += nameLength;
    const length = reader.varint();
    const value = bytes.subarray(reader.at, reader.at + Math.max(0, length));
    reader.at += Math.max(0, length);
    const known = headers[name];
    if (known === undefined) headers[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else headers[name] = [known, value];
  }
  return headers;
}

/** Zigzag variable-length integers. Reading past `end` gives NaN-free zeros and leaves `at` beyond `end`. */
class VarintReader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** 32 bits; longer encodings are refused by moving behind the end */
  varint(): number {
    const bytes = this.bytes;
    let byte = bytes[this.at++] as number;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      if (this.at >= this.end) break;
      byte = bytes[this.at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    this.at = this.end + 1;
    return 0;
  }

  /** 64 bits as a number: exact up to 2^53 */
  varlong(): number {
    const bytes = this.bytes;
    const first = bytes[this.at] as number;
    if (first < 0x80) {
      this.at++;
      return (first >>> 1) ^ -(first & 1);
    }
    let value = 0;
    let scale = 1;
    for (let length = 0; length < 10; length++) {
      if (this.at >= this.end) break;
      const byte = bytes[this.at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    this.at = this.end + 1;
    return 0;
  }
}

/**
 * Walks the records of one batch. It can stop and go on, so that a batch of millions of tiny records never becomes
 * millions of objects at once.
 */
export class RecordCursor {
  private readonly reader: VarintReader;
  private readonly header: BatchHeader;
  private readonly topic: string;
  private readonly partition: number;
  private left: number;

  /** `bytes` from `at` to `end` hold the (decompressed) records. Throws FS_BATCH_CORRUPT if they cannot hold so many. */
  constructor(bytes: Buffer, at: number, end: number, header: BatchHeader, topic: string, partition: number) {
    this.reader = new VarintReader(bytes, at, end);
    this.header = header;
    this.topic = topic;
    this.partition = partition;
    this.left = header.recordCount;
    if (header.recordCount < 0 || header.recordCount > (end - at) / RECORD_BYTES_MIN)
      throw this.corrupt('record count');
  }

  get done(): boolean {
    return this.left === 0;
  }

  /** The next record, or null at the end. Throws FS_BATCH_CORRUPT. */
  next(): FetchedRecord | null {
    const reader = this.reader;
    const header = this.header;
    if (this.left === 0) {
      if (reader.at !== reader.end) throw this.corrupt('bytes behind the last record');
      return null;
    }
    this.left--;
    const bytes = reader.bytes;
    const length = reader.varint();
    const end = reader.at + length;
    if (length < RECORD_BYTES_MIN - 1 || end > reader.end) throw this.corrupt('record length');
    reader.at++; // attributes: none are defined
    const timestampDelta = reader.varlong();
    const offsetDelta = reader.varint();
    const key = this.take(reader, bytes, end);
    const value = this.take(reader, bytes, end);
    const headersAt = reader.at;
    const headerCount = reader.varint();
    if (headerCount < 0 || headerCount > (end - reader.at) / 2) throw this.corrupt('header count');
    for (let i = 0; i < headerCount; i++) {
      const nameLength = reader.varint();
      if (nameLength < 0 || reader.at + nameLength > end) throw this.corrupt('header name');
      reader.at += nameLength;
      const valueLength = reader.varint();
      if (reader.at + Math.max(0, valueLength) > end) throw this.corrupt('header value');
      reader.at += Math.max(0, valueLength);
    }
    if (reader.at !== end || offsetDelta < 0) throw this.corrupt('record');
    return new FetchedRecord(
      this.topic,
      this.partition,
      header.baseOffset + offsetDelta,
      header.logAppendTime ? header.timestampMsMax : header.baseTimestampMs + timestampDelta,
      key,
      value,
      bytes,
      headerCount === 0 ? -1 : headersAt,
    );
  }

  private take(reader: VarintReader, bytes: Buffer, end: number): Buffer | null {
    const length = reader.varint();
    if (length < 0) return null;
    const at = reader.at;
    if (at + length > end) throw this.corrupt('key or value length');
    reader.at = at + length;
    return bytes.subarray(at, at + length);
  }

  private corrupt(what: string): FraudstreamError {
    const { topic, partition, header } = this;
    const detail = `${what} in the batch at ${topic}/${partition}, offsets ${header.baseOffset} to ${header.lastOffset}`;
    return new FraudstreamError('FS_BATCH_CORRUPT', detail, { topic, partition, offset: header.baseOffset });
  }
}
