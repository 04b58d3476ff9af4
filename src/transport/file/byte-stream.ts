import { type FileHandle, open } from 'node:fs/promises';
import { FraudstreamError, toFraudstreamError } from '../../domain/errors.ts';
import { GzipInput } from './gzip-input.ts';

const CHUNK_BYTES = 1_048_576;
const EMPTY = Buffer.alloc(0);

/** Where bytes come from, one piece after the other; 0 bytes read: the end. */
export interface ByteInput {
  read(target: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }>;
  close(): Promise<void>;
}

/**
 * A file read forwards in large pieces; one whose name ends in `.gz` is expanded on the way. Buffers that it hands out
 * are never written again.
 */
export class ByteStream {
  readonly path: string;
  readonly sizeBytes: number;
  private readonly input: ByteInput;
  private readonly gzip: GzipInput | null;
  private buffer: Buffer = EMPTY;
  private start = 0;
  private ended = false;
  private consumed = 0;

  private constructor(path: string, handle: FileHandle, sizeBytes: number) {
    this.path = path;
    this.gzip = path.endsWith('.gz') ? new GzipInput(handle) : null;
    this.input = this.gzip ?? plainInput(handle);
    this.sizeBytes = sizeBytes;
  }

  /** Throws FS_FILE_INVALID. */
  static async open(path: string): Promise<ByteStream> {
    let handle: FileHandle | null = null;
    try {
      handle = await open(path, 'r');
      const stat = await handle.stat();
      if (stat.isDirectory()) throw new FraudstreamError('FS_FILE_INVALID', `${path} is a directory; name a file`);
      return new ByteStream(path, handle, stat.size);
    } catch (error) {
      await handle?.close();
      throw fileError(error, path);
    }
  }

  /** How far in the file what has been taken lies, in bytes of the file. */
  get position(): number {
    return this.gzip === null ? this.consumed : this.gzip.position;
  }

  get available(): number {
    return this.buffer.length - this.start;
  }

  /** Reads on until `bytes` are available or the file ends; returns whether they are. */
  async ensure(bytes: number): Promise<boolean> {
    if (this.available >= bytes) return true;
    if (this.ended) return false;
    // The old buffer may be in use by whoever took from it, so what is left of it moves to a new one.
    const next = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes));
    let filled = this.buffer.copy(next, 0, this.start);
    try {
      while (filled < bytes && !this.ended) {
        const { bytesRead } = await this.input.read(next, filled, next.length - filled);
        if (bytesRead === 0) this.ended = true;
        filled += bytesRead;
      }
    } catch (error) {
      throw fileError(error, this.path);
    }
    this.buffer = next.subarray(0, filled);
    this.start = 0;
    return filled >= bytes;
  }

  /** What is available, without taking it. */
  peek(): Buffer {
    return this.buffer.subarray(this.start);
  }

  /** Takes bytes that are available. */
  take(bytes: number): Buffer {
    const taken = this.buffer.subarray(this.start, this.start + bytes);
    this.start += taken.length;
    this.consumed += taken.length;
    return taken;
  }

  async close(): Promise<void> {
    await this.input.close();
  }
}

function plainInput(handle: FileHandle): ByteInput {
  return {
    read: (target, offset, length) => handle.read(target, offset, length, null),
    close: () => handle.close(),
  };
}

/** An error of the file system, with the path and what to do. */
export function fileError(error: unknown, path: string): FraudstreamError {
  if (error instanceof FraudstreamError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const advice: Record<string, string> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    ENOSPC: 'the disk is full; free some space and run again',
    EDQUOT: 'the disk quota is used up; free some space and run again',
    EISDIR: 'it is a directory; name a file',
    EROFS: 'the file system is read-only',
    ENOTDIR: 'a part of the path is not a directory',
    Z_DATA_ERROR: 'it is no gzip file, or a damaged one',
    Z_BUF_ERROR: 'it is a gzip file that has lost its end',
  };
  const detail = advice[code] ?? toFraudstreamError(error).message;
  return new FraudstreamError('FS_FILE_INVALID', `${path}: ${detail}`, {}, { cause: error });
}
