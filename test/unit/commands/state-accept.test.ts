import { describe, expect, it } from 'vitest';
import { planAccept, type Acceptance, type AcceptPlan } from '../../../src/commands/state-accept-plan.ts';
import { planAcquisition } from '../../../src/delivery/acquisition.ts';
import type { Facts } from '../../../src/delivery/facts.ts';
import type { Position } from '../../../src/delivery/position.ts';
import type { Delivery, LogMark } from '../../../src/domain/log-mark.ts';

/** Every mistake of an operator: what is stopped, what helps, and that it does. */

const LOG = { clusterId: 'cluster', topicId: 'topic', partitions: 4, compacted: false };
const OPTIONS = { delivery: 'exactly-once' as Delivery, fingerprint: 'layout' };

function mark(lastOffset: number, change: Partial<LogMark> = {}): LogMark {
  const { clusterId, topicId, partitions } = LOG;
  return {
    clusterId,
    topicId,
    partitions,
    delivery: 'exactly-once',
    lastOffset,
    lastHash: `hash ${lastOffset}`,
    ...change,
  };
}

function position(offset: number, change: Partial<Position> = {}): Position {
  return {
    offset,
    mark: mark(offset - 1),
    lastDecision: offset - 1,
    origin: 0,
    fingerprint: 'layout',
    acceptedTo: -1,
    poison: [],
    ...change,
  };
}

/** A partition that is well: 100 of 120 records are decided, the state is 10 behind. */
function well(change: Partial<Facts> = {}): Facts {
  return {
    key: { app: 'app', topic: 'transactions', partition: 2 },
    range: { start: 0, end: 120 },
    log: LOG,
    committed: { offset: 100, position: position(100) },
    sibling: null,
    output: { lastDecision: 99, lastDeadLetter: 40, lastFlagged: null, firstOpen: null, untouched: false },
    state: { watermark: 90, fingerprint: 'layout', note: 'note', flushing: null },
    note: { mark: mark(89), knownSinceMs: 0 },
    recordAtPosition: 'hash 99',
    recordAtNote: 'hash 89',
    ...change,
  };
}

const foreign = (offset: number): Partial<Facts> => ({
  committed: { offset, position: 'foreign' },
  recordAtPosition: null,
});

