import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeNote, encodeNote, type StateNote } from '../../../src/delivery/state-note.ts';
import { DELIVERIES } from '../../../src/domain/log-mark.ts';

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const notes: fc.Arbitrary<StateNote> = fc.record({
  mark: fc.record({
    clusterId: fc.string(),
    topicId: fc.string(),
    partitions: fc.integer({ min: 1, max: 10_000 }),
    delivery: fc.constantFrom(...DELIVERIES),
    lastOffset: fc.oneof(fc.constant(-1), offset),
    lastHash: fc.string(),
  }),
  knownSinceMs: offset,
});

const NOTE: StateNote = {
  mark: { clusterId: 'c1', topicId: 't1', partitions: 4, delivery: 'at-least-once', lastOffset: 39, lastHash: 'h' },
  knownSinceMs: 1_000,
};

describe('the note beside a watermark', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(notes, (note) => {
        expect(decodeNote(encodeNote(note))).toEqual(note);
      }),
    );
  });

  it('is one line of eight words', () => {
    expect(encodeNote(NOTE)).toBe('s1 c1 t1 4 at-least-once 39 h 1000');
  });

  it.each([
    ['nothing', ''],
    ['another version', 's2 c1 t1 4 at-least-once 39 h 1000'],
    ['a word less', 's1 c1 t1 4 at-least-once 39 h'],
    ['a word more', 's1 c1 t1 4 at-least-once 39 h 1000 x'],
    ['another delivery', 's1 c1 t1 4 at-most-once 39 h 1000'],
    ['partitions that are no number', 's1 c1 t1 four at-least-once 39 h 1000'],
    ['an offset that is none', 's1 c1 t1 4 at-least-once 3.9 h 1000'],
    ['a time that is none', 's1 c1 t1 4 at-least-once 39 h NaN'],
    ['a broken encoding', 's1 %E0 t1 4 at-least-once 39 h 1000'],
  ])('cannot be read: %s', (_, text) => {
    expect(decodeNote(text)).toBeNull();
  });
});
