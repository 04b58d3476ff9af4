import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MishapOutcome } from './mishap.ts';
import { HARMLESS, MISHAPS } from './mishaps.ts';
import { operators } from './operators.ts';
import { Stage } from './stage.ts';

/** Mistakes of operators on real servers: stopped before the first wrong output, or healed without a word. */

const AT_ONCE = 3;

describe('a mistake of an operator', () => {
  const stage = new Stage({ long: false, seed: 3, rate: 200 });
  let outcomes: ReadonlyMap<string, MishapOutcome> = new Map();
  beforeAll(async () => {
    outcomes = new Map((await operators(stage, AT_ONCE)).map((one) => [one.scenario, one]));
  }, 900_000);
  afterAll(() => stage.strike());

  it.each(MISHAPS.map(({ name }) => name))('%s: stopped, and the message says what to do', (name) => {
    const outcome = outcomes.get(name);
    expect(outcome?.faults).toEqual([]);
    expect(outcome?.code).toMatch(/^FS_/);
  });

  it.each(HARMLESS.map(({ name }) => name))('%s: goes on, and nothing is wrong', (name) => {
    expect(outcomes.get(name)?.faults).toEqual([]);
  });

  it('at least 15 of them are stopped', () => {
    expect(MISHAPS.length).toBeGreaterThanOrEqual(15);
  });
});
