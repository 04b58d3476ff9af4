import { FraudstreamError, type ErrorCode } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { isUtf8 } from './utf8.ts';

/**
 * A place in Avro binary data, and the primitives that move it. Every read is checked against the end, and against
 * what a number can hold, before anything is built from it: avsc allocates from a forged array count first (five
 * bytes exhaust the heap) and misreads longs below -2^52.
 *
 * One cursor is reused for all records: nothing is allocated per record. All reads throw FraudstreamError
 * (FS_AVRO_TRUNCATED, FS_AVRO_INVALID, FS_AVRO_LIMIT, FS_LONG_UNSAFE, FS_UTF8_INVALID).
 */
export class AvroCursor {
  bytes: Buffer = EMPTY;
  pos = 0;
  end = 0;
  /** field that is being read, for messages */
  field = '';
  /** how many more items and fields this record may hold */
  budget = 0;
  depth = 0;
  /** `bytes[textBase, end)` as latin1: an ASCII string is a substring of it, six times cheaper than a call of its own */
  text = '';
  textBase = 0;

  reset(bytes: Buffer, pos: number, end: number): void {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
    this.field = '';
    this.budget = LIMITS.avroNodesMax;
    this.depth = 0;
    this.text = '';
    this.textBase = pos;
  }

  /** Makes `readText` cheap for this record. Long records are left out: a short id must not keep a megabyte alive. */
  prepareText(): void {
    if (this.end - this.pos > SHARED_TEXT_BYTES_MAX) return;
    this.text = this.bytes.toString('latin1', this.pos, this.end);
    this.textBase = this.pos;
  }

  fail(code: ErrorCode, detail: string): never {
    const place = this.field === '' ? {} : { field: this.field };
    const at = this.field === '' ? '' : ` in field ${this.field}`;
    throw new FraudstreamError(code, `${detail}${at}`, place);
  }

  /** Takes `count` items or fields from the record's budget. */
  spend(count: number): void {
    this.budget -= count;
    if (this.budget < 0) this.fail('FS_AVRO_LIMIT', `more than ${LIMITS.avroNodesMax} items and fields`);
  }

  enter(): void {
    if (++this.depth > LIMITS.avroDepthMax) this.fail('FS_AVRO_LIMIT', `nested deeper than ${LIMITS.avroDepthMax}`);
  }

  /** A zigzag varint of at most 10 bytes, exact within ±(2^53 - 1). */
  readLong(): number {
    const bytes = this.bytes;
    const pos = this.pos;
    if (pos >= this.end) this.fail('FS_AVRO_TRUNCATED', '');
    const first = bytes[pos]!;
    if (first < 0x80) {
      this.pos = pos + 1;
      return (first >>> 1) ^ -(first & 1);
    }
    return this.readLongRest(first);
  }

  private readLongRest(first: number): number {
    const bytes = this.bytes;
    const end = this.end;
    let pos = this.pos + 1;
    let low = first & 0x7f;
    let shift = 7;
    let byte: number;
    do {
      if (pos >= end) this.fail('FS_AVRO_TRUNCATED', '');
      byte = bytes[pos++]!;
      low |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte >= 0x80 && shift < 28);
    let magnitude = low >>> 1;
    if (byte >= 0x80) {
      let high = 0;
      let scale = 1;
      do {
        if (pos >= end) this.fail('FS_AVRO_TRUNCATED', '');
        byte = bytes[pos++]!;
        high += (byte & 0x7f) * scale;
        scale *= 128;
      } while (byte >= 0x80 && scale < 4_398_046_511_104);
      if (byte >= 0x80) this.fail('FS_AVRO_INVALID', 'a number of more than 10 bytes');
      if (high >= 67_108_864) this.fail('FS_LONG_UNSAFE', 'send it within the range');
      magnitude += high * 134_217_728;
    }
    this.pos = pos;
    if ((low & 1) === 0) return magnitude;
    if (magnitude === Number.MAX_SAFE_INTEGER) this.fail('FS_LONG_UNSAFE', 'send it within the range');
    return -magnitude - 1;
  }

  readInt(): number {
    const value = this.readLong();
    if (value !== (value | 0)) this.fail('FS_AVRO_INVALID', 'an int is beyond 32 bits');
    return value;
  }

