import { describe, expect, it } from 'vitest';
import { type PacingClock, paceEvents } from '../../../src/simulate/pace.ts';
import { simulate } from '../../../src/simulate/simulate.ts';

class ManualClock implements PacingClock {
  nowAt = 1_800_000_000_000;
  slept = 0;
  nowMs(): number {
    return this.nowAt;
  }
  monotonicMs(): number {
    return this.nowAt - 1_700_000_000_000;
  }
  async sleep(ms: number): Promise<void> {
    this.slept += ms;
    this.nowAt += ms;
  }
}

describe('paceEvents', () => {
  it('keeps the rate, the lateness, and a resend equal to its original', async () => {
    const clock = new ManualClock();
    const startMs = clock.nowAt;
    const sent = new Map<string, unknown>();
    let count = 0;
    let resends = 0;
    for await (const paced of paceEvents(simulate({ users: 3_000 }), { ratePerSecond: 250, clock })) {
      expect(paced.dueMs).toBe(startMs + count++ * 4);
      expect(clock.nowAt).toBeGreaterThanOrEqual(paced.dueMs - 1);
      const { event, transaction } = paced;
      if (event.isResend) {
        resends++;
        expect(transaction).toBe(sent.get(transaction.transaction_id));
      } else {
        const late = event.arrivalMs - event.transaction.event_time;
        expect(transaction).toEqual({ ...event.transaction, event_time: paced.dueMs - late });
        sent.set(transaction.transaction_id, transaction);
      }
    }
    expect(count).toBeGreaterThan(8_000);
    expect(resends).toBeGreaterThan(0);
    expect(clock.slept).toBeCloseTo((count - 1) * 4, 0);
  });

  it('does not move due times when the consumer is slow', async () => {
    const clock = new ManualClock();
    const startMs = clock.nowAt;
    let count = 0;
    for await (const paced of paceEvents(simulate({ users: 100 }), { ratePerSecond: 1_000, clock })) {
      if (count === 10) clock.nowAt += 50;
      expect(paced.dueMs).toBe(startMs + count++);
      if (count > 200) break;
    }
    expect(clock.slept).toBe(149 + 1);
  });
});
