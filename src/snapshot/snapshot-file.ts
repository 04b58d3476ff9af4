import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { lastOffsetOf } from '../state/blob-shift.ts';
import type { NewSnapshot, SnapshotInfo } from '../state/snapshot-store.ts';
import type { StoredBlob } from '../state/store.ts';

/**
 * A snapshot file, numbers little-endian:
 *
 *   8 bytes `fssnap1\n`
 *   per history: u32 bytes of the key, u32 bytes of the blob, key (UTF-8), blob
 *   u32 0xffffffff
 *   the record and the totals as JSON
 *   u32 bytes of that JSON | 32 bytes SHA-256 of all before the checksum
 *
 * The record stands at the end, since the totals are known only then; a file that was cut has none.
 */
const MAGIC = Buffer.from('fssnap1\n');
const END = 0xffff_ffff;
const CHECKSUM_BYTES = 32;
const TRAILER_BYTES = 4 + CHECKSUM_BYTES;
const FOOTER_BYTES_MAX = 65_536;
const KEY_BYTES_MAX = 65_536;
const CHUNK_BYTES = 1_048_576;

export type Footer = Omit<SnapshotInfo, 'name'>;

/** Writes all of it and waits for the disk. Rejects with what the system or the source of the blobs says. */
export async function writeSnapshotFile(file: FileHandle, snapshot: NewSnapshot): Promise<Footer> {
  const hash = createHash('sha256');
  const put = async (bytes: Buffer): Promise<void> => {
    hash.update(bytes);
    await writeAll(file, bytes);
  };
  await put(MAGIC);
  let users = 0;
  let bytes = 0;
  let reach = 0;
  for await (const some of snapshot.blobs) {
    const parts: Buffer[] = [];
    for (const { key, blob } of some) {
      const keyBytes = Buffer.from(key);
      const head = Buffer.allocUnsafe(8);
      head.writeUInt32LE(keyBytes.length, 0);
      head.writeUInt32LE(blob.length, 4);
      parts.push(head, keyBytes, Buffer.from(blob.buffer, blob.byteOffset, blob.length));
      users++;
      bytes += blob.length;
      reach = Math.max(reach, lastOffsetOf(blob) + 1);
    }
    await put(Buffer.concat(parts));
  }
  const { watermark, fingerprint, note, createdMs } = snapshot;
  const footer: Footer = { watermark, fingerprint, note, createdMs, users, bytes, reach };
  const json = Buffer.from(JSON.stringify(footer));
  const tail = Buffer.alloc(4 + json.length + 4);
  tail.writeUInt32LE(END, 0);
  tail.set(json, 4);
  tail.writeUInt32LE(json.length, 4 + json.length);
  await put(tail);
  await writeAll(file, hash.digest());
  await file.sync();
  return footer;
}

/** The record and the totals, without a look at the rest. Throws FS_STATE_CORRUPT. */
export async function readFooter(path: string): Promise<Footer> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return (await footerOf(file, size)).footer;
  } finally {
    await file.close();
  }
}

/** Reads it twice: first to compare the checksum. Throws FS_STATE_CORRUPT. */
export async function* readBlobs(path: string): AsyncGenerator<readonly StoredBlob[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const { footer, start } = await footerOf(file, size);
    await compareChecksum(file, size);
    let position = MAGIC.length;
    let rest: Buffer = Buffer.alloc(0);
    let users = 0;
    while (position < start || rest.length > 0) {
      const chunk = await readAt(file, position, Math.min(CHUNK_BYTES, start - position));
      position += chunk.length;
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const { blobs, used } = parseBlobs(bytes);
      if (blobs.length === 0 && position >= start) throw corrupt('a history is cut');
      users += blobs.length;
      rest = bytes.subarray(used);
      if (blobs.length > 0) yield blobs;
    }
    if (users !== footer.users) throw corrupt(`${users} histories found, ${footer.users} expected`);
  } finally {
    await file.close();
  }
}

function parseBlobs(bytes: Buffer): { blobs: StoredBlob[]; used: number } {
  const blobs: StoredBlob[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const keyBytes = bytes.readUInt32LE(at);
    const blobBytes = bytes.readUInt32LE(at + 4);
    if (keyBytes > KEY_BYTES_MAX || blobBytes > LIMITS.blobBytesMax) throw corrupt('a length is beyond its limit');
    const end = at + 8 + keyBytes + blobBytes;
    if (end > bytes.length) break;
    blobs.push({
      key: bytes.toString('utf8', at + 8, at + 8 + keyBytes),
      blob: bytes.subarray(at + 8 + keyBytes, end),
    });
    at = end;
  }
  return { blobs, used: at };
}

/** @returns what it says, and where the mark before it stands */
async function footerOf(file: FileHandle, size: number): Promise<{ footer: Footer; start: number }> {
  if (size < MAGIC.length + 4 + TRAILER_BYTES) throw corrupt('it is too short');
  const magic = await readAt(file, 0, MAGIC.length);
  if (!magic.equals(MAGIC)) throw corrupt('it is no snapshot of this version');
  const trailer = await readAt(file, size - TRAILER_BYTES, 4);
  const length = trailer.readUInt32LE(0);
  const start = size - TRAILER_BYTES - length - 4;
  if (length > FOOTER_BYTES_MAX || start < MAGIC.length) throw corrupt('its end is not that of a snapshot');
  const bytes = await readAt(file, start, 4 + length);
  if (bytes.readUInt32LE(0) !== END) throw corrupt('its end is not that of a snapshot');
  let footer: unknown;
  try {
    footer = JSON.parse(bytes.toString('utf8', 4));
  } catch {
    throw corrupt('its record cannot be read');
  }
  if (!isFooter(footer)) throw corrupt('its record cannot be read');
  return { footer, start };
}

function isFooter(value: unknown): value is Footer {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Record<string, unknown>;
  const counts = ['watermark', 'createdMs', 'users', 'bytes', 'reach'] as const;
  return (
    counts.every((name) => Number.isSafeInteger(record[name]) && (record[name] as number) >= 0) &&
    typeof record['fingerprint'] === 'string' &&
    typeof record['note'] === 'string'
  );
}

async function compareChecksum(file: FileHandle, size: number): Promise<void> {
  const hash = createHash('sha256');
  const end = size - CHECKSUM_BYTES;
  for (let position = 0; position < end; position += CHUNK_BYTES) {
    hash.update(await readAt(file, position, Math.min(CHUNK_BYTES, end - position)));
  }
  const expected = await readAt(file, end, CHECKSUM_BYTES);
  if (!hash.digest().equals(expected)) throw corrupt('its checksum does not match');
}

/** Exactly so many bytes. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length;) {
    const { bytesRead } = await file.read(bytes, at, length - at, position + at);
    if (bytesRead === 0) throw corrupt('it ends early');
    at += bytesRead;
  }
  return bytes;
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
}

function corrupt(detail: string): FraudstreamError {
  return new FraudstreamError('FS_STATE_CORRUPT', `a snapshot cannot be used: ${detail}`);
}
