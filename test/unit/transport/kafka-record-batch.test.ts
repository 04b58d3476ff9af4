import { createRequire } from 'node:module';
import { describe, expect, it, test } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { CODEC_NUMBERS, compressorOf, type CodecName } from '../../../src/transport/kafka/compression.ts';
import { crc32c } from '../../../src/transport/kafka/crc32c.ts';
import '../../../src/transport/kafka/kafkajs-internals.ts';
import { murmur2 } from '../../../src/transport/kafka/murmur2.ts';
import {
  BATCH_HEADER_BYTES,
  crcMatches,
  readBatchFrame,
  RecordCursor,
  type BatchHeader,
  type FetchedRecord,
} from '../../../src/transport/kafka/record-batch-decode.ts';
import { encodeBatch, recordBytesMax, sealBatch } from '../../../src/transport/kafka/record-batch-encode.ts';
import type { RecordHeaders } from '../../../src/transport/record.ts';

// KafkaJS's own encoder and decoder are the reference.
const require = createRequire(import.meta.url);
interface TheirRecord {
  offset: string;
  timestamp: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer | Buffer[]>;
}
const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object;
const theirDecode = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
  decoder: object,
) => Promise<{ records: TheirRecord[]; producerId: string; producerEpoch: number; firstSequence: number }>;
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(options: object): Promise<{ buffer: Buffer }>;
};
const TheirRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (options: object) => object;
const theirMurmur2 = require('kafkajs/src/producer/partitioners/default/murmur2') as (key: Buffer) => number;
const theirCrc = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;

interface Sample {
  key: Buffer | null;
  value: Buffer | null;
  headers: RecordHeaders | null;
  timestampMs: number;
}

/** mulberry32: small, seeded, good enough to make samples */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function bytesOf(next: () => number, lengthMax: number): Buffer {
  // lengths around the steps of the varint encoding
  const lengths = [0, 1, 63, 64, 8_191, 8_192, Math.floor(next() * lengthMax)];
  const length = Math.min(lengthMax, lengths[Math.floor(next() * lengths.length)] as number);
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = Math.floor(next() * 256);
  return bytes;
}

function sample(next: () => number): Sample {
  const times = [0, 1, 1_700_000_000_000, 253_402_300_799_999, 1_700_000_000_000 + Math.floor(next() * 2 ** 33)];
  const headers: Record<string, Buffer | Buffer[]> = {};
  for (let i = Math.floor(next() * 4); i > 0; i--) {
    headers[['traceparent', 'ce_id', 'größe', ''][i] as string] =
      next() < 0.3 ? [bytesOf(next, 20), bytesOf(next, 20)] : bytesOf(next, 90);
  }
  return {
    key: next() < 0.2 ? null : bytesOf(next, 100),
    value: next() < 0.1 ? null : bytesOf(next, 9_000),
    headers: Object.keys(headers).length === 0 ? null : headers,
    timestampMs: times[Math.floor(next() * times.length)] as number,
  };
}

const samples = (seed: number): Sample[] => {
  const next = random(seed);
  return Array.from({ length: 1 + Math.floor(next() * 40) }, () => sample(next));
};

function headerOf(bytes: Buffer): BatchHeader {
  const frame = readBatchFrame(bytes, 0);
  if (frame.kind !== 'batch') throw new Error(frame.kind);
  return frame.header;
}

function decodeAll(bytes: Buffer): FetchedRecord[] {
  const header = headerOf(bytes);
  const cursor = new RecordCursor(bytes, BATCH_HEADER_BYTES, header.end, header, 't', 3);
  const records: FetchedRecord[] = [];
  for (let record = cursor.next(); record !== null; record = cursor.next()) records.push(record);
  return records;
}

/** All of a record in texts: comparing those is hundreds of times faster than comparing buffers item by item. */
const told = (
  record: { key: Buffer | null; value: Buffer | null; headers: RecordHeaders | null },
  offset: number,
  timestampMs: number,
): unknown => ({
  offset,
  timestampMs,
  key: record.key?.toString('latin1') ?? null,
  value: record.value?.toString('latin1') ?? null,
  headers: Object.entries(record.headers ?? {}).map(([name, value]) => [
    name,
    (Buffer.isBuffer(value) ? [value] : value).map((each) => each.toString('latin1')),
  ]),
});

