import { FraudstreamError } from '../domain/errors.ts';

const number = new Float64Array(1);
const numberBytes = new Uint8Array(number.buffer);

/** Appends numbers to one reused buffer. */
export class BlobWriter {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytesMax: number) {
    this.bytes = new Uint8Array(bytesMax);
  }

  reset(): void {
    this.at = 0;
  }

  take(): Uint8Array {
    if (this.at > this.bytes.length) throw new FraudstreamError('FS_INTERNAL', 'a state blob exceeds its maximum size');
    return this.bytes.slice(0, this.at);
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u24(value: number): void {
    const { bytes, at } = this;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    this.at = at + 3;
  }

  u32(value: number): void {
    const { bytes, at } = this;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.at = at + 4;
  }

  /** @param value integer 0 … 2^53 - 1 */
  varint(value: number): void {
    const bytes = this.bytes;
    let at = this.at;
    let rest = value;
    while (rest >= 0x10000000) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    rest |= 0;
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.at = at;
  }

  /** @param value integer ±2^52 */
  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Any double; safe non-negative integers as varints. */
  number(value: number): void {
    if (value >= 0 && value <= Number.MAX_SAFE_INTEGER / 2 && Number.isInteger(value) && !Object.is(value, -0)) {
      this.varint(value * 2);
      return;
    }
    this.u8(1);
    number[0] = value;
    for (let k = 0; k < 8; k++) this.u8(numberBytes[k]!);
  }
}

/** Reads what BlobWriter wrote; running past the end throws FS_STATE_CORRUPT. */
export class BlobReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  get atEnd(): boolean {
    return this.at === this.bytes.length;
  }

  u8(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new FraudstreamError('FS_STATE_CORRUPT', 'the bytes end early');
    return value;
  }

  u24(): number {
    const { bytes, at } = this;
    this.skip(3);
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
  }

  u32(): number {
    const { bytes, at } = this;
    this.skip(4);
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  varint(): number {
    const bytes = this.bytes;
    let value = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = bytes[this.at++] ?? -1;
      if (byte < 0 || shift > 49) throw new FraudstreamError('FS_STATE_CORRUPT', 'a number is cut or too long');
      value += shift < 28 ? (byte & 0x7f) << shift : (byte & 0x7f) * 2 ** shift;
      shift += 7;
    } while (byte > 0x7f);
    return value;
  }

  /** A count of things that take at least a byte each. */
  count(): number {
    const value = this.varint();
    if (value > this.left) throw new FraudstreamError('FS_STATE_CORRUPT', 'a count is larger than the bytes left');
    return value;
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  number(): number {
    if (this.bytes[this.at] !== undefined && (this.bytes[this.at]! & 1) === 0) return this.varint() / 2;
    this.skip(1);
    for (let k = 0; k < 8; k++) numberBytes[k] = this.u8();
    return number[0]!;
  }

  private skip(bytes: number): void {
    this.at += bytes;
    if (this.at > this.bytes.length) throw new FraudstreamError('FS_STATE_CORRUPT', 'the bytes end early');
  }
}
