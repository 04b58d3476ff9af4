import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import type { FraudstreamError } from '../../../src/domain/errors.ts';
import { calibrated, readCalibration } from '../../../src/model/calibration.ts';

const ISOTONIC = {
  method: 'isotonic',
  knots: [
    [0, 0],
    [0.1, 0.02],
    [0.4, 0.3],
    [1, 0.9],
  ],
};

function problemOf(entry: Readonly<Record<string, unknown>>): string {
  try {
    readCalibration(entry);
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'FS_MODEL_INVALID' });
    return (thrown as FraudstreamError).message;
  }
  throw new Error('it was accepted');
}

describe('calibrated', () => {
  it('meets every knot and is straight between them', () => {
    const calibration = readCalibration(ISOTONIC);
    for (const [x, y] of ISOTONIC.knots) expect(calibrated(calibration, x!)).toBeCloseTo(y!, 15);
    expect(calibrated(calibration, 0.25)).toBeCloseTo(0.16, 15);
    expect(calibrated(calibration, 0.7)).toBeCloseTo(0.6, 15);
  });

  it('leaves the score alone without a map', () => {
    expect(calibrated({ method: 'none' }, 0.123)).toBe(0.123);
  });

  it('is the logistic function of the log odds with platt, and finite at both ends', () => {
    const calibration = readCalibration({ method: 'platt', slope: 0.5, intercept: -1 });
    expect(calibrated(calibration, 0.5)).toBeCloseTo(1 / (1 + Math.exp(1)), 15);
    expect(calibrated(calibration, 0.8)).toBeCloseTo(1 / (1 + Math.exp(1 - 0.5 * Math.log(4))), 15);
    expect(calibrated(calibration, 0)).toBeGreaterThan(0);
    expect(calibrated(calibration, 1)).toBeLessThan(1);
  });

  const shipped = JSON.parse(readFileSync(new URL('../../fixtures/model/manifest.json', import.meta.url), 'utf8')) as {
    calibration: Readonly<Record<string, unknown>>;
  };

  it.each([
    ['by hand', ISOTONIC],
    ['platt', { method: 'platt', slope: 1.7, intercept: 0.3 }],
    ['from the trainer', shipped.calibration],
  ])('never falls: %s', (_, entry) => {
    const calibration = readCalibration(entry);
    let before = -1;
    const scores = Array.from({ length: 20_001 }, (__, k) => Math.fround(k / 20_000));
    // where rounding could hurt: just below and at each knot
    if (calibration.method === 'isotonic') {
      for (const x of calibration.x) scores.push(Math.max(0, x - 2 ** -54), Math.max(0, x - 2 ** -50), x);
    }
    for (const score of scores.sort((a, b) => a - b)) {
      const probability = calibrated(calibration, score);
      expect(probability).toBeGreaterThanOrEqual(before);
      expect(probability).toBeGreaterThanOrEqual(0);
      expect(probability).toBeLessThanOrEqual(1);
      before = probability;
    }
  });
});

describe('readCalibration', () => {
  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['calibration.method', { method: 'beta' }],
    ['calibration.slope', { method: 'platt', slope: 0, intercept: 1 }],
    ['calibration.slope', { method: 'platt', slope: '1', intercept: 1 }],
    ['calibration.intercept', { method: 'platt', slope: 1, intercept: null }],
    ['calibration.knots', { method: 'isotonic', knots: [[0, 0]] }],
    ['calibration.knots', { method: 'isotonic', knots: [[0.1, 0], [1, 1]] }], // prettier-ignore
    ['calibration.knots[1]', { method: 'isotonic', knots: [[0, 0], [1, 1.5]] }], // prettier-ignore
    ['calibration.knots[1]', { method: 'isotonic', knots: [[0, 0], [1]] }], // prettier-ignore
    ['calibration.knots[2]', { method: 'isotonic', knots: [[0, 0], [0.5, 0.5], [0.5, 0.6], [1, 1]] }], // prettier-ignore
    ['calibration.knots[2]', { method: 'isotonic', knots: [[0, 0], [0.5, 0.5], [1, 0.4]] }], // prettier-ignore
  ])('names %s', (key, entry) => {
    expect(problemOf(entry)).toContain(`${key} `);
  });
});
