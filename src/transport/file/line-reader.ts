import { LIMITS } from '../../domain/limits.ts';
import { ByteStream } from './byte-stream.ts';

/** Longer lines are cut into pieces of this size, each one byte more than a record may have: none of them is decoded. */
const LINE_BYTES_MAX = LIMITS.recordBytesMax;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

export interface Line {
  /** without its end; `\r\n` is an end too */
  readonly bytes: Buffer;
  /** a piece of a line that is too long */
  readonly overlong: boolean;
  /** from 1; all pieces of a line have its number */
  readonly number: number;
}

/** Lines of a text file, in constant memory whatever the lines' lengths. */
export class LineReader {
  private readonly stream: ByteStream;
  private inOverlong = false;
  private number = 1;

  private constructor(stream: ByteStream) {
    this.stream = stream;
  }

  /** Throws FS_FILE_INVALID. */
  static async open(path: string): Promise<LineReader> {
    return new LineReader(await ByteStream.open(path));
  }

  get position(): number {
    return this.stream.position;
  }

  /** The next line if all of it has been read already, else null: saves a promise per line. */
  take(): Line | null {
    const end = this.stream.peek().indexOf(NEWLINE);
    return end === -1 || end > LINE_BYTES_MAX ? null : this.line(end, end + 1);
  }

  /** The next line, or null at the end. Blank lines come as empty ones. */
  async next(): Promise<Line | null> {
    const stream = this.stream;
    await stream.ensure(LINE_BYTES_MAX + 2);
    if (stream.available === 0) return null;
    const end = stream.peek().indexOf(NEWLINE);
    const length = end === -1 ? stream.available : end;
    if (length > LINE_BYTES_MAX) {
      const piece = Math.min(length, LINE_BYTES_MAX + 1);
      this.inOverlong = piece < length || end === -1;
      return { bytes: stream.take(piece), overlong: true, number: this.number };
    }
    return this.line(length, end === -1 ? length : end + 1);
  }

  private line(length: number, taken: number): Line {
    const overlong = this.inOverlong;
    this.inOverlong = false;
    const bytes = this.stream.take(taken).subarray(0, length);
    return { bytes: bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes, overlong, number: this.number++ };
  }

  async close(): Promise<void> {
    await this.stream.close();
  }
}
