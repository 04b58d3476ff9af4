import type { FileHandle } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';

const CHUNK_BYTES = 262_144;

/** A gzip file (also of several members) expanded piece by piece: a bomb costs time, not memory. */
export class GzipInput {
  /** bytes of the file that have been read */
  position = 0;
  private readonly handle: FileHandle;
  private readonly gunzip: Gunzip;
  private readonly pieces: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(handle: FileHandle) {
    this.handle = handle;
    this.gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
    // Errors reach the reader through the pieces.
    pipeline(Readable.from(this.chunks()), this.gunzip, () => {});
    this.pieces = (this.gunzip as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** Rejects with an error of zlib when the file is damaged or ends too early. */
  async read(target: Buffer, offset: number, length: number): Promise<{ bytesRead: number }> {
    while (this.rest.length === 0) {
      const next = await this.pieces.next();
      if (next.done === true) return { bytesRead: 0 };
      this.rest = next.value;
    }
    const bytesRead = this.rest.copy(target, offset, 0, length);
    this.rest = this.rest.subarray(bytesRead);
    return { bytesRead };
  }

  async close(): Promise<void> {
    this.gunzip.destroy();
    await this.handle.close();
  }

  private async *chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await this.handle.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return;
      this.position += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  }
}
