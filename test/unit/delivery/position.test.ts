import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePosition, encodePosition, POISON_MAX, type Position } from '../../../src/delivery/position.ts';
import { DELIVERIES } from '../../../src/domain/log-mark.ts';

const KEY = { app: 'fraudstream', topic: 'transactions', partition: 3 };
const POSITION: Position = {
  offset: 60,
  mark: { clusterId: 'c1', topicId: 't1', partitions: 4, delivery: 'exactly-once', lastOffset: 59, lastHash: 'h' },
  lastDecision: 58,
  origin: 0,
  fingerprint: 'layout-1',
  acceptedTo: -1,
  poison: [],
};

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const offsetOrNone = fc.oneof(fc.constant(-1), offset);
const word = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.constantFrom('', '-', '%', ' ', 'a b', '%2D'));
const positions: fc.Arbitrary<Position> = fc.record({
  offset,
  mark: fc.record({
    clusterId: word,
    topicId: word,
    partitions: fc.integer({ min: 1, max: 10_000 }),
    delivery: fc.constantFrom(...DELIVERIES),
    lastOffset: offsetOrNone,
    lastHash: word,
  }),
  lastDecision: offsetOrNone,
  origin: offset,
  fingerprint: word,
  acceptedTo: offsetOrNone,
  poison: fc.array(offset, { maxLength: POISON_MAX }),
});

const textOf = (position: Position = POSITION): string => encodePosition(KEY, position);

/** The words, with one changed. */
function forged(index: number, text: string): string {
  const words = textOf().split(' ');
  words[index] = text;
  return words.join(' ');
}

describe('a position', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(positions, (position) => {
        const metadata = textOf(position);
        expect(metadata).toMatch(/^fs1( \S+){13}$/);
        expect(decodePosition(KEY, { offset: position.offset, metadata })).toEqual(position);
      }),
    );
  });

  it('is of one app, topic, partition and offset', () => {
    const metadata = textOf();
    for (const key of [
      { ...KEY, app: 'other' },
      { ...KEY, topic: 'other' },
      { ...KEY, partition: 4 },
    ]) {
      expect(decodePosition(key, { offset: 60, metadata })).toBe('foreign');
    }
    expect(decodePosition(KEY, { offset: 61, metadata })).toBe('foreign');
    expect(decodePosition(KEY, { offset: 60, metadata })).toEqual(POSITION);
    // what lies between the ids is part of them
    const ambiguous = encodePosition({ app: 'a b', topic: 'c', partition: 0 }, POSITION);
    expect(decodePosition({ app: 'a', topic: 'b c', partition: 0 }, { offset: 60, metadata: ambiguous })).toBe(
      'foreign',
    );
  });

  it.each(Array.from({ length: 14 }, (_, k) => k))('with another word %i is foreign', (index) => {
    expect(decodePosition(KEY, { offset: 60, metadata: forged(index, '7') })).toBe('foreign');
  });

  it.each([
    '',
    'fs1',
    'x',
    'fs1 ',
    'FS1 a',
    `${textOf()} `,
    ` ${textOf()}`,
    `${textOf()} 1`,
    textOf().slice(0, -1),
    'fs1 %E0 '.repeat(7),
  ])('is not what others wrote: %j', (metadata) => {
    expect(decodePosition(KEY, { offset: 60, metadata })).toBe('foreign');
  });

  it.each(['fs2 anything', 'fs9 x', 'fs10 x y', 'fs99 x'])('of a later version is told apart: %s', (metadata) => {
    expect(decodePosition(KEY, { offset: 60, metadata })).toBe('newer');
  });

  it('with numbers that are none is foreign, the checksum notwithstanding', () => {
    const broken = [
      { ...POSITION, lastDecision: Number.NaN },
      { ...POSITION, origin: 1.5 },
      { ...POSITION, acceptedTo: -2 },
      { ...POSITION, poison: [1, Number.NaN] },
      { ...POSITION, mark: { ...POSITION.mark, partitions: Number.NaN } },
      { ...POSITION, mark: { ...POSITION.mark, lastOffset: Infinity } },
      { ...POSITION, mark: { ...POSITION.mark, delivery: 'at-most-once' as 'exactly-once' } },
    ];
    for (const position of broken)
      expect(decodePosition(KEY, { offset: 60, metadata: textOf(position) })).toBe('foreign');
  });

  it('fits into the metadata that brokers take, full of poison and with the longest ids', () => {
    const far = Number.MAX_SAFE_INTEGER;
    const long: Position = {
      offset: far,
      mark: {
        clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
        topicId: '_-_-_-_-_-_-_-_-_-_-_w',
        partitions: 1_000_000,
        delivery: 'at-least-once',
        lastOffset: far,
        lastHash: '_'.repeat(22),
      },
      lastDecision: far,
      origin: far,
      fingerprint: 'f'.repeat(64),
      acceptedTo: far,
      poison: Array<number>(POISON_MAX).fill(far),
    };
    expect(Buffer.byteLength(textOf(long))).toBeLessThan(4_096);
    expect(decodePosition(KEY, { offset: far, metadata: textOf(long) })).toEqual(long);
  });
});
