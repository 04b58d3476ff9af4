import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { FraudstreamError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { ByteStream } from './byte-stream.ts';

const inflate = promisify(inflateRaw);

const MAGIC = Buffer.from('Obj\u0001', 'latin1');
const SYNC_BYTES = 16;
const HEADER_BYTES_MAX = 4_194_304;
const HEADER_ENTRIES_MAX = 1_000;
/** A corrupt stretch is handed on in pieces of at most this size: below the limit of one record, so its bytes are kept. */
const CORRUPT_BYTES = 524_288;

export type ContainerPiece =
  /** `count` records as the writer says, uncompressed */
  | { readonly kind: 'block'; readonly count: number; readonly data: Buffer }
  /** bytes of the file that are no block, as they stand */
  | { readonly kind: 'corrupt'; readonly data: Buffer };

/**
 * Avro object container files, codecs null and deflate, in constant memory: one block at a time, its compressed and
 * expanded size bounded by LIMITS.batchBytesMax. A damaged block is handed on as it is, and reading goes on behind the
 * next sync marker.
 */
export class ContainerReader {
  /** JSON text */
  readonly schema: string;
  private readonly stream: ByteStream;
  private readonly deflated: boolean;
  private readonly sync: Buffer;
  private resyncing = false;

  private constructor(stream: ByteStream, schema: string, deflated: boolean, sync: Buffer) {
    this.stream = stream;
    this.schema = schema;
    this.deflated = deflated;
    this.sync = sync;
  }

  /** Throws FS_FILE_INVALID when it cannot be read, is no container file or has another codec. */
  static async open(path: string): Promise<ContainerReader> {
    const stream = await ByteStream.open(path);
    try {
      const meta = await readHeader(stream);
      const schema = meta.get('avro.schema')?.toString('utf8');
      if (schema === undefined) throw invalid(path, 'its header has no avro.schema');
      const codec = meta.get('avro.codec')?.toString('latin1') ?? 'null';
      if (codec !== 'null' && codec !== 'deflate') {
        throw invalid(path, 'its codec is neither null nor deflate; write it again with one of these');
      }
      return new ContainerReader(stream, schema, codec === 'deflate', Buffer.from(stream.take(SYNC_BYTES)));
    } catch (error) {
      await stream.close();
      throw error;
    }
  }

  get position(): number {
    return this.stream.position;
  }

  /** The next piece, or null at the end of the file. */
  async next(): Promise<ContainerPiece | null> {
    const stream = this.stream;
    if (this.resyncing) return this.resync();
    await stream.ensure(20);
    if (stream.available === 0) return null;
    const head = stream.peek();
    const count = readVarint(head, 0);
    const size = count === null ? null : readVarint(head, count.end);
    if (count === null || size === null || count.value < 0 || size.value < 0 || size.value > LIMITS.batchBytesMax) {
      return this.resync();
    }
    const total = size.end + size.value + SYNC_BYTES;
    if (!(await stream.ensure(total))) return this.resync();
    const whole = stream.peek().subarray(0, total);
    if (!whole.subarray(total - SYNC_BYTES).equals(this.sync)) return this.resync();
    const data = whole.subarray(size.end, total - SYNC_BYTES);
    if (!this.deflated) {
      stream.take(total);
      return { kind: 'block', count: count.value, data };
    }
    try {
      const expanded = await inflate(data, { maxOutputLength: LIMITS.batchBytesMax });
      stream.take(total);
      return { kind: 'block', count: count.value, data: expanded };
    } catch {
      // Not deflate, or a bomb: the compressed bytes are all that can be shown.
      return this.resync();
    }
  }

  async close(): Promise<void> {
    await this.stream.close();
  }

  /** The bytes up to and with the next sync marker, in pieces. */
  private async resync(): Promise<ContainerPiece | null> {
    const stream = this.stream;
    await stream.ensure(CORRUPT_BYTES);
    if (stream.available === 0) {
      this.resyncing = false;
      return null;
    }
    const view = stream.peek().subarray(0, CORRUPT_BYTES);
    const found = view.indexOf(this.sync);
    this.resyncing = found === -1;
    if (found !== -1) return { kind: 'corrupt', data: stream.take(found + SYNC_BYTES) };
    // A marker may begin in the last bytes of a piece that is not the file's last.
    const last = view.length < CORRUPT_BYTES;
    return { kind: 'corrupt', data: stream.take(last ? view.length : view.length - SYNC_BYTES + 1) };
  }
}

async function readHeader(stream: ByteStream): Promise<Map<string, Buffer>> {
  const path = stream.path;
  await stream.ensure(MAGIC.length);
  if (!stream.take(MAGIC.length).equals(MAGIC)) throw invalid(path, 'it is not an Avro object container file');
  const meta = new Map<string, Buffer>();
  let bytes = 0;
  const long = async (): Promise<number> => {
    await stream.ensure(10);
    const number = readVarint(stream.peek(), 0);
    if (number === null) throw invalid(path, 'its header is damaged');
    stream.take(number.end);
    return number.value;
  };
  const text = async (): Promise<Buffer> => {
    const length = await long();
    bytes += length;
    if (length < 0 || bytes > HEADER_BYTES_MAX) throw invalid(path, 'its header is damaged or too large');
    if (!(await stream.ensure(length))) throw invalid(path, 'it ends within its header');
    return stream.take(length);
  };
  for (let count = await long(); count !== 0; count = await long()) {
    if (count < 0) await long();
    if (meta.size + Math.abs(count) > HEADER_ENTRIES_MAX) throw invalid(path, 'its header has too many entries');
    for (let i = Math.abs(count); i > 0; i--) {
      const key = (await text()).toString('utf8');
      meta.set(key, Buffer.from(await text()));
    }
  }
  if (!(await stream.ensure(SYNC_BYTES))) throw invalid(path, 'it ends within its header');
  return meta;
}

/** A zigzag varint within ±2^53; null when it is longer or cut off. */
function readVarint(bytes: Buffer, from: number): { value: number; end: number } | null {
  let sum = 0;
  let factor = 1;
  for (let at = from; at < from + 8; at++) {
    const byte = bytes[at];
    if (byte === undefined) return null;
    sum += (byte & 0x7f) * factor;
    if (byte < 0x80)
      return sum > Number.MAX_SAFE_INTEGER ? null : { value: sum % 2 === 0 ? sum / 2 : -(sum + 1) / 2, end: at + 1 };
    factor *= 128;
  }
  return null;
}

function invalid(path: string, detail: string): FraudstreamError {
  return new FraudstreamError('FS_FILE_INVALID', `${path}: ${detail}`);
}
