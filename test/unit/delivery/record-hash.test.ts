import { describe, expect, it } from 'vitest';
import { hashOf } from '../../../src/delivery/record-hash.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import type { InputRecord } from '../../../src/transport/record.ts';

const RECORD: InputRecord = {
  topic: 'transactions',
  partition: 0,
  offset: 5,
  timestampMs: 1_000,
  key: Buffer.from('key'),
  value: Buffer.from('value'),
  headers: null,
};

describe('the hash of a record', () => {
  it('is 128 bits of base64url, and always the same', () => {
    expect(hashOf(RECORD)).toMatch(/^[\w-]{22}$/);
    expect(hashOf({ ...RECORD, key: Buffer.from('key') })).toBe(hashOf(RECORD));
    // pinned: positions that are committed hold it
    expect(hashOf(RECORD)).toBe('2hXKm9zJ4z0epNn-1oLX4N');
  });

  it('differs with timestamp, key and value, and with where they are cut', () => {
    const records: InputRecord[] = [
      RECORD,
      { ...RECORD, timestampMs: 1_001 },
      { ...RECORD, timestampMs: -1 },
      { ...RECORD, key: null },
      { ...RECORD, key: Buffer.alloc(0) },
      { ...RECORD, value: null },
      { ...RECORD, value: Buffer.alloc(0) },
      { ...RECORD, key: Buffer.from('keyv'), value: Buffer.from('alue') },
      { ...RECORD, key: null, value: Buffer.from('keyvalue') },
      { ...RECORD, key: Buffer.from('keyvalue'), value: null },
    ];
    expect(new Set(records.map(hashOf)).size).toBe(records.length);
  });

  it('is of what a broker keeps: place and headers do not count', () => {
    expect(hashOf({ ...RECORD, offset: 6, partition: 1, headers: { a: Buffer.from('b') } })).toBe(hashOf(RECORD));
  });

  it('is none of a record that cannot be read', () => {
    expect(hashOf({ ...RECORD, failure: new FraudstreamError('FS_BATCH_CORRUPT', '') })).toBe('');
  });
});
