import { describe, expect, it } from 'vitest';
import { decodeHistory } from '../../../src/state/blob-decode.ts';
import { encodeHistory } from '../../../src/state/blob-encode.ts';
import { EARLIER_LOG_SHIFT, lastOffsetOf, shiftBlob, shiftHistory } from '../../../src/state/blob-shift.ts';
import { EventView } from '../../../src/state/event-view.ts';
import type { UserHistory } from '../../../src/state/history.ts';
import { mergeHistories } from '../../../src/state/rekey-merge.ts';
import { measureAsOf } from '../../../src/state/measure-as-of.ts';
import { Measures } from '../../../src/state/measures.ts';
import { smallPlan } from '../../support/pipeline-engine.ts';
import { seeded } from '../../support/random.ts';
import { DAY_MS, historyOf, START_MS, viewOf, type Happening } from './snapshot-events.ts';

const { layout } = smallPlan();
const scratch = new EventView(layout);

function happenings(count: number, from = 0, seed = 1): Happening[] {
  const random = seeded(seed);
  return Array.from({ length: count }, (_, k) => ({
    offset: from + k * 3,
    timeMs: START_MS + k * 1_000 - Math.floor(random() * 20_000),
    amountMinor: Math.floor(random() * 10_000),
    value: Math.floor(random() * 20),
    ...(random() < 0.3 ? { latE7: Math.floor(random() * 1e8) } : {}),
  }));
}

const offsetsOf = ({ rows, detailStart }: UserHistory): number[] =>
  Array.from({ length: rows.end - detailStart }, (_, k) => rows.offset(detailStart + k));

function measuresOf(history: UserHistory, event: EventView, beforeOffset = Infinity): Measures {
  const out = new Measures(layout);
  measureAsOf(history, event, { row: history.rows.upperBound(event.timeMs), beforeOffset }, out);
  return out;
}

describe('a history that leaves its log', () => {
  it('tells its last offset without being read', () => {
    expect(lastOffsetOf(encodeHistory(historyOf(layout, happenings(10, 500))))).toBe(527);
    expect(lastOffsetOf(encodeHistory(historyOf(layout, [])))).toBe(-1);
    expect(lastOffsetOf(encodeHistory(historyOf(layout, happenings(1, 2 ** 43))))).toBe(2 ** 43);
  });

  it('keeps all but its offsets, which are older than those of any log', () => {
    for (const count of [1, 40, 5_000, 40_000]) {
      const before = historyOf(layout, happenings(count, 7));
      const after = decodeHistory(shiftBlob(encodeHistory(before), layout, scratch), layout, scratch);
      expect(after.lastOffset).toBe(-1);
      expect(offsetsOf(after)).toEqual(offsetsOf(before).map((offset) => offset - EARLIER_LOG_SHIFT));
      expect(Math.max(...offsetsOf(after))).toBeLessThan(0);
      const event = viewOf(layout, { offset: 0, timeMs: before.newestMs + 5_000, value: 3 });
      expect(measuresOf(after, event)).toEqual(measuresOf(before, event));
    }
  });

  it('is shifted once, however often that is tried', () => {
    const once = shiftBlob(encodeHistory(historyOf(layout, happenings(40))), layout, scratch);
    expect(shiftBlob(once, layout, scratch)).toEqual(once);
  });

  it('folds what the new log brings from offset 0 on, and is shifted again with it', () => {
    const history = decodeHistory(
      shiftBlob(encodeHistory(historyOf(layout, happenings(5))), layout, scratch),
      layout,
      scratch,
    );
    expect(history.fold(viewOf(layout, { offset: 0, timeMs: history.newestMs }))).toBe(true);
    expect(history.fold(viewOf(layout, { offset: 0, timeMs: history.newestMs }))).toBe(false);
    const again = decodeHistory(shiftBlob(encodeHistory(history), layout, scratch), layout, scratch);
    expect(offsetsOf(again)).toEqual([...offsetsOf(history)].map((offset) => offset - EARLIER_LOG_SHIFT));
    expect(Math.max(...offsetsOf(again))).toBeLessThan(0);
    expect(again.lastOffset).toBe(-1);
  });

  it('knows a payment again, and measures it as of its first time', () => {
    const events = happenings(60);
    const before = historyOf(layout, events);
    const after = historyOf(layout, events);
    shiftHistory(after);
    for (const one of [events[3]!, events[40]!, events[59]!]) {
      const repeat = viewOf(layout, { ...one, id: one.offset + 1, offset: 10_000 });
      const [rowBefore, rowAfter] = [before.findRepeat(repeat), after.findRepeat(repeat)];
      expect(rowAfter).toBe(rowBefore);
      expect(rowAfter).toBeGreaterThanOrEqual(0);
      const measured = measuresOf(after, repeat, after.rows.offset(rowAfter));
      expect(measured).toEqual(measuresOf(before, repeat, before.rows.offset(rowBefore)));
    }
  });

  it('stands 200 moves, and refuses an offset that no log reaches', () => {
    let blob = encodeHistory(historyOf(layout, happenings(30)));
    for (let move = 0; move < 200; move++) {
      blob = shiftBlob(blob, layout, scratch);
      const history = decodeHistory(blob, layout, scratch);
      history.fold(viewOf(layout, { offset: 17, timeMs: START_MS + DAY_MS / 2 + move, id: 1_000 + move }));
      blob = encodeHistory(history);
    }
    const history = decodeHistory(blob, layout, scratch);
    expect(history.rows.length).toBe(230);
    expect(Math.min(...offsetsOf(history))).toBe(-(2 ** 51));
    const far = historyOf(layout, [{ offset: 2 ** 44, timeMs: START_MS }]);
    expect(() => shiftHistory(far)).toThrowError(expect.objectContaining({ code: 'FS_INTERNAL' }));
  });
});

