import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FraudstreamError } from '../../domain/errors.ts';
import { fileError } from './byte-stream.ts';

const PARTIAL = '.partial';

/**
 * A file that appears under its name only when it is whole: written as `<name>.partial`, flushed to the disk and
 * renamed at `close`. After an error the partial file stays, for a look; the next run overwrites it. Throws
 * FS_FILE_INVALID.
 */
export class PartialFile {
  readonly path: string;
  private readonly handle: FileHandle;
  private failure: FraudstreamError | null = null;
  private closed = false;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  static async create(path: string): Promise<PartialFile> {
    try {
      await mkdir(dirname(path), { recursive: true });
      return new PartialFile(path, await open(path + PARTIAL, 'w'));
    } catch (error) {
      throw fileError(error, path + PARTIAL);
    }
  }

  /** Writes all of it. After a failed write every later one fails too: there would be a hole. */
  async write(bytes: Buffer): Promise<void> {
    if (this.failure !== null) throw this.failure;
    if (this.closed) throw new FraudstreamError('FS_INTERNAL', `${this.path} is closed`);
    try {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await this.handle.write(bytes, at, bytes.length - at);
        if (bytesWritten === 0) throw new Error('the file system wrote nothing');
        at += bytesWritten;
      }
    } catch (error) {
      this.failure = fileError(error, this.path + PARTIAL);
      throw this.failure;
    }
  }

  /** Flushes, renames, and flushes the directory's entry. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.failure !== null) {
      await this.handle.close();
      throw this.failure;
    }
    try {
      await this.handle.sync();
      await this.handle.close();
      await rename(this.path + PARTIAL, this.path);
      const folder = await open(dirname(this.path), 'r');
      await folder.sync().finally(() => folder.close());
    } catch (error) {
      throw fileError(error, this.path);
    }
  }

  /** Closes without a result. */
  async abandon(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.handle.close();
  }
}
