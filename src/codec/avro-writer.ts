/**
 * Writes Avro binary into chunks that records share: one allocation per few hundred records. A chunk is never written
 * again where a record was taken from it, so the buffers handed out belong to the caller. Values are trusted: they come
 * from our own types.
 */
export class AvroWriter {
  private chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  private pos = 0;
  /** where the record at hand starts */
  private start = 0;

  /** Starts a record, with a Confluent header when it has a schema id. */
  begin(schemaId: number | null): void {
    this.start = this.pos;
    if (schemaId === null) return;
    this.reserve(5);
    this.chunk[this.pos] = 0;
    this.chunk.writeUInt32BE(schemaId, this.pos + 1);
    this.pos += 5;
  }

  /** The record that was written since `begin`. */
  take(): Buffer {
    return this.chunk.subarray(this.start, this.pos);
  }

  boolean(value: boolean): void {
    this.reserve(1);
    this.chunk[this.pos++] = value ? 1 : 0;
  }

  /** Zigzag varint of a safe integer. */
  long(value: number): void {
    this.reserve(10);
    const chunk = this.chunk;
    let pos = this.pos;
    let rest: number;
    if (value >= -0x40000000 && value < 0x40000000) {
      rest = (value << 1) ^ (value >> 31);
    } else {
      const negative = value < 0;
      const magnitude = negative ? -value - 1 : value;
      // 27 bits and the sign make the first four bytes; what is left is at most 26 bits.
      const low = ((magnitude % 134_217_728) << 1) | (negative ? 1 : 0);
      chunk[pos] = (low & 0x7f) | 0x80;
      chunk[pos + 1] = ((low >>> 7) & 0x7f) | 0x80;
      chunk[pos + 2] = ((low >>> 14) & 0x7f) | 0x80;
      chunk[pos + 3] = ((low >>> 21) & 0x7f) | 0x80;
      pos += 4;
      rest = Math.floor(magnitude / 134_217_728);
    }
    while (rest > 0x7f || rest < 0) {
      chunk[pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    chunk[pos++] = rest;
    this.pos = pos;
  }

  double(value: number): void {
    this.reserve(8);
    this.chunk.writeDoubleLE(value, this.pos);
    this.pos += 8;
  }

  text(value: string): void {
    const length = value.length;
    // Enough for the length as well: a new chunk between the two would make `before` a place in the old one.
    this.reserve(length + 20);
    const before = this.pos;
    this.long(length);
    const pos = this.pos;
    if (length > NATIVE_TEXT_MIN) {
      // One native call; it writes as many bytes as there are characters only when all are ASCII.
      if (Buffer.byteLength(value) === length) {
        this.chunk.write(value, pos, length, 'latin1');
        this.pos = pos + length;
        return;
      }
    } else {
      const chunk = this.chunk;
      let i = 0;
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) break;
        chunk[pos + i] = code;
      }
      if (i === length) {
        this.pos = pos + length;
        return;
      }
    }
    this.pos = before;
    this.wideText(value);
  }

  optionalText(value: string | null): void {
    if (value === null) {
      this.long(0);
      return;
    }
    this.long(1);
    this.text(value);
  }

  optionalDouble(value: number | null): void {
    if (value === null) {
      this.long(0);
      return;
    }
    this.long(1);
    this.double(value);
  }

  private wideText(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.reserve(bytes + 5);
    this.long(bytes);
    this.pos += this.chunk.write(value, this.pos, bytes, 'utf8');
  }

  /** Room for `bytes` more; what the record has so far moves along to a new chunk when this one is full. */
  private reserve(bytes: number): void {
    if (this.pos + bytes + 10 <= this.chunk.length) return;
    const written = this.pos - this.start;
    const chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, 2 * (written + bytes + 10)));
    this.chunk.copy(chunk, 0, this.start, this.pos);
    this.chunk = chunk;
    this.start = 0;
    this.pos = written;
  }
}

/** bytes; small enough that a few records waiting for a broker do not keep much alive */
const CHUNK_BYTES = 65_536;
/** characters from which one call into the runtime beats a loop */
const NATIVE_TEXT_MIN = 48;
