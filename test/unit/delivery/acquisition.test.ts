import { describe, expect, it } from 'vitest';
import type { Acquisition } from '../../../src/delivery/acquisition.ts';
import type { Facts } from '../../../src/delivery/facts.ts';
import {
  LOG,
  MARK,
  NO_STATE,
  NOTHING,
  output,
  plan,
  POSITION,
  siblingAt,
  witness,
  type Change,
} from './acquisition-facts.ts';

const OF_STATE = { watermark: 40, readFrom: 40, knownSinceMs: 1_000, rebuilt: '', warnings: [] };

describe('everything fits together', () => {
  it('goes on from the state, and decides from the position', () => {
    expect(plan()).toEqual({ ...OF_STATE, position: POSITION });
  });

  it.each<[string, Change]>([
    ['whatever kafka.from is', {}],
    [
      'the record before the position is gone by retention',
      { facts: { range: { start: 60, end: 100 }, recordAtPosition: null, ...NO_STATE } },
    ],
    ['the record before the position could not be told', { mark: { lastOffset: -1, lastHash: '' } }],
    ['at the end of the log', { facts: { range: { start: 10, end: 60 } } }],
    ['a broker that does not tell the topic id', { facts: { log: { ...LOG, topicId: '', compacted: false } } }],
    ['a position from before the broker told it', { mark: { topicId: '' } }],
    ['the last records were no decisions', output(58, 59)],
    ['nothing but dead letters until now', { position: { lastDecision: -1 }, ...output(null, 59, true) }],
    ['output beyond the position that an operator accepted', { position: { acceptedTo: 80 }, ...output(80) }],
  ])('%s', (_, change) => {
    const found = plan(change, { startPolicy: 'fail' });
    expect(found.position.offset).toBe(60);
    expect(found.warnings).toEqual([]);
  });

  it('at-least-once: output beyond the position repeats', () => {
    const found = plan({ mark: { delivery: 'at-least-once' }, ...output(80, 81) }, { delivery: 'at-least-once' });
    expect(found.position.offset).toBe(60);
  });
});

describe('output that has no end marker', () => {
  it('from the position on is to be aborted: nothing halts', () => {
    expect(plan(witness({ firstOpen: 60 })).position).toEqual(POSITION);
  });

  it('says nothing of an at-least-once position', () => {
    const change = { mark: { delivery: 'at-least-once' as const }, ...witness({ firstOpen: 3 }) };
    expect(plan(change, { delivery: 'at-least-once' }).position.offset).toBe(60);
  });
});

describe('nothing is known', () => {
  it('begins at the first record, exact only if that is record 0', () => {
    const found = plan({ facts: NOTHING });
    expect(found).toMatchObject({ watermark: null, readFrom: 10, knownSinceMs: null, rebuilt: '', warnings: [] });
    expect(found.position).toEqual({
      offset: 10,
      mark: { ...MARK, lastOffset: -1, lastHash: '' },
      lastDecision: -1,
      origin: 10,
      fingerprint: 'layout-1',
      acceptedTo: -1,
      poison: [],
    });
    expect(plan({ facts: { ...NOTHING, range: { start: 0, end: 9 } } })).toMatchObject({
      readFrom: 0,
      knownSinceMs: 0,
    });
  });

  it.each([
    ['of the same log', siblingAt({})],
    ['that cannot be read', { facts: { ...NOTHING, sibling: { offset: 1, position: 'foreign' as const } } }],
  ])('though partition 0 has a position %s: the same', (_, change) => {
    expect(plan(change)).toEqual(plan({ facts: NOTHING }));
  });

  it('begins at the end, and folds nothing before it', () => {
    const found = plan({ facts: NOTHING }, { startPolicy: 'latest' });
    expect(found).toMatchObject({ readFrom: 100, knownSinceMs: null, position: { offset: 100, origin: 100 } });
  });

  it('refuses when it must not choose', () => {
    expect(() => plan({ facts: NOTHING }, { startPolicy: 'fail' })).toThrow(
      /kafka.from is fail; choose earliest or latest/,
    );
  });
});

describe('the state against the position', () => {
  it.each<[string, Partial<Facts>, Partial<Acquisition>]>([
    [
      'equal',
      { state: { watermark: 60, fingerprint: 'layout-1', note: 's1', flushing: null } },
      { watermark: 60, readFrom: 60, rebuilt: '' },
    ],
    ['none', NO_STATE, { watermark: null, readFrom: 10, knownSinceMs: null, rebuilt: 'there is none' }],
    [
      'of another layout',
      { state: { watermark: 40, fingerprint: 'layout-0', note: 's1', flushing: null } },
      { watermark: null, readFrom: 10, knownSinceMs: null, rebuilt: 'the catalogue keeps other fields now' },
    ],
    [
      'with a note that cannot be read',
      { note: null },
      { watermark: null, readFrom: 10, rebuilt: 'its note cannot be read' },
    ],
    [
      'at the first record that is left',
      { range: { start: 40, end: 100 }, recordAtNote: null },
      { watermark: 40, readFrom: 40, knownSinceMs: 1_000 },
    ],
  ])('%s', (_, more, expected) => {
    expect(plan({ facts: more })).toMatchObject({ ...expected, warnings: [] });
  });

  it('behind what retention left: folded from there, with a hole', () => {
    const found = plan({ facts: { range: { start: 50, end: 100 }, recordAtNote: null } });
    expect(found).toMatchObject({ watermark: 40, readFrom: 50, knownSinceMs: null });
    expect(found.warnings).toEqual([expect.stringContaining('records 40 to 49 of transactions/3')]);
  });

  it('is rebuilt from where the first owner began, not from before', () => {
    expect(plan({ position: { origin: 30 }, facts: NO_STATE })).toMatchObject({ readFrom: 30, knownSinceMs: null });
    expect(plan({ facts: { ...NO_STATE, range: { start: 0, end: 100 } } })).toMatchObject({
      readFrom: 0,
      knownSinceMs: 0,
    });
  });

  it('never reads behind the position', () => {
    expect(plan({ facts: { ...NO_STATE, range: { start: 60, end: 100 }, recordAtPosition: null } }).readFrom).toBe(60);
  });
});

it('output that retention has deleted cannot witness the position: only a warning', () => {
  expect(plan(output(null)).warnings).toEqual([
    expect.stringMatching(/output of transactions\/3 was deleted by retention/),
  ]);
});
