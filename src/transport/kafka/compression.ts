import * as zlib from 'node:zlib';
import { Decompress as ZstdStream } from 'fzstd';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import snappy from 'snappy';
import { FraudstreamError } from '../../domain/errors.ts';

/**
 * The four codecs of record batches. Every decompressor refuses output beyond its limit before it takes the memory
 * (FS_BATCH_EXPANSION); anything else that is wrong with the data is FS_BATCH_CORRUPT.
 */

export const CODEC_NUMBERS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type CodecName = keyof typeof CODEC_NUMBERS;
const CODEC_NAMES = Object.keys(CODEC_NUMBERS) as CodecName[];

/** Node has zstd from 22.15; before it, fzstd reads it and nothing writes it. */
interface NodeZstd {
  zstdDecompressSync?(bytes: Uint8Array, options: { maxOutputLength: number }): Buffer;
  zstdCompressSync?(bytes: Uint8Array): Buffer;
}
const nodeZstd = zlib as NodeZstd;

export const ZSTD_PRODUCE_AVAILABLE = nodeZstd.zstdCompressSync !== undefined;

/** The compressor for a producer, or null for none. Throws FS_CONFIG_INVALID when this Node cannot write that codec. */
export function compressorOf(name: CodecName): ((bytes: Buffer) => Buffer) | null {
  switch (name) {
    case 'none':
      return null;
    case 'gzip':
      return (bytes) => zlib.gzipSync(bytes, { level: 1 });
    case 'snappy':
      return compressSnappy;
    case 'lz4':
      return (bytes) => compressFrameSync(bytes);
    case 'zstd': {
      const compress = nodeZstd.zstdCompressSync;
      if (compress !== undefined) return (bytes) => compress(bytes);
      throw new FraudstreamError('FS_CONFIG_INVALID', 'this Node cannot write zstd; use Node 22.15 or later, or lz4');
    }
  }
}

/** At most `bytesMax` bytes, decompressed. Throws FS_BATCH_EXPANSION, or FS_BATCH_CORRUPT (also for an unknown codec). */
export function decompress(codec: number, bytes: Buffer, bytesMax: number): Buffer {
  try {
    switch (CODEC_NAMES[codec]) {
      case 'gzip':
        return zlib.gunzipSync(bytes, { maxOutputLength: bytesMax });
      case 'snappy':
        return decompressSnappy(bytes, bytesMax);
      case 'lz4':
        return decompressLz4(bytes, bytesMax);
      case 'zstd':
        return decompressZstd(bytes, bytesMax);
      default:
        throw new FraudstreamError('FS_BATCH_CORRUPT', `compression codec ${codec} is not known`);
    }
  } catch (error) {
    if (error instanceof FraudstreamError) throw error;
    const { code, message } = error as { code?: string; message?: string };
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(codec, bytesMax);
    throw new FraudstreamError(
      'FS_BATCH_CORRUPT',
      `${CODEC_NAMES[codec] ?? codec}: ${message ?? 'unreadable'}`,
      {},
      { cause: error },
    );
  }
}

function tooLarge(codec: number, bytesMax: number): FraudstreamError {
  return new FraudstreamError('FS_BATCH_EXPANSION', `${CODEC_NAMES[codec] ?? codec} data beyond ${bytesMax} bytes`);
}

function corrupt(codec: CodecName, what: string): FraudstreamError {
  return new FraudstreamError('FS_BATCH_CORRUPT', `${codec}: ${what}`);
}

// ---- snappy: bare, or in the blocks of the xerial library that Java clients write

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;
const XERIAL_BLOCK_BYTES = 32_768;
/** a snappy copy of 64 bytes takes 3, so no honest block grows more than this */
const SNAPPY_RATIO_MAX = 24;

/** Java's SnappyInputStream reads nothing but xerial blocks. */
function compressSnappy(bytes: Buffer): Buffer {
  const header = Buffer.alloc(XERIAL_HEADER_BYTES);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(1, 8);
  header.writeInt32BE(1, 12);
  const parts: Buffer[] = [header];
  for (let at = 0; at < bytes.length; at += XERIAL_BLOCK_BYTES) {
    const block = snappy.compressSync(bytes.subarray(at, at + XERIAL_BLOCK_BYTES));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length, 0);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** The length that a snappy block says it has: a little-endian varint at its start. */
function snappyLength(block: Buffer): number {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = block[i];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return value;
  }
  throw corrupt('snappy', 'no length');
}

