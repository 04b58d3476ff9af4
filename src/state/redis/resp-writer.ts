import { Command } from 'ioredis';

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const ZERO = 48;
/** `$` + up to 10 digits + two line ends, rounded up */
const BULK_OVERHEAD_BYTES = 16;

/**
 * Writes one Redis command (RESP arrays of bulk strings, https://redis.io/docs/latest/develop/reference/protocol-spec/)
 * into a buffer. ioredis builds a string or a Buffer per argument; with a thousand arguments that costs three times as
 * much processor time as the rest of the call, so loads and flushes are encoded here, in one pass.
 */
export class RespWriter {
  private bytes: Buffer;
  private at = 0;

  /** `bytes` is taken over. It grows when needed: `buffer()` may be another one. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Starts a command of `count` arguments, its name included. */
  start(count: number): void {
    this.reserve(BULK_OVERHEAD_BYTES);
    this.at += this.bytes.write(`*${count}\r\n`, this.at, 'latin1');
  }

  text(value: string): void {
    this.join(EMPTY, value);
  }

  binary(value: Uint8Array): void {
    this.reserve(value.length + BULK_OVERHEAD_BYTES);
    this.length(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    this.lineEnd();
  }

  /** One argument: prefix, then text in UTF-8. */
  join(prefix: Uint8Array, value: string): void {
    const { length } = value;
    this.reserve(prefix.length + length * 3 + BULK_OVERHEAD_BYTES);
    const start = this.at;
    this.length(prefix.length + length);
    this.bytes.set(prefix, this.at);
    this.at += prefix.length;
    // Ids are ASCII nearly always and short: this loop is faster than a call into the runtime.
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 127) {
        this.at = start;
        this.joinUnicode(prefix, value);
        return;
      }
      this.bytes[this.at + i] = unit;
    }
    this.at += length;
    this.lineEnd();
  }

  /** What was written; a view. */
  written(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  /** The whole buffer, for the next writer. */
  buffer(): Buffer {
    return this.bytes;
  }

  private joinUnicode(prefix: Uint8Array, value: string): void {
    this.length(prefix.length + Buffer.byteLength(value));
    this.bytes.set(prefix, this.at);
    this.at += prefix.length;
    this.at += this.bytes.write(value, this.at, 'utf8');
    this.lineEnd();
  }

  private length(value: number): void {
    this.bytes[this.at++] = DOLLAR;
    let divisor = 1;
    while (value >= divisor * 10) divisor *= 10;
    for (; divisor >= 1; divisor = Math.floor(divisor / 10)) {
      this.bytes[this.at++] = ZERO + (Math.floor(value / divisor) % 10);
    }
    this.lineEnd();
  }

  private lineEnd(): void {
    this.bytes[this.at++] = CR;
    this.bytes[this.at++] = LF;
  }

  private reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}

const EMPTY = new Uint8Array(0);

/**
 * A command whose bytes are ready. `keys` are only those that a cluster client needs to find the slot; the command holds
 * no other argument, so that none can leak by way of an error.
 */
export class EncodedCommand extends Command {
  private readonly encoded: Buffer;
  private readonly routing: string[];

  constructor(name: string, routing: string[], encoded: Buffer) {
    super(name, [...routing]);
    this.routing = routing;
    this.encoded = encoded;
  }

  /** For another try: a command can be settled once. */
  copy(): EncodedCommand {
    return new EncodedCommand(this.name, this.routing, this.encoded);
  }

  override toWritable(): Buffer {
    return this.encoded;
  }
}

const POOLED_MAX = 4;
const POOLED_BYTES_MIN = 1 << 16;
const POOLED_BYTES_MAX = 1 << 21;

/**
 * Buffers that commands were written into, for the next ones: allocating a megabyte per command costs more than filling
 * it. Give one back only after the reply has come, for only then is it certain that the socket has read it.
 */
export class BufferPool {
  private readonly free: Buffer[] = [];

  take(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(POOLED_BYTES_MIN);
  }

  giveBack(buffer: Buffer): void {
    if (this.free.length < POOLED_MAX && buffer.length <= POOLED_BYTES_MAX) this.free.push(buffer);
  }
}
