import { describe, expect, it } from 'vitest';
import { deadLetterOf, isIncomplete, replayHeaders } from '../../../src/codec/dead-letter.ts';
import { passHeaders } from '../../../src/codec/pass-headers.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { RecordHeaders } from '../../../src/transport/record.ts';
import { inputRecord } from './sample.ts';

const error = new FraudstreamError('FS_AVRO_TRUNCATED', 'in field user_id');
const text = (headers: RecordHeaders | null) =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]));

const OURS = {
  '__connect.errors.topic': 'transactions',
  '__connect.errors.partition': '2',
  '__connect.errors.offset': '41',
  '__connect.errors.stage': 'decode',
  '__connect.errors.exception.class.name': 'FraudstreamError',
  '__connect.errors.exception.message': error.message,
  'fraudstream.error.code': 'FS_AVRO_TRUNCATED',
};

describe('dead letter', () => {
  it('keeps bytes, key, timestamp and headers, and says where and why', () => {
    const value = Buffer.from([1, 2, 3]);
    const key = Buffer.from('user-1');
    const headers = { traceparent: Buffer.from('00-ab'), twice: [Buffer.from('a'), Buffer.from('b')] };
    const letter = deadLetterOf(inputRecord(value, { key, headers }), error);
    expect(letter).toMatchObject({ stream: 'dead-letter', partition: 2, timestampMs: 7 });
    expect(letter.value).toBe(value);
    expect(letter.key).toBe(key);
    expect(letter.headers?.['twice']).toEqual(headers.twice);
    expect(text(letter.headers)).toEqual({ ...OURS, traceparent: '00-ab', twice: 'a,b' });
  });

  it('keeps a tombstone a tombstone', () => {
    expect(deadLetterOf(inputRecord(null), error)).toMatchObject({ key: null, value: null });
  });

  it('replaces what an earlier failure left', () => {
    const first = deadLetterOf(inputRecord(Buffer.from('x'), { topic: 'old', offset: 1 }), error);
    const headers = { ...first.headers, '__connect.errors.exception.stacktrace': Buffer.from('at …') };
    const second = deadLetterOf(inputRecord(first.value, { headers }), error);
    expect(text(second.headers)).toEqual(OURS);
  });

  it('cuts a long message between characters', () => {
    const long = new FraudstreamError('FS_INTERNAL', 'é'.repeat(10_000));
    const message = deadLetterOf(inputRecord(null), long).headers?.['__connect.errors.exception.message'] as Buffer;
    expect(message.length).toBeLessThanOrEqual(4_096);
    expect(message.toString('utf8')).not.toContain('\ufffd');
  });

  it('drops headers beyond the limits, and says how many', () => {
    const many = Object.fromEntries(
      Array.from({ length: LIMITS.headersMax + 3 }, (_, i) => [`h${i}`, Buffer.from('v')]),
    );
    expect(text(deadLetterOf(inputRecord(null, { headers: many }), error).headers)).toMatchObject({
      'fraudstream.headers.dropped': '3',
    });
    const headers = { big: Buffer.alloc(LIMITS.headerBytesMax), small: Buffer.from('s') };
    const letter = deadLetterOf(inputRecord(null, { headers }), error);
    expect(text(letter.headers)).toEqual({ ...OURS, small: 's', 'fraudstream.headers.dropped': '1' });
  });

  describe('of a record with a card number', () => {
    const card = new FraudstreamError('FS_CARD_NUMBER', 'field card_id', { field: 'card_id' });
    const pan = '4111 1111 1111 1111';
    const letterOf = (key: string, headers: RecordHeaders = {}) =>
      deadLetterOf(inputRecord(Buffer.from(`…${pan}…`), { key: Buffer.from(key), headers }), card);

    it('carries no payload', () => {
      const letter = letterOf('user-1', { ce_id: Buffer.from('e-1') });
      expect(letter.value).toHaveLength(0);
      expect(letter.key?.toString()).toBe('user-1');
      expect(text(letter.headers)).toMatchObject({ 'fraudstream.payload.redacted': 'true', ce_id: 'e-1' });
      expect(isIncomplete(letter.headers)).toBe(true);
      expect(isIncomplete(deadLetterOf(inputRecord(null), error).headers)).toBe(false);
    });

    it.each([pan, '4111111111111111', `{"user_id":"${pan}"}`, `user:${pan}`, '2026 4111111111111111'])(
      'drops the key or header %s',
      (secret) => {
        const headers = {
          one: Buffer.from(secret),
          two: [Buffer.from('a'), Buffer.from(secret)],
          ok: Buffer.from('b'),
        };
        const letter = letterOf(secret, headers);
        expect(letter.key).toBeNull();
        expect(JSON.stringify([letter.value?.toString(), text(letter.headers)])).not.toContain('1111');
        expect(text(letter.headers)).toMatchObject({ ok: 'b', 'fraudstream.headers.dropped': '2' });
      },
    );
  });
});

describe('headers', () => {
  it('come back from a dead letter as they were', () => {
    const headers = { traceparent: Buffer.from('00-ab'), twice: [Buffer.from('a'), Buffer.from('b')] };
    expect(replayHeaders(deadLetterOf(inputRecord(null, { headers }), error).headers)).toEqual(headers);
    expect(replayHeaders(deadLetterOf(inputRecord(null), error).headers)).toBeNull();
    expect(replayHeaders(null)).toBeNull();
  });

  it('of tracing and CloudEvents pass to the outputs', () => {
    const value = Buffer.from('v');
    const passed = { traceparent: value, tracestate: [value, value], ce_id: value, ce_type: value };
    expect(passHeaders({ ...passed, 'x-tenant': value, Traceparent: value })).toEqual(passed);
    expect(passHeaders({ 'x-tenant': value, ce: value })).toBeNull();
    expect(passHeaders({})).toBeNull();
    expect(passHeaders(null)).toBeNull();
  });

  it('that pass are bounded', () => {
    const big = Buffer.alloc(LIMITS.headerBytesMax - 20);
    expect(passHeaders({ ce_a: big, ce_b: big, ce_c: big, traceparent: Buffer.from('t') })).toEqual({
      ce_a: big,
      traceparent: Buffer.from('t'),
    });
  });
});
