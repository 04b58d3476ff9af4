import { describe, expect, it } from 'vitest';
import { decodeMetadata, encodeMetadata } from '../../../src/transport/kafka/metadata-protocol.ts';
import { encodeProduce } from '../../../src/transport/kafka/produce-protocol.ts';
import { ProtocolReader, ProtocolWriter } from '../../../src/transport/kafka/protocol-bytes.ts';
import { readBatchFrame } from '../../../src/transport/kafka/record-batch-decode.ts';
import { encodeBatch, sealBatch } from '../../../src/transport/kafka/record-batch-encode.ts';
import { transactionRefusal } from '../../../src/transport/kafka/transaction-errors.ts';
import * as protocol from '../../../src/transport/kafka/transaction-protocol.ts';

const transaction = { transactionalId: 'app-0', identity: { producerId: 0x0102030405060708n, epoch: 9 } };
const hex = (text: string): string => text.replaceAll(/\s/g, '');

describe('encoding', () => {
  // '6170702d30' is app-0
  it.each([
    ['FindCoordinator', protocol.encodeFindCoordinator('transaction', 'app-0'), '0005 6170702d30 01'],
    ['FindCoordinator', protocol.encodeFindCoordinator('group', 'é'), '0002 c3a9 00'],
    ['InitProducerId', protocol.encodeInitProducerId('app-0', 5_000), '0005 6170702d30 00001388'],
    ['AddOffsetsToTxn', protocol.encodeAddOffsets(transaction, 'g'), '0005 6170702d30 0102030405060708 0009 0001 67'],
    ['EndTxn', protocol.encodeEndTxn(transaction, true), '0005 6170702d30 0102030405060708 0009 01'],
    ['EndTxn', protocol.encodeEndTxn(transaction, false), '0005 6170702d30 0102030405060708 0009 00'],
    [
      'AddPartitionsToTxn',
      protocol.encodeAddPartitions(transaction, [
        { topic: 'a', partition: 1 },
        { topic: 'b', partition: 2 },
        { topic: 'a', partition: 3 },
      ]),
      `0005 6170702d30 0102030405060708 0009
       00000002 0001 61 00000002 00000001 00000003 0001 62 00000001 00000002`,
    ],
    [
      'TxnOffsetCommit',
      protocol.encodeTxnOffsetCommit(transaction, 'g', { topic: 't', partition: 4, offset: 2 ** 40, metadata: 'fs1' }),
      `0005 6170702d30 0001 67 0102030405060708 0009
       00000001 0001 74 00000001 00000004 0000010000000000 0003 667331`,
    ],
    ['Metadata', encodeMetadata('t'), `00 02 ${'00'.repeat(16)} 02 74 00 00 00 00 00`],
  ])('%s', (_name, bytes, expected) => {
    expect(bytes.toString('hex')).toBe(hex(expected));
  });

  it('Produce carries the transactional id, and the batch says that it is of a transaction, checksum and all', () => {
    const { bytes } = encodeBatch([{ key: null, value: Buffer.from('v'), headers: null, timestampMs: 1 }], 1, 0, null);
    sealBatch(bytes, 7n, 3, 11, true);
    const transactional = readBatchFrame(bytes, 0);
    expect(transactional).toMatchObject({ kind: 'batch', header: { transactional: true, codec: 0, producerId: 7 } });
    const crc = bytes.readUInt32BE(17);
    bytes.writeInt16BE(bytes.readInt16BE(21) & ~0x10, 21);
    sealBatch(bytes, 7n, 3, 11);
    expect(readBatchFrame(bytes, 0)).toMatchObject({ header: { transactional: false } });
    expect(bytes.readUInt32BE(17)).not.toBe(crc);
    const parts = encodeProduce([{ topic: 't', partition: 0, batch: bytes }], -1, 500, 'app-0');
    expect(parts[0]?.toString('hex')).toBe(hex('0005 6170702d30 ffff 000001f4 00000001'));
    const without = encodeProduce([{ topic: 't', partition: 0, batch: bytes }], -1, 500);
    expect(without[0]?.toString('hex')).toBe(hex('ffff ffff 000001f4 00000001'));
  });

  it('long texts make room', () => {
    const long = 'x'.repeat(30_000);
    const reader = new ProtocolReader(new ProtocolWriter().string(long).compactString(long).int8(-3).end());
    expect([reader.string(), reader.compactString(), reader.int8()]).toEqual([long, long, -3]);
  });

  it.each([0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1])('unsigned varint %i', (value) => {
    expect(new ProtocolReader(new ProtocolWriter().unsignedVarint(value).end()).unsignedVarint()).toBe(value);
  });
});

