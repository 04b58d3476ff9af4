import { describe, expect, it } from 'vitest';
import { FAULTS, OPERATOR_ERRORS } from './plan.ts';
import { simulate } from './simulation.ts';

/** The many seeds are `npm run test:simulation`; here is what must hold of each. */
describe('the simulation', () => {
  it('is the same history for the same seed, step by step, whatever ran before', async () => {
    const lines: string[] = [];
    const first = await simulate(3, { trace: (line) => lines.push(line) });
    await simulate(4);
    const again: string[] = [];
    const second = await simulate(3, { trace: (line) => again.push(line) });
    expect(again).toEqual(lines);
    expect({ ...second }).toEqual({ ...first });
    const untraced = await simulate(3);
    expect(untraced.traceHash).toBe(first.traceHash);
    expect((await simulate(4)).traceHash).not.toBe(first.traceHash);
  });

  it('has 300 records that can be read and 5 faults in each history, and all is well in the end', async () => {
    for (let seed = 11; seed < 19; seed++) {
      const { faults, events, injected } = await simulate(seed);
      expect({ seed, faults }).toEqual({ seed, faults: [] });
      expect(events).toBeGreaterThanOrEqual(300);
      expect([...injected.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(5);
    }
  });

  it.each(OPERATOR_ERRORS)('halts before the first wrong output: %s', async (operatorError) => {
    let happened = 0;
    for (let seed = 1; seed < 9 && happened === 0; seed++) {
      const { faults, injected } = await simulate(seed, { change: { operatorError, faults: [], partitions: 2 } });
      expect({ seed, faults }).toEqual({ seed, faults: [] });
      happened += injected.get(operatorError) ?? 0;
    }
    expect(happened).toBe(1);
  });

  it.each(FAULTS)('bears nothing but this, again and again: %s', async (kind) => {
    const faults = Array.from({ length: 8 }, (_, k) => ({ kind, atMs: 300 + k * 1_300 }));
    const result = await simulate(21, { change: { faults, operatorError: null } });
    expect(result.faults).toEqual([]);
    expect(result.injected.get(kind)).toBe(8);
  });
});