describe('record batches', () => {
  it('what we encode, KafkaJS decodes to the same records', async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const records = samples(seed);
      const { bytes } = encodeBatch(records, 5, 0, null);
      sealBatch(bytes, 123_456_789_012n, 7, 42);
      const theirs = await theirDecode(new Decoder(bytes));
      expect(theirs).toMatchObject({ producerId: '123456789012', producerEpoch: 7, firstSequence: 42 });
      expect(theirs.records.map((record) => told(record, Number(record.offset), Number(record.timestamp)))).toEqual(
        records.map((record, i) => told(record, i, record.timestampMs)),
      );
      expect(crcMatches(bytes, headerOf(bytes))).toBe(true);
      expect(bytes.length).toBeLessThanOrEqual(
        BATCH_HEADER_BYTES + records.reduce((sum, r) => sum + recordBytesMax(r), 0),
      );
    }
  });

  it('what KafkaJS encodes, we decode to the same records', async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const records = samples(seed);
      const first = records[0]?.timestampMs ?? 0;
      const { buffer } = await RecordBatch({
        records: records.map(({ key, value, headers, timestampMs }, i) =>
          TheirRecord({ key, value, headers: headers ?? {}, offsetDelta: i, timestampDelta: timestampMs - first }),
        ),
        firstTimestamp: first,
        maxTimestamp: Math.max(...records.map(({ timestampMs }) => timestampMs)),
        lastOffsetDelta: records.length - 1,
      });
      const bytes = Buffer.from(buffer);
      expect(crcMatches(bytes, headerOf(bytes))).toBe(true);
      const decoded = decodeAll(bytes);
      expect(decoded.map((record) => told(record, record.offset, record.timestampMs))).toEqual(
        records.map((record, i) => told(record, i, record.timestampMs)),
      );
      expect(decoded.every(({ topic, partition }) => topic === 't' && partition === 3)).toBe(true);
    }
  });

  it('a timestamp below 0 becomes the given time, and log append time counts for all records', () => {
    const { bytes } = encodeBatch(
      [{ key: null, value: Buffer.from('a'), headers: null, timestampMs: -1 }],
      1_234,
      0,
      null,
    );
    expect(decodeAll(bytes)[0]?.timestampMs).toBe(1_234);
    bytes.writeInt16BE(0x08, 21);
    bytes.writeBigInt64BE(9_999n, 35);
    expect(decodeAll(bytes)[0]?.timestampMs).toBe(9_999);
  });

  it('a header named like a property of objects is a header', () => {
    const headers = JSON.parse('{"__proto__":0,"constructor":0}') as Record<string, unknown>;
    for (const name of Object.keys(headers))
      Object.defineProperty(headers, name, { value: Buffer.from(name), enumerable: true });
    const { bytes } = encodeBatch(
      [{ key: null, value: null, headers: headers as RecordHeaders, timestampMs: 1 }],
      1,
      0,
      null,
    );
    const read = decodeAll(bytes)[0]?.headers as RecordHeaders;
    expect(Object.keys(read)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(read)).toBe(null);
  });

  it('no mutation of a batch crashes or reads outside it: records, or FS_BATCH_CORRUPT', () => {
    const next = random(99);
    let corrupt = 0;
    for (let round = 0; round < 6_000; round++) {
      const { bytes } = encodeBatch(
        [sample(next), sample(next)].map((s) => ({ ...s, value: s.value?.subarray(0, 40) ?? null })),
        5,
        0,
        null,
      );
      for (let hits = 1 + Math.floor(next() * 3); hits > 0; hits--) {
        bytes[BATCH_HEADER_BYTES - 4 + Math.floor(next() * (bytes.length - BATCH_HEADER_BYTES + 4))] = Math.floor(
          next() * 256,
        );
      }
      try {
        for (const record of decodeAll(bytes)) {
          expect(Number.isSafeInteger(record.offset)).toBe(true);
          void record.headers;
        }
      } catch (error) {
        expect(error).toBeInstanceOf(FraudstreamError);
        expect((error as FraudstreamError).code).toBe('FS_BATCH_CORRUPT');
        corrupt++;
      }
    }
    expect(corrupt).toBeGreaterThan(500);
  });

  it('a forged record count is refused before anything is read', () => {
    const { bytes } = encodeBatch([sample(random(1))], 5, 0, null);
    bytes.writeInt32BE(0x7fff_ffff, 57);
    expect(() => decodeAll(bytes)).toThrow(/record count/);
  });

  it('frames: cut off, broken and of older formats', () => {
    const { bytes } = encodeBatch([sample(random(2))], 5, 0, null);
    expect(readBatchFrame(bytes, bytes.length).kind).toBe('partial');
    expect(readBatchFrame(bytes.subarray(0, bytes.length - 1), 0).kind).toBe('partial');
    const broken = Buffer.from(bytes);
    broken.writeInt32BE(10, 8);
    expect(readBatchFrame(broken, 0).kind).toBe('broken');
    broken[16] = 1;
    expect(readBatchFrame(broken, 0).kind).toBe('legacy');
    broken[16] = 9;
    expect(readBatchFrame(broken, 0).kind).toBe('broken');
  });

  it.each(['gzip', 'snappy', 'lz4'] as CodecName[])(
    'compressed with %s, KafkaJS reads it with our codecs',
    async (name) => {
      const records = samples(7);
      const { bytes } = encodeBatch(records, 5, CODEC_NUMBERS[name], compressorOf(name));
      sealBatch(bytes, -1n, -1, -1);
      const theirs = await theirDecode(new Decoder(bytes));
      expect(theirs.records.map((record) => told(record, Number(record.offset), Number(record.timestamp)))).toEqual(
        records.map((record, i) => told(record, i, record.timestampMs)),
      );
    },
  );
});

test('CRC-32C agrees with the check value and with KafkaJS on all short lengths', () => {
  expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283);
  const next = random(3);
  for (let length = 0; length < 200; length++) {
    const bytes = Buffer.from(Array.from({ length }, () => Math.floor(next() * 256)));
    expect(crc32c(bytes, 0, length)).toBe(theirCrc(bytes) >>> 0);
  }
});

test('murmur2 agrees with the Java client as KafkaJS has it', () => {
  // the test vectors of org.apache.kafka.common.utils.UtilsTest
  const known: [string, number][] = [
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['abc', 479_470_107],
  ];
  for (const [key, hash] of known) expect(murmur2(Buffer.from(key))).toBe(hash);
  const next = random(4);
  for (let i = 0; i < 500; i++) {
    const key = bytesOf(next, 100);
    expect(murmur2(key)).toBe(theirMurmur2(key));
  }
});
