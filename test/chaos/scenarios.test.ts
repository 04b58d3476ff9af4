import { afterAll, describe, expect, it } from 'vitest';
import { isExact } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { Stage } from './stage.ts';

/** The short form of the chaos that `npm run chaos` does at length. What other tests here do to one server is left out. */

const SHORT = [
  'kill',
  'coming-and-going',
  'zombie',
  'brokers',
  'cut',
  'lost-answers',
  'redis-emptied',
  'redis-cluster',
] as const;

describe('chaos: one decision per payment, equal to a fold of the log', () => {
  const stage = new Stage({ long: false, seed: 7, rate: 200 });
  afterAll(() => stage.strike());

  it.each(SHORT)(
    '%s',
    async (name) => {
      const outcome = await (SCENARIOS[name] as (typeof SCENARIOS)[string])(stage);
      expect(outcome.problems).toEqual([]);
      expect(isExact(outcome), JSON.stringify(outcome)).toBe(true);
      expect(outcome.inputs).toBeGreaterThan(500);
    },
    300_000,
  );
});
