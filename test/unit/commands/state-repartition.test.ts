import { describe, expect, it } from 'vitest';
import {
  planRepartition,
  repartitionMarkerOf,
  type RepartitionMarker,
} from '../../../src/commands/state-repartition-plan.ts';
import type { Facts } from '../../../src/delivery/facts.ts';
import type { Position } from '../../../src/delivery/position.ts';
import type { LogMark } from '../../../src/domain/log-mark.ts';

const NEW = { clusterId: 'cluster', topicId: 'topic', partitions: 4 };
const MARKER: RepartitionMarker = { from: 2, to: 4, watermarks: [100, 100], knownSinceMs: 0 };

function facts(partition: number, partitions: number | null, change: Partial<Facts> = {}): Facts {
  const mark: LogMark = {
    ...NEW,
    partitions: partitions ?? 0,
    delivery: 'exactly-once',
    lastOffset: 99,
    lastHash: 'h',
  };
  const position: Position = {
    offset: 100,
    mark,
    lastDecision: 99,
    origin: 0,
    fingerprint: 'layout',
    acceptedTo: -1,
    poison: [],
  };
  const none = { watermark: null, fingerprint: null, note: null, flushing: null };
  return {
    key: { app: 'app', topic: 't', partition },
    range: { start: 0, end: 100 },
    log: { ...NEW, compacted: false },
    committed: partitions === null ? null : { offset: 100, position },
    sibling: null,
    output: { lastDecision: 99, lastDeadLetter: null, lastFlagged: null, firstOpen: null, untouched: false },
    state: partitions === null ? none : { watermark: 100, fingerprint: 'layout', note: 'n', flushing: null },
    note: partitions === null ? null : { mark, knownSinceMs: 0 },
    recordAtPosition: 'h',
    recordAtNote: 'h',
    ...change,
  };
}

const grown = (...counts: (number | null)[]): Facts[] => counts.map((count, partition) => facts(partition, count));
const plan = (all: Facts[], marker: RepartitionMarker | null = null) => planRepartition(all, NEW, 'layout', marker);

describe('what is left to do when partitions were added', () => {
  it('everything, when nothing was begun', () => {
    expect(plan(grown(2, 2, null, null))).toEqual({ from: 2, to: 4, staged: null, left: [0, 1, 2, 3] });
  });

  it('nothing, when all have the count or none was ever decided', () => {
    expect(plan(grown(4, 4, 4, 4))).toBeNull();
    expect(plan(grown(null, null, null, null))).toBeNull();
    // one that was never taken is no other's business
    expect(plan(grown(4, 4, null, 4))).toBeNull();
  });

  it('the rest, when it was cut short', () => {
    expect(plan(grown(2, 2, null, 4), MARKER)).toEqual({ from: 2, to: 4, staged: MARKER, left: [0, 1, 2] });
    expect(plan(grown(2, 4, 4, 4), MARKER)).toMatchObject({ staged: MARKER, left: [0] });
    // the state of one was half-way replaced
    const half = [
      facts(0, 2, { note: null, state: { watermark: 0, fingerprint: 'layout', note: 'partial', flushing: null } }),
    ];
    expect(plan([...half, ...grown(2, 4, 4, 4).slice(1)], MARKER)).toMatchObject({ staged: MARKER, left: [0] });
  });

  it('everything anew, when somebody has gone on since it was staged', () => {
    expect(plan(grown(2, 2, null, null), { ...MARKER, watermarks: [100, 90] })).toMatchObject({ staged: null });
    expect(plan(grown(2, 2, null, null), { ...MARKER, to: 5 })).toMatchObject({ staged: null });
  });

  it('is refused where it would lose something', () => {
    const refusals: [Facts[], string][] = [
      [grown(2, 4, 4, 4), 'what was begun is gone'],
      [grown(2, 3, null, null), 'different counts'],
      [grown(7, 7, 7, 7), 'has 4: it was made anew'],
      [[facts(0, 2), facts(1, 2, { committed: { offset: 1, position: 'foreign' } })], 'no valid position'],
      [
        [facts(0, 2), facts(1, 2, { state: { watermark: null, fingerprint: null, note: null, flushing: null } })],
        'fraudstream state rebuild',
      ],
      [
        [facts(0, 2), facts(1, 2, { state: { watermark: 5, fingerprint: 'other', note: 'n', flushing: null } })],
        'another catalogue',
      ],
      [
        [facts(0, 2), facts(1, 2, { state: { watermark: 500, fingerprint: 'layout', note: 'n', flushing: null } })],
        'reaches 500',
      ],
    ];
    for (const [all, says] of refusals)
      expect(() => plan([...all, ...grown(null, null, null, null).slice(all.length)])).toThrow(says);
    const other = { ...NEW, topicId: 'other' };
    expect(() => planRepartition(grown(2, 2, null, null), other, 'layout', null)).toThrow('state rebase');
  });

  it('is read from what was noted, if that is whole', () => {
    expect(repartitionMarkerOf(JSON.stringify(MARKER))).toEqual(MARKER);
    for (const text of [null, '', '{', '1', 'null', '{"from":2,"to":4}']) expect(repartitionMarkerOf(text)).toBeNull();
  });
});