describe('decoding', () => {
  it('a coordinator, an identity, an error', () => {
    const found = Buffer.from(hex('00000000 0000 ffff 00000005 0004 686f7374 00002384'), 'hex');
    expect(protocol.decodeFindCoordinator(found)).toEqual({ errorCode: 0, nodeId: 5 });
    const identity = Buffer.from(hex('00000000 0000 7fffffffffffffff 0003'), 'hex');
    expect(protocol.decodeInitProducerId(identity)).toEqual({ errorCode: 0, producerId: 2n ** 63n - 1n, epoch: 3 });
    expect(protocol.decodeErrorCode(Buffer.from('000000000033', 'hex'))).toBe(0x33);
  });

  it('of several refused partitions, the one that says why', () => {
    const answer = (...codes: number[]): Buffer => {
      const writer = new ProtocolWriter().int32(0).int32(2).string('a').int32(codes.length);
      codes.forEach((code, partition) => writer.int32(partition).int16(code));
      return writer.string('b').int32(1).int32(7).int16(0).end();
    };
    expect(protocol.decodePartitionErrors(answer(0, 0))).toBe(null);
    expect(protocol.decodePartitionErrors(answer(55, 0, 29))).toEqual({ topic: 'a', partition: 2, errorCode: 29 });
    expect(protocol.decodePartitionErrors(answer(0, 55))).toEqual({ topic: 'a', partition: 1, errorCode: 55 });
  });

  it('metadata with tagged fields, and answers that end early', () => {
    const id = 'ab'.repeat(16);
    const answer = Buffer.from(
      hex(`00 00000000
        02 00000001 0a 3132372e302e302e31 00002384 00 00
        08 636c7573746572 00000001
        02 0000 02 74 ${id} 00
          03 0000 00000000 00000001 00000000 02 00000001 02 00000001 01 00
             0000 00000001 00000001 00000000 02 00000001 02 00000001 01 01 05 02 ffff
          80000000 00
        80000000 00`),
      'hex',
    );
    expect(decodeMetadata(answer)).toEqual({ clusterId: 'cluster', errorCode: 0, topicId: id, partitions: 2 });
    for (let length = 0; length < answer.length - 5; length++) {
      expect(() => decodeMetadata(answer.subarray(0, length)), `${length} bytes`).toThrow(RangeError);
    }
    const endless = Buffer.from('ffffffffff', 'hex');
    expect(() => new ProtocolReader(endless).unsignedVarint()).toThrow(RangeError);
    const many = new ProtocolWriter().int32(2_000_000_000).end();
    expect(() => new ProtocolReader(many).array(() => 1)).toThrow(RangeError);
  });
});

describe('refusals', () => {
  const CODES = {
    busy: { init: [14, 15, 16, 51], add: [51], offset: [14, 15, 16, 51], end: [51], produce: [] },
    fenced: [45, 46, 47, 48, 49, 59, 90, 120],
    unavailable: [-1, 6, 7, 13, 19, 20, 55],
    refused: [29, 30, 31, 53, 87],
  } as const;
  const KINDS = ['init', 'add', 'offset', 'produce', 'end'] as const;

  it.each(KINDS)('%s: what each error code means', (kind) => {
    const codeOf = (errorCode: number): string => transactionRefusal(kind, errorCode, 'cannot').code;
    for (const code of CODES.busy[kind]) expect(codeOf(code), `${code}`).toBe('FS_KAFKA_BUSY');
    for (const code of [14, 15, 16, 51].filter((one) => !(CODES.busy[kind] as readonly number[]).includes(one))) {
      expect(codeOf(code), `${code}`).toBe('FS_KAFKA_UNAVAILABLE');
    }
    for (const code of CODES.fenced) expect(codeOf(code), `${code}`).toBe('FS_KAFKA_FENCED');
    for (const code of CODES.unavailable) expect(codeOf(code), `${code}`).toBe('FS_KAFKA_UNAVAILABLE');
    for (const code of CODES.refused) expect(codeOf(code), `${code}`).toBe('FS_KAFKA_REFUSED');
    expect(codeOf(3)).toBe('FS_KAFKA_TOPIC_MISSING');
    expect(codeOf(10)).toBe('FS_OUTPUT_TOO_LARGE');
    // a member of a group that is not one any more
    expect(codeOf(22)).toBe('FS_KAFKA_FENCED');
  });

  it('says what was tried, where, and what the broker said', () => {
    const error = transactionRefusal('produce', 46, 'cannot write to t/3', { topic: 't', partition: 3 });
    expect(error.message).toContain('cannot write to t/3 (DUPLICATE_SEQUENCE_NUMBER)');
    expect(error.place).toEqual({ topic: 't', partition: 3 });
  });
});
