import { describe, expect, it } from 'vitest';
import { computeFeatures } from '../../../src/features/compute.ts';
import { Extractor } from '../../../src/features/extract.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan, type Plan } from '../../../src/features/plan.ts';
import { EventView } from '../../../src/state/event-view.ts';
import { UserHistory } from '../../../src/state/history.ts';
import { Measures } from '../../../src/state/measures.ts';
import { transaction } from '../../support/transaction.ts';

function planOf(...features: string[]): Plan {
  const lines = ['version: 1', 'features:', ...features.map((feature) => `  - ${feature}`)];
  return compilePlan(parseCatalogue(lines.join('\n'), 'f.yaml'), 86_400_000);
}

/** Values of the second of two payments, 10.00 on a Saturday at 06:59 and 25.00 at 07:00. */
function secondOf(plan: Plan): Record<string, number> {
  const extractor = new Extractor(plan);
  const view = new EventView(plan.layout);
  const measures = new Measures(plan.layout);
  const history = new UserHistory(plan.layout);
  const out = new Float64Array(plan.steps.length + 3);
  [1_000, 2_500].forEach((amount, k) => {
    const time = Date.UTC(2026, 0, 3, 6, 59 + k);
    extractor.extract(transaction({ transaction_id: `t_${k}`, event_time: time, amount_minor: amount }), k, view);
    history.measure(view, measures);
    computeFeatures(plan, view, measures, out, 3);
    history.fold(view);
  });
  return Object.fromEntries(plan.names.map((name, k) => [name, out[k + 3]!]));
}

const AMOUNT = '{ name: amount, aggregate: amount }';
const BEFORE = '{ name: before, aggregate: mean, window: 1h, current: exclude }';
const NOTHING = "{ name: nothing, aggregate: time_since_last, where: { mcc: ['0000'] } }";
const of = (name: string, text: string): string => `{ name: ${name}, aggregate: expression, of: '${text}' }`;

describe('an expression as a feature', () => {
  it('computes with the features above it; true is 1, no answer is no value', () => {
    const values = secondOf(
      planOf(
        AMOUNT,
        BEFORE,
        NOTHING,
        '{ name: hour, aggregate: hour_of_day }',
        '{ name: day, aggregate: day_of_week }',
        of('times', 'max(1.0, min(2.0, amount / before))'),
        of('weekend', 'day >= 5'),
        of('night', 'hour < 7.0'),
        of('unknown', 'nothing / before'),
        of('instead', 'nothing == null ? times + 1.0 : nothing'),
        of('endless', 'amount / (before - before)'),
      ),
    );
    expect(values).toMatchObject({ times: 2, weekend: 1, night: 0, unknown: NaN, instead: 3, endless: NaN });
  });

  it.each([
    [of('a', 'amout > 1'), /f\.yaml:4: a: .*unknown name amout; did you mean amount/],
    [of('a', 'b > 1'), /f\.yaml:4: a: .*unknown name b/],
    [of('a', '"x"'), /f\.yaml:4: a: of is a string/],
    ['{ name: a, aggregate: expression }', /f\.yaml:4: a: "of" must be an expression in quotes/],
    [`{ name: a, aggregate: expression, of: 'amount', window: 1h }`, /f\.yaml:4: a: expression has no window/],
  ])('%s is refused with its line', (feature, message) => {
    expect(() => planOf(AMOUNT, feature)).toThrow(message);
  });

  it('can be kept with each payment when no verdict changes what it reads', () => {
    const high = '{ name: high, aggregate: count, window: 1h, current: exclude, where: { double: { over: 1500 } } }';
    expect(secondOf(planOf(AMOUNT, of('double', 'amount * 2'), high))).toMatchObject({ high: 1 });
    const risk = '{ name: risk, aggregate: rate, window: 1h, where: { label: fraud } }';
    expect(() => planOf(AMOUNT, risk, of('double', 'amount * risk'), high)).toThrow(/changes when verdicts come/);
  });

  it('is in the fingerprint as it means, not as it is spaced', () => {
    const plain = planOf(AMOUNT, of('a', 'amount * 2')).fingerprint;
    expect(planOf(AMOUNT, of('a', '(amount*2)')).fingerprint).toBe(plain);
    expect(planOf(AMOUNT, of('a', 'amount * 3')).fingerprint).not.toBe(plain);
  });
});