describe('two histories of one user', () => {
  it('become what one fold of all events is', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seeded(seed);
      const events = happenings(300, 0, seed);
      const [first, second]: [Happening[], Happening[]] = [[], []];
      for (const one of events) (random() < 0.3 ? first : second).push(one);
      const merged = mergeHistories(historyOf(layout, first), historyOf(layout, second));
      const whole = historyOf(layout, events);
      expect(merged.lastOffset).toBe(whole.lastOffset);
      expect(merged.firstSeenMs).toBe(whole.firstSeenMs);
      expect(merged.rows.length).toBe(whole.rows.length);
      const event = viewOf(layout, { offset: 99_999, timeMs: whole.newestMs + 1, value: 4 });
      expect(measuresOf(merged, event)).toEqual(measuresOf(whole, event));
      // and it stays so when it is stored
      const stored = decodeHistory(encodeHistory(merged), layout, scratch);
      expect(measuresOf(stored, event)).toEqual(measuresOf(whole, event));
    }
  });

  it('are merged twice like once', () => {
    const moved = historyOf(layout, happenings(50));
    shiftHistory(moved);
    const own = historyOf(layout, happenings(20, 1_000, 2));
    const once = encodeHistory(mergeHistories(moved, own));
    const again = historyOf(layout, happenings(50));
    shiftHistory(again);
    expect(encodeHistory(mergeHistories(decodeHistory(once, layout, scratch), again))).toEqual(once);
  });

  it('say from when on they are complete, when details are gone', () => {
    const busy = historyOf(layout, happenings(40_000));
    const other = historyOf(layout, happenings(34_000, 1, 3));
    const merged = mergeHistories(other, busy);
    const event = viewOf(layout, { offset: 10 ** 6, timeMs: merged.newestMs + 1 });
    expect(measuresOf(merged, event).inexactWindows).not.toBe(0);
    expect(merged.knownFromMs).toBeGreaterThan(-Infinity);
  });

  it('drop the one that nothing can ask for any more', () => {
    const old = historyOf(layout, happenings(10));
    const late = historyOf(layout, [{ offset: 3, timeMs: START_MS + 40 * DAY_MS }]);
    expect(mergeHistories(old, late)).toBe(late);
    expect(late.lastOffset).toBe(27);
    expect(mergeHistories(late, historyOf(layout, happenings(10)))).toBe(late);
  });
});
