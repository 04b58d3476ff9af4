import { describe, expect, it } from 'vitest';
import { Contributions } from '../../../src/decision/contributions.ts';
import type { Explainer } from '../../../src/model/scorer.ts';

describe('Contributions', () => {
  it('are in the order of the catalogue, from the values as the model saw them', () => {
    let seen: number[] = [];
    const explainer: Explainer = {
      space: 'log_odds',
      base: 0,
      explain(row, at, out) {
        seen = [...row.subarray(at)];
        out.set([10, 20, 30]);
        return 60;
      },
    };
    const contributions = new Contributions(explainer, Int32Array.of(4, 0, 2), 5);
    const values = Float64Array.of(99, 0.1, 1, 2, 3, Number.NaN);
    expect([...contributions.of(values, 1)]).toEqual([20, 0, 30, 0, 10]);
    expect(seen).toEqual([Number.NaN, Math.fround(0.1), 2]);
  });
});
