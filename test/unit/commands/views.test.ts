import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createDecisionEncoder } from '../../../src/codec/decision-encoder.ts';
import { DEAD_LETTER_HEADERS, deadLetterOf } from '../../../src/codec/dead-letter.ts';
import { readDeadLetterFile } from '../../../src/commands/dead-letter-file.ts';
import { factsOf, renderCounts, renderListLine, renderRecord } from '../../../src/commands/dead-letter-view.ts';
import { readFlaggedFile } from '../../../src/commands/flagged-file.ts';
import { formatMoney, matchesFilter, renderCase, type FlaggedFilter } from '../../../src/commands/flagged-view.ts';
import type { FlaggedTransaction } from '../../../src/domain/decision.ts';
import { minorUnitDigits } from '../../../src/domain/currency.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { openFileSink } from '../../../src/transport/file/file-sink.ts';
import type { InputRecord } from '../../../src/transport/record.ts';

const folder = mkdtempSync(join(tmpdir(), 'fraudstream-views-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const AT = Date.UTC(2026, 0, 5, 14, 3, 11);

function flagged(user = 'u1', score = 0.97, merchant = 'm1'): FlaggedTransaction {
  return {
    decision: {
      decision_id: 'transactions/3/1882',
      transaction_id: 't1',
      user_id: user,
      decision: 'BLOCK',
      flagged: true,
      score,
      model_version: 'default-1',
      policy_version: 'p1',
      catalogue_fingerprint: 'f1',
      reasons: [{ code: 'count_10m', value: 7, usual: 1, contribution: null, text: '7 payments in 10 min; usually 1' }],
      input_topic: 'transactions',
      input_partition: 3,
      input_offset: 1882,
      event_time: AT,
      decision_time: AT + 5,
      exact: false,
      late: true,
      future: false,
      duplicate_of: null,
      degraded: ['inexact:7d'],
    },
    transaction: {
      transaction_id: 't1',
      user_id: user,
      event_time: AT,
      amount_minor: 124_900,
      currency: 'EUR',
      card_id: 'c1',
      merchant_id: merchant,
      mcc: '5732',
      terminal_id: null,
      device_id: 'd1',
      ip: null,
      country: 'DE',
      channel: 'ECOM',
      lat: null,
      lon: null,
      attributes: {},
    },
    features: { count_10m: 7, other: null },
    history: [{ event_time: AT - 129_000, amount_minor: 5_000, input_offset: 9 }],
    explanation: null,
  };
}

const style = { colour: false, minorUnitDigits };

describe('a flagged case', () => {
  it('says what, who, why and what came before', () => {
    expect(renderCase(flagged(), style)).toBe(
      [
        'BLOCK  0.9700  2026-01-05 14:03:11Z  user u1',
        '  EUR 1,249.00  merchant m1 (5732, ECOM, DE), card c1, device d1',
        '  why     7 payments in 10 min; usually 1 [count_10m]',
        '  before  2026-01-05 14:01:02Z  50.00  2 min 9 s earlier',
        '  note    arrived later than the allowed lateness; a window is estimated; degraded: inexact:7d',
        '  id      transactions/3/1882  payment t1  model default-1, policy p1',
        '',
      ].join('\n'),
    );
  });

  it('says what a reason adds to the score, where the model does', () => {
    const one = flagged();
    one.decision.reasons[0]!.contribution = 1.256;
    expect(renderCase(one, style)).toContain('usually 1 [count_10m +1.26]');
  });

  it('lets nothing of the payment reach the terminal raw', () => {
    const evil = '\u001b]0;owned\u0007\u009b2J\r\n\u202e';
    const text = renderCase(flagged(evil, 0.5, evil), style);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(text.split('\n')).toHaveLength(7);
    expect(text).toContain('\\u001b]0;owned\\u0007');
  });

  it.each<[Partial<FlaggedFilter>, boolean]>([
    [{}, true],
    [{ minScore: 0.97 }, true],
    [{ minScore: 0.98 }, false],
    [{ user: 'u1' }, true],
    [{ user: 'u' }, false],
    [{ reason: 'COUNT' }, true],
    [{ reason: '7 payments' }, true],
    [{ reason: 'speed' }, false],
    [{ sinceMs: AT }, true],
    [{ sinceMs: AT + 1 }, false],
  ])('%j matches: %s', (filter, matches) => {
    const all = { minScore: 0, user: null, reason: null, sinceMs: null };
    expect(matchesFilter(flagged(), { ...all, ...filter })).toBe(matches);
  });

  it.each([
    [5, 2, '0.05'],
    [124_900, 2, '1,249.00'],
    [1_234_567, 0, '1,234,567'],
    [1_234, 3, '1.234'],
    [7, null, '7 minor units'],
  ])('%d with %s digits is %s', (minor, digits, text) => {
    expect(formatMoney(minor, digits)).toBe(text);
  });
});

const letter: InputRecord = {
  topic: 'transactions',
  partition: 2,
  offset: 17,
  timestampMs: AT,
  key: Buffer.from('u\u001b1'),
  value: Buffer.from([0, 27, 91, 50, 74]),
  headers: { traceparent: Buffer.from('00-a'), twice: [Buffer.from('a'), Buffer.from('b')] },
};
const deadLetter = deadLetterOf(letter, new FraudstreamError('FS_AVRO_TRUNCATED', 'at 5'));

describe('files of a replay', () => {
  it.each(['avro', 'jsonl'] as const)('give flagged payments back from %s', async (format) => {
    const sink = await openFileSink({ folder: join(folder, format), format });
    const encoder = createDecisionEncoder(null);
    const payments = Array.from({ length: 500 }, (_, i) => flagged(`u${i}`, i / 500));
    const base = { partition: 0, key: null, headers: null, timestampMs: -1 };
    await sink.write(payments.map((one) => ({ ...base, stream: 'flagged', value: encoder.encodeFlagged(one) })));
    await sink.close();
    const read: FlaggedTransaction[] = [];
    for await (const one of readFlaggedFile(join(folder, format, `flagged.${format}`))) read.push(one);
    expect(read).toEqual(payments);
  });

  it('give dead letters back, to the byte', async () => {
    const sink = await openFileSink({ folder: join(folder, 'dlq') });
    await sink.write([deadLetter, { ...deadLetter, value: null, key: null }]);
    await sink.close();
    const read: InputRecord[] = [];
    for await (const one of readDeadLetterFile(join(folder, 'dlq', 'dead-letter.jsonl'))) read.push(one);
    expect(read).toMatchObject([
      { partition: 2, offset: 0, timestampMs: AT, key: letter.key, value: letter.value, headers: deadLetter.headers },
      { offset: 1, key: null, value: null },
    ]);
  });

  it.each(['{"a":1}', 'junk', '[]', '{"partition":1,"timestamp_ms":2,"key":3,"value":null,"headers":{}}'])(
    'that are none are refused with their line: %s',
    async (line) => {
      const path = join(folder, 'bad.jsonl');
      writeFileSync(path, `\n${line}\n`);
      for (const read of [readDeadLetterFile, readFlaggedFile]) {
        await expect(read(path).next()).rejects.toMatchObject({
          code: 'FS_FILE_INVALID',
          message: expect.stringContaining('bad.jsonl:2') as string,
        });
      }
    },
  );
});

describe('a dead letter', () => {
  const record = { ...letter, headers: deadLetter.headers };
  const facts = factsOf(record.headers, DEAD_LETTER_HEADERS);

  it('tells where it is from and why', () => {
    expect(facts).toMatchObject({ code: 'FS_AVRO_TRUNCATED', source: 'transactions/2/17', sourcePartition: 2 });
    expect(renderListLine(record, facts)).toContain('FS_AVRO_TRUNCATED         from transactions/2/17, 5 bytes');
  });

  it('is shown as hex, with nothing raw', () => {
    const text = renderRecord(record, facts);
    expect(text).toContain('00000000  00 1b 5b 32 4a');
    expect(text).toContain('twice: b');
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('without our headers, or with wrong ones, is unknown', () => {
    expect(factsOf(null, DEAD_LETTER_HEADERS)).toMatchObject({
      code: 'unknown',
      source: '?/?/?',
      sourcePartition: null,
    });
    const wrong = { [DEAD_LETTER_HEADERS.partition]: Buffer.from('-1') };
    expect(factsOf(wrong, DEAD_LETTER_HEADERS).sourcePartition).toBeNull();
  });

  it('is counted by code, most frequent first', () => {
    expect(
      renderCounts(
        new Map([
          ['B', 1],
          ['A', 1],
          ['C', 12],
        ]),
      ),
    ).toBe('      12  C\n       1  A\n       1  B\n');
  });
});
