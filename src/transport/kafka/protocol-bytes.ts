/** The Kafka protocol's primitive types, for small requests: https://kafka.apache.org/protocol#protocol_types. Pure. */

export class ProtocolWriter {
  private bytes = Buffer.allocUnsafe(256);
  private at = 0;

  int8(value: number): this {
    this.at = this.room(1).writeInt8(value, this.at);
    return this;
  }

  int16(value: number): this {
    this.at = this.room(2).writeInt16BE(value, this.at);
    return this;
  }

  int32(value: number): this {
    this.at = this.room(4).writeInt32BE(value, this.at);
    return this;
  }

  int64(value: bigint): this {
    this.at = this.room(8).writeBigInt64BE(value, this.at);
    return this;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  string(text: string): this {
    const bytes = Buffer.from(text, 'utf8');
    return this.int16(bytes.length).raw(bytes);
  }

  /** of flexible versions (KIP-482): its length is one more, as a varint */
  compactString(text: string): this {
    const bytes = Buffer.from(text, 'utf8');
    return this.unsignedVarint(bytes.length + 1).raw(bytes);
  }

  unsignedVarint(value: number): this {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.int8((((rest & 0x7f) | 0x80) << 24) >> 24);
      rest >>>= 7;
    }
    return this.int8(rest);
  }

  raw(bytes: Buffer): this {
    this.room(bytes.length).set(bytes, this.at);
    this.at += bytes.length;
    return this;
  }

  /** what was written, as a view */
  end(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  private room(count: number): Buffer {
    if (this.at + count > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count));
      larger.set(this.bytes.subarray(0, this.at));
      this.bytes = larger;
    }
    return this.bytes;
  }
}

/** Every method throws a RangeError when the bytes end too early. */
export class ProtocolReader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  int8(): number {
    return this.bytes.readInt8(this.step(1));
  }

  int16(): number {
    return this.bytes.readInt16BE(this.step(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.step(4));
  }

  int64(): bigint {
    return this.bytes.readBigInt64BE(this.step(8));
  }

  /** null reads as '' */
  string(): string {
    return this.text(this.int16());
  }

  /** null reads as '' */
  compactString(): string {
    return this.text(this.unsignedVarint() - 1);
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes.readUInt8(this.step(1));
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError('a varint is longer than five bytes');
  }

  array<T>(read: () => T): T[] {
    return this.items(this.int32(), read);
  }

  compactArray<T>(read: () => T): T[] {
    return this.items(this.unsignedVarint() - 1, read);
  }

  skip(count: number): void {
    this.slice(count);
  }

  slice(count: number): Buffer {
    if (count < 0 || this.at + count > this.bytes.length) throw new RangeError('the response ends early');
    return this.bytes.subarray(this.at, this.step(count) + count);
  }

  /** passes over the tagged fields that end a structure of a flexible version */
  tags(): void {
    const count = this.unsignedVarint();
    for (let i = 0; i < count; i++) {
      this.unsignedVarint();
      this.skip(this.unsignedVarint());
    }
  }

  private text(length: number): string {
    return length < 0 ? '' : this.slice(length).toString('utf8');
  }

  private items<T>(count: number, read: () => T): T[] {
    // an item has a byte at least
    if (count > this.bytes.length - this.at) throw new RangeError('the response ends early');
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  private step(count: number): number {
    const { at } = this;
    this.at += count;
    return at;
  }
}