function decompressSnappy(bytes: Buffer, bytesMax: number): Buffer {
  const blocks: Buffer[] = [];
  if (bytes.length >= XERIAL_HEADER_BYTES && bytes.subarray(0, 8).equals(XERIAL_MAGIC)) {
    let at = XERIAL_HEADER_BYTES;
    while (at < bytes.length) {
      const length = at + 4 <= bytes.length ? bytes.readInt32BE(at) : -1;
      if (length < 0 || at + 4 + length > bytes.length) throw corrupt('snappy', 'block length');
      blocks.push(bytes.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
  } else {
    blocks.push(bytes);
  }
  let total = 0;
  for (const block of blocks) {
    const length = snappyLength(block);
    total += length;
    if (total > bytesMax) throw tooLarge(CODEC_NUMBERS.snappy, bytesMax);
    if (length > block.length * SNAPPY_RATIO_MAX) throw corrupt('snappy', 'length beyond what the block can hold');
  }
  const parts = blocks.map((block) => snappy.uncompressSync(block, { asBuffer: true }) as Buffer);
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, total);
}

// ---- lz4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md)

const LZ4_MAGIC = 0x184d2204;
const LZ4_BLOCK_BYTES = [0, 0, 0, 0, 65_536, 262_144, 1_048_576, 4_194_304];

function decompressLz4(bytes: Buffer, bytesMax: number): Buffer {
  // The library has no limit of its own, so the frame is walked first: its blocks say how much they can become.
  let bound = 0;
  let exact = 0;
  let at = 0;
  while (at < bytes.length) {
    if (at + 7 > bytes.length || bytes.readUInt32LE(at) !== LZ4_MAGIC) throw corrupt('lz4', 'frame magic');
    const flags = bytes[at + 4] as number;
    const blockMax = LZ4_BLOCK_BYTES[((bytes[at + 5] as number) >> 4) & 7] as number;
    if (blockMax === 0) throw corrupt('lz4', 'block size');
    at += 6;
    if ((flags & 0x08) !== 0) {
      if (at + 8 > bytes.length) throw corrupt('lz4', 'content size');
      if (bytes.readBigUInt64LE(at) > BigInt(bytesMax)) throw tooLarge(CODEC_NUMBERS.lz4, bytesMax);
      at += 8;
    }
    if ((flags & 0x01) !== 0) at += 4;
    at += 1;
    for (;;) {
      if (at + 4 > bytes.length) throw corrupt('lz4', 'block length');
      const word = bytes.readUInt32LE(at);
      at += 4;
      if (word === 0) break;
      const stored = (word & 0x8000_0000) !== 0;
      const length = word & 0x7fff_ffff;
      if (length > blockMax || at + length > bytes.length) throw corrupt('lz4', 'block length');
      bound += stored ? length : Math.min(blockMax, length * 255);
      // Only a batch that might be too large pays for counting.
      if (bound > bytesMax) {
        exact += stored ? length : lz4BlockLength(bytes, at, at + length, blockMax);
        if (exact > bytesMax) throw tooLarge(CODEC_NUMBERS.lz4, bytesMax);
      } else {
        exact = bound;
      }
      at += length + ((flags & 0x10) !== 0 ? 4 : 0);
    }
    if ((flags & 0x04) !== 0) at += 4;
  }
  if (at !== bytes.length) throw corrupt('lz4', 'frame end');
  return decompressFrameSync(bytes);
}

/** How much a block becomes: the sum of its literal and match lengths. */
function lz4BlockLength(bytes: Buffer, from: number, end: number, blockMax: number): number {
  let at = from;
  let length = 0;
  while (at < end) {
    const token = bytes[at++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255 && at < end) {
        byte = bytes[at++] as number;
        literals += byte;
      }
    }
    at += literals;
    length += literals;
    if (at >= end) break;
    at += 2;
    let match = (token & 15) + 4;
    if (match === 19) {
      let byte = 255;
      while (byte === 255 && at < end) {
        byte = bytes[at++] as number;
        match += byte;
      }
    }
    length += match;
    if (length > blockMax) throw corrupt('lz4', 'block beyond its size');
  }
  return length;
}

// ---- zstd (RFC 8878)

const ZSTD_MAGIC = 0xfd2fb528;
/** what zstd itself accepts without being told more */
const ZSTD_WINDOW_BYTES_MAX = 134_217_728;

/** A frame header of ten bytes may ask for a window of gigabytes, which a decoder would allocate. */
function checkZstdWindow(bytes: Buffer, bytesMax: number): void {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== ZSTD_MAGIC) throw corrupt('zstd', 'frame magic');
  const flags = bytes[4] as number;
  const sizeFlag = flags >> 6;
  const singleSegment = (flags & 0x20) !== 0;
  const descriptor = bytes[5] as number;
  const base = 2 ** (10 + (descriptor >> 3));
  if (!singleSegment && base + (base / 8) * (descriptor & 7) > ZSTD_WINDOW_BYTES_MAX) {
    throw tooLarge(CODEC_NUMBERS.zstd, bytesMax);
  }
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeFlag;
  const at = (singleSegment ? 5 : 6) + ([0, 1, 2, 4][flags & 3] as number);
  if (at + sizeBytes > bytes.length) throw corrupt('zstd', 'frame header');
  const size =
    sizeBytes === 8 ? Number(bytes.readBigUInt64LE(at)) : sizeBytes > 0 ? bytes.readUIntLE(at, sizeBytes) : 0;
  if (size > bytesMax) throw tooLarge(CODEC_NUMBERS.zstd, bytesMax);
}

function decompressZstd(bytes: Buffer, bytesMax: number): Buffer {
  checkZstdWindow(bytes, bytesMax);
  if (nodeZstd.zstdDecompressSync !== undefined)
    return nodeZstd.zstdDecompressSync(bytes, { maxOutputLength: bytesMax });
  const parts: Uint8Array[] = [];
  let total = 0;
  let ended = false;
  const stream = new ZstdStream((part, final) => {
    total += part.length;
    if (total > bytesMax) throw tooLarge(CODEC_NUMBERS.zstd, bytesMax);
    parts.push(part);
    ended = final === true;
  });
  stream.push(bytes, true);
  if (!ended) throw corrupt('zstd', 'the frame ends early');
  return Buffer.concat(parts, total);
}