  /** An index of a union branch or an enum symbol, 0 … count - 1. */
  readIndex(count: number): number {
    const index = this.readLong();
    if (index < 0 || index >= count) this.fail('FS_AVRO_INVALID', 'no such union branch or enum symbol');
    return index;
  }

  readBoolean(): boolean {
    if (this.pos >= this.end) this.fail('FS_AVRO_TRUNCATED', '');
    const byte = this.bytes[this.pos++]!;
    if (byte > 1) this.fail('FS_AVRO_INVALID', 'a boolean is neither 0 nor 1');
    return byte === 1;
  }

  readFloat(): number {
    if (this.end - this.pos < 4) this.fail('FS_AVRO_TRUNCATED', '');
    const value = this.bytes.readFloatLE(this.pos);
    this.pos += 4;
    return value;
  }

  readDouble(): number {
    if (this.end - this.pos < 8) this.fail('FS_AVRO_TRUNCATED', '');
    const value = this.bytes.readDoubleLE(this.pos);
    this.pos += 8;
    return value;
  }

  skip(count: number): void {
    if (count > this.end - this.pos) this.fail('FS_AVRO_TRUNCATED', '');
    this.pos += count;
  }

  /** The length of a string or bytes, known to fit in what is left. */
  readLength(): number {
    const length = this.readLong();
    if (length < 0) this.fail('FS_AVRO_INVALID', 'a negative length');
    if (length > this.end - this.pos) this.fail('FS_AVRO_TRUNCATED', '');
    return length;
  }

  skipText(): void {
    const length = this.readLength();
    const start = this.pos;
    this.pos = start + length;
    if (!isAscii(this.bytes, start, this.pos) && !isUtf8(this.bytes, start, this.pos)) this.fail('FS_UTF8_INVALID', '');
  }

  /** The text may share memory with the others of its record, see `readOwnText`. */
  readText(): string {
    const length = this.readLength();
    const start = this.pos;
    this.pos = start + length;
    return this.textAt(start, this.pos, this.text !== '');
  }

  /**
   * A text for what is kept long after its record, such as the key of a user's state: a substring of 13 or more
   * characters would keep all that it is a part of alive.
   */
  readOwnText(): string {
    const length = this.readLength();
    const start = this.pos;
    this.pos = start + length;
    return this.textAt(start, this.pos, this.text !== '' && length < SUBSTRING_SHARED_MIN);
  }

  private textAt(start: number, end: number, shared: boolean): string {
    const bytes = this.bytes;
    if (!isAscii(bytes, start, end)) {
      if (!isUtf8(bytes, start, end)) this.fail('FS_UTF8_INVALID', '');
      return bytes.toString('utf8', start, end);
    }
    const base = this.textBase;
    return shared ? this.text.substring(start - base, end - base) : bytes.toString('latin1', start, end);
  }

  /**
   * The start of a block of an array or a map: its item count, 0 at the end. `itemBytesMin` is the least that one item
   * takes: a count that cannot fit in what is left is refused before the first item is built. For a block that states
   * its own size `blockEnd` is where it ends, else -1.
   */
  readBlock(itemBytesMin: number): number {
    let count = this.readLong();
    this.blockEnd = -1;
    if (count < 0) {
      count = -count;
      const size = this.readLength();
      this.blockEnd = this.pos + size;
    }
    this.spend(count);
    if (count * itemBytesMin > this.end - this.pos) this.fail('FS_AVRO_TRUNCATED', 'more items than bytes');
    return count;
  }
  blockEnd = -1;

  /** After the items of a block: do they end where the block said? */
  closeBlock(blockEnd: number): void {
    if (blockEnd !== -1 && blockEnd !== this.pos) this.fail('FS_AVRO_INVALID', 'a block is not as long as it says');
  }
}

const EMPTY = Buffer.alloc(0);
/** bytes; what one long-lived text could keep alive */
const SHARED_TEXT_BYTES_MAX = 512;
/** V8 copies shorter substrings */
const SUBSTRING_SHARED_MIN = 13;

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let any = 0;
  for (let i = start; i < end; i++) any |= bytes[i]!;
  return any < 0x80;
}
