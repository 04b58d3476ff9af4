import { gzipSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import snappy from 'snappy';
import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import {
  CODEC_NUMBERS,
  compressorOf,
  decompress,
  ZSTD_PRODUCE_AVAILABLE,
} from '../../../src/transport/kafka/compression.ts';

const MIB = 1_048_576;
const CAP = 8 * MIB;
const text = Buffer.from('one payment after the other, '.repeat(5_000));

/** zstd, made here: one frame of RLE blocks, each a byte repeated (RFC 8878, 3.1.1.2). */
function zstdOfZeros(bytes: number): Buffer {
  const parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38])]; // window 128 KiB, no content size
  const block = 131_072;
  for (let left = bytes; left > 0; left -= block) {
    const size = Math.min(block, left);
    const head = (size << 3) | (1 << 1) | (left <= block ? 1 : 0);
    parts.push(Buffer.from([head & 0xff, (head >> 8) & 0xff, (head >> 16) & 0xff, 0]));
  }
  return Buffer.concat(parts);
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return error instanceof FraudstreamError ? error.code : String(error);
  }
}

const BOMBS: [string, number, () => Buffer][] = [
  ['gzip', CODEC_NUMBERS.gzip, () => gzipSync(Buffer.alloc(64 * MIB))],
  ['snappy', CODEC_NUMBERS.snappy, () => snappy.compressSync(Buffer.alloc(64 * MIB))],
  ['snappy in xerial blocks', CODEC_NUMBERS.snappy, () => compressorOf('snappy')?.(Buffer.alloc(64 * MIB)) as Buffer],
  ['lz4', CODEC_NUMBERS.lz4, () => compressFrameSync(Buffer.alloc(64 * MIB))],
  ['zstd', CODEC_NUMBERS.zstd, () => zstdOfZeros(64 * MIB)],
];

describe('compression', () => {
  it.each(['gzip', 'snappy', 'lz4'] as const)('%s comes back as it was', (name) => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('a'), text, Buffer.alloc(3 * MIB, 'xyz')]) {
      const packed = compressorOf(name)?.(bytes) as Buffer;
      expect(decompress(CODEC_NUMBERS[name], packed, CAP).equals(bytes)).toBe(true);
    }
  });

  it('bare snappy, as librdkafka writes it, is read too', () => {
    expect(decompress(CODEC_NUMBERS.snappy, snappy.compressSync(text), CAP).equals(text)).toBe(true);
  });

  it('zstd is read, and written where this Node can', () => {
    expect(decompress(CODEC_NUMBERS.zstd, zstdOfZeros(300_000), CAP).equals(Buffer.alloc(300_000))).toBe(true);
    // Node 22's own zstd gives what there is of a frame that was cut; the record count of the batch then tells.
    const cut = codeOf(() => decompress(CODEC_NUMBERS.zstd, zstdOfZeros(300_000).subarray(0, 11), CAP));
    expect(ZSTD_PRODUCE_AVAILABLE ? ['none', 'FS_BATCH_CORRUPT'] : ['FS_BATCH_CORRUPT']).toContain(cut);
    if (ZSTD_PRODUCE_AVAILABLE) {
      expect(decompress(CODEC_NUMBERS.zstd, compressorOf('zstd')?.(text) as Buffer, CAP).equals(text)).toBe(true);
    } else {
      expect(codeOf(() => compressorOf('zstd'))).toBe('FS_CONFIG_INVALID');
    }
  });

  it('none is no compressor', () => {
    expect(compressorOf('none')).toBe(null);
    expect(codeOf(() => decompress(5, text, CAP))).toBe('FS_BATCH_CORRUPT');
  });

  it.each(BOMBS)('a bomb of %s is refused quickly and in little memory', (_name, codec, make) => {
    const bomb = make();
    expect(bomb.length).toBeLessThan(4 * MIB);
    const before = process.memoryUsage();
    const start = process.cpuUsage();
    expect(codeOf(() => decompress(codec, bomb, CAP))).toBe('FS_BATCH_EXPANSION');
    const after = process.memoryUsage();
    // of the processor, not of the clock: a busy machine says nothing about us
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1_000).toBeLessThan(2_000);
    expect(after.external + after.heapUsed - before.external - before.heapUsed).toBeLessThan(40 * MIB);
    // exactly at the limit it is no bomb
    expect(decompress(codec, bomb, 64 * MIB).length).toBe(64 * MIB);
  });

  it('lengths that a header forges are refused before memory is taken', () => {
    const snappyLie = Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0x0f]), Buffer.from('abc')]); // 33 MB out of 3 bytes
    expect(codeOf(() => decompress(CODEC_NUMBERS.snappy, snappyLie, 64 * MIB))).toBe('FS_BATCH_CORRUPT');
    const zstdWindow = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00]); // 2 GiB
    expect(codeOf(() => decompress(CODEC_NUMBERS.zstd, zstdWindow, CAP))).toBe('FS_BATCH_EXPANSION');
    const zstdSize = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00]); // 4 GiB
    expect(codeOf(() => decompress(CODEC_NUMBERS.zstd, zstdSize, CAP))).toBe('FS_BATCH_EXPANSION');
    const lz4 = compressFrameSync(text);
    const size = Buffer.alloc(8, 0xff);
    const lz4Size = Buffer.concat([
      lz4.subarray(0, 4),
      Buffer.from([(lz4[4] as number) | 0x08]),
      lz4.subarray(5, 6),
      size,
      lz4.subarray(6),
    ]);
    expect(codeOf(() => decompress(CODEC_NUMBERS.lz4, lz4Size, CAP))).toBe('FS_BATCH_EXPANSION');
  });

  it.each(BOMBS.map(([name, codec]) => [name, codec] as const))(
    'mutated and cut %s data never crashes',
    (name, codec) => {
      const source = text.subarray(0, 2_000);
      const packed =
        name === 'zstd'
          ? zstdOfZeros(2_000)
          : name === 'snappy'
            ? snappy.compressSync(source)
            : ((compressorOf(name.split(' ')[0] as 'gzip')?.(source) ?? source) as Buffer);
      let seed = 12_345;
      const next = (below: number): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        return Math.floor((seed / 4_294_967_296) * below);
      };
      for (let round = 0; round < 2_000; round++) {
        const mutated = Buffer.from(packed.subarray(0, 1 + next(packed.length)));
        mutated[next(mutated.length)] = next(256);
        expect(['none', 'FS_BATCH_CORRUPT', 'FS_BATCH_EXPANSION']).toContain(
          codeOf(() => decompress(codec, mutated, CAP)),
        );
      }
    },
  );
});