function codeOf(facts: Facts): string {
  try {
    planAcquisition(facts, { ...OPTIONS, startPolicy: 'earliest' });
    return 'goes on';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** What stands there after it was applied. */
function applied(facts: Facts, plan: AcceptPlan): Facts {
  const { position } = plan;
  const { lastOffset, lastHash } = mark(position.offset - 1);
  const committed = { ...position, mark: { ...position.mark, lastOffset, lastHash } };
  return {
    ...facts,
    committed: { offset: position.offset, position: committed },
    recordAtPosition: lastHash,
    ...(plan.dropsState
      ? { state: { watermark: null, fingerprint: null, note: null, flushing: null }, note: null }
      : {}),
  };
}

function accepted(facts: Facts, acceptance: Acceptance): AcceptPlan {
  const plan = planAccept(facts, acceptance, OPTIONS);
  expect(plan).not.toBeNull();
  expect(codeOf(applied(facts, plan!))).toBe('goes on');
  return plan!;
}

const skip = (to: number | null = null): Acceptance => ({ kind: 'skip', to });
const redecide = (to: number | null = null): Acceptance => ({ kind: 'redecide', to });

describe('what an operator accepts', () => {
  it('begins with a partition that is well', () => {
    expect(codeOf(well())).toBe('goes on');
  });

  it.each([
    [
      'set ahead',
      well(foreign(110)),
      'FS_POSITION_FOREIGN',
      skip(),
      110,
      'records 100 to 109 are left undecided',
      false,
    ],
    [
      'set ahead, decided nevertheless',
      well(foreign(110)),
      'FS_POSITION_FOREIGN',
      redecide(100),
      100,
      'no record is decided again',
      false,
    ],
    ['set back', well(foreign(60)), 'FS_POSITION_FOREIGN', redecide(), 60, 'records 60 to 99 are decided again', true],
    [
      'set back, gone on behind',
      well(foreign(60)),
      'FS_POSITION_FOREIGN',
      skip(100),
      100,
      'no record is left undecided',
      false,
    ],
    ['set where it was', well(foreign(100)), 'FS_POSITION_FOREIGN', skip(), 100, 'no record is left undecided', false],
    [
      'lost',
      well({ committed: null, recordAtPosition: null }),
      'FS_POSITION_LOST',
      skip(100),
      100,
      'no record is left undecided',
      false,
    ],
    [
      'lost, decided from the start',
      well({ committed: null, recordAtPosition: null }),
      'FS_POSITION_LOST',
      redecide(0),
      0,
      'records 0 to 99 are decided again',
      true,
    ],
    [
      'read too old',
      well({
        committed: { offset: 80, position: position(80) },
        recordAtPosition: 'hash 79',
        state: { watermark: 70, fingerprint: 'layout', note: 'n', flushing: null },
        note: { mark: mark(69), knownSinceMs: 0 },
        recordAtNote: 'hash 69',
      }),
      'FS_OUTPUT_MISMATCH',
      skip(100),
      100,
      'no record is left undecided',
      false,
    ],
    [
      'read too old, decided again',
      well({
        committed: { offset: 80, position: position(80) },
        recordAtPosition: 'hash 79',
        state: { watermark: 70, fingerprint: 'layout', note: 'n', flushing: null },
        note: { mark: mark(69), knownSinceMs: 0 },
        recordAtNote: 'hash 69',
      }),
      'FS_OUTPUT_MISMATCH',
      redecide(),
      80,
      'records 80 to 99 are decided again',
      false,
    ],
    [
      'with lost decisions',
      well({
        output: { lastDecision: 70, lastDeadLetter: null, lastFlagged: null, firstOpen: null, untouched: false },
      }),
      'FS_OUTPUT_MISMATCH',
      redecide(71),
      71,
      'records 71 to 99 are decided again',
      true,
    ],
    [
      'with lost decisions that stay lost',
      well({
        output: { lastDecision: 70, lastDeadLetter: null, lastFlagged: null, firstOpen: null, untouched: false },
      }),
      'FS_OUTPUT_MISMATCH',
      skip(),
      100,
      'decisions of records 71 to 99 are not in the output',
      false,
    ],
    [
      'with an empty output',
      well({
        output: { lastDecision: null, lastDeadLetter: null, lastFlagged: null, firstOpen: null, untouched: true },
      }),
      'FS_OUTPUT_MISMATCH',
      skip(),
      100,
      'the output is empty',
      false,
    ],
    [
      'passed by retention',
      well({ range: { start: 105, end: 120 }, recordAtPosition: null, recordAtNote: null }),
      'FS_OFFSET_OUT_OF_RANGE',
      skip(105),
      105,
      'records 100 to 104 are left undecided',
      false,
    ],
  ])('a position %s', (_, facts, code, acceptance, offset, says, dropsState) => {
    expect(codeOf(facts)).toBe(code);
    const plan = accepted(facts, acceptance);
    expect(plan.position.offset).toBe(offset);
    expect(plan.says.join('; ')).toContain(says);
    expect(plan.dropsState).toBe(dropsState);
  });

  it.each([
    ['another cluster', { clusterId: 'other' }],
    ['a topic that was made anew', { topicId: 'other' }],
  ])('%s: the log as it is now, from its start', (_, change) => {
    const facts = well({ log: { ...LOG, ...change }, range: { start: 0, end: 30 } });
    expect(codeOf(facts)).toBe('FS_LOG_CHANGED');
    for (const wrong of [skip(20), redecide(10)])
      expect(() => planAccept(facts, wrong, OPTIONS)).toThrow('another log');
    const plan = accepted(facts, { kind: 'log', from: null });
    expect(plan).toMatchObject({
      dropsState: true,
      position: { offset: 0, acceptedTo: 99, lastDecision: -1, origin: -1 },
    });
    expect(plan.position.mark).toMatchObject(change);
    const last = accepted(facts, { kind: 'log', from: 'latest' });
    expect(last.position.offset).toBe(30);
    expect(last.says.join()).toContain('records 0 to 29 are folded into histories, not decided');
  });

  it('a log that was cut goes on at its end; one that was written anew where the operator says', () => {
    const cut = well({ range: { start: 0, end: 95 }, recordAtPosition: null });
    expect(codeOf(cut)).toBe('FS_OFFSET_OUT_OF_RANGE');
    expect(accepted(cut, { kind: 'log', from: null }).position.offset).toBe(95);
    const rewritten = well({ recordAtPosition: 'another' });
    expect(codeOf(rewritten)).toBe('FS_LOG_CHANGED');
    expect(() => planAccept(rewritten, skip(), OPTIONS)).toThrow('written anew; use --log');
    expect(() => planAccept(rewritten, { kind: 'log', from: null }, OPTIONS)).toThrow('--from earliest');
    expect(accepted(rewritten, { kind: 'log', from: 97 }).says.join()).toContain('records 97 to 119 are decided');
  });

  it('another delivery mode', () => {
    const other = mark(99, { delivery: 'at-least-once' });
    const facts = well({ committed: { offset: 100, position: position(100, { mark: other }) } });
    expect(codeOf(facts)).toBe('FS_DELIVERY_CHANGED');
    expect(accepted(facts, { kind: 'delivery' }).says.join()).toContain('it was at-least-once');
    expect(planAccept(well(), { kind: 'delivery' }, OPTIONS)).toBeNull();
  });

  it('is refused when it would do another thing than it says', () => {
    const refusals: [Facts, Acceptance, string][] = [
      [well(foreign(60)), skip(), 'records 60 to 99 would be decided again; use --redecide'],
      [well(foreign(110)), redecide(), 'records 100 to 109 would be left undecided; use --redecide --to 100'],
      [well(foreign(500)), skip(), 'it cannot go on at 500'],
      [well({ committed: null }), skip(), 'say --to 100'],
      [well({ committed: { offset: 100, position: 'newer' } }), skip(), 'a newer version'],
      [well(foreign(60)), { kind: 'delivery' }, 'no valid position'],
      [well({ log: { ...LOG, partitions: 6 } }), skip(), 'use fraudstream state repartition'],
      [well(foreign(60)), { kind: 'log', from: 900 }, 'it cannot go on at 900'],
    ];
    for (const [facts, acceptance, says] of refusals)
      expect(() => planAccept(facts, acceptance, OPTIONS)).toThrow(says);
  });
});
