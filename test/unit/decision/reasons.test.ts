import { describe, expect, it } from 'vitest';
import { makePolicy, verdictOf } from '../../../src/decision/policy.ts';
import { explain } from '../../../src/decision/reasons.ts';
import type { Reason } from '../../../src/domain/decision.ts';
import { computeFeatures } from '../../../src/features/compute.ts';
import { Extractor } from '../../../src/features/extract.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan } from '../../../src/features/plan.ts';
import { EventView } from '../../../src/state/event-view.ts';
import { UserHistory } from '../../../src/state/history.ts';
import { Measures } from '../../../src/state/measures.ts';
import { transaction } from '../../support/transaction.ts';

const HOUR = 3_600_000;
/** what is usual is read from what the windows of the catalogue keep */
const MONTH = '  - { name: month, aggregate: count, window: 30d }';

/**
 * Reasons of the last of these payments.
 * @param meanwhile payments that were folded by the time when the reasons are found: whether they are there depends on the batch
 */
function reasonsOf(
  features: string[],
  payments: { minutes: number; amount?: number; currency?: string }[],
  contributions: Readonly<Record<string, number>> | null = null,
  meanwhile: { minutes: number }[] = [],
): Reason[] {
  const plan = compilePlan(
    parseCatalogue(['version: 1', 'features:', MONTH, ...features].join('\n'), 'r.yaml'),
    24 * HOUR,
  );
  const extractor = new Extractor(plan);
  const view = new EventView(plan.layout);
  const measures = new Measures(plan.layout);
  const history = new UserHistory(plan.layout);
  const values = new Float64Array(plan.steps.length);
  payments.forEach(({ minutes, amount = 1_000, currency = 'EUR' }, offset) => {
    const payment = transaction({
      transaction_id: `t_${offset}`,
      event_time: Date.UTC(2026, 0, 1) + minutes * 60_000,
      amount_minor: amount,
      currency,
    });
    extractor.extract(payment, offset, view);
    history.measure(view, measures);
    computeFeatures(plan, view, measures, values, 0);
    history.fold(view);
  });
  const { timeMs, offset: beforeOffset } = view;
  meanwhile.forEach(({ minutes }, k) => {
    const event_time = Date.UTC(2026, 0, 1) + minutes * 60_000;
    extractor.extract(transaction({ transaction_id: `m_${k}`, event_time }), payments.length + k, view);
    history.fold(view);
  });
  const row = history.rows.upperBound(timeMs);
  const currency = payments.at(-1)?.currency ?? 'EUR';
  const context = { history, sinceMs: -Infinity, row, beforeOffset, currency };
  const parts = contributions === null ? null : Float64Array.from(plan.names, (name) => contributions[name] ?? 0);
  return explain(plan, values, 0, context, parts);
}

const calm = Array.from({ length: 10 }, (_, k) => ({ minutes: k * 600 }));
const burst = Array.from({ length: 7 }, (_, k) => ({ minutes: 9_000 + k }));
const COUNT =
  "  - { name: count_10m, aggregate: count, window: 10m, reason: { text: '{value} payments in 10 min; usually {usual}', at_least: 3, times_usual: 2 } }";

describe('reasons', () => {
  it('do not depend on later records that were folded in between, not even those of busy users', () => {
    const busy = Array.from({ length: 700 }, (_, k) => ({ minutes: 9_000 + k / 600 }));
    const meanwhile = Array.from({ length: 9 }, (_, k) => ({ minutes: 9_001.1 + k / 1_000 }));
    const alone = reasonsOf([COUNT], [...calm, ...busy]);
    expect(alone).toMatchObject([{ value: 700, usual: 256 }]);
    expect(reasonsOf([COUNT], [...calm, ...busy], null, meanwhile)).toEqual(alone);
  });

  it('of a late payment of a busy user do not depend on them either, though details are dropped', () => {
    const busy = Array.from({ length: 2_100 }, (_, k) => ({ minutes: 9_000 + k / 600 }));
    const meanwhile = Array.from({ length: 500 }, (_, k) => ({ minutes: 9_010 + k / 600 }));
    for (const place of [62.5, 400.5, 700.5]) {
      const late = { minutes: 9_000 + place / 600 };
      expect(reasonsOf([COUNT], [...busy, late], null, meanwhile)).toEqual(reasonsOf([COUNT], [...busy, late]));
    }
  });

  it('say the value and what is usual for this user', () => {
    const [reason] = reasonsOf([COUNT], [...calm, ...burst]);
    expect(reason).toEqual({
      code: 'count_10m',
      value: 7,
      usual: 1,
      contribution: null,
      text: '7 payments in 10 min; usually 1',
    });
  });

  it('are not given for what is usual, or below their bound', () => {
    expect(reasonsOf([COUNT], calm)).toEqual([]);
    const busy = Array.from({ length: 40 }, (_, k) => ({ minutes: k }));
    expect(reasonsOf([COUNT], busy)).toEqual([]);
  });

  it('do not say what is usual where the rows do not: of other features, of verdicts, behind a delay', () => {
    const one = '  - { name: one, aggregate: ratio, of: [month, month] }';
    for (const what of ['sum, of: one', 'count, where: { label: unknown }', 'count, delay: 1m']) {
      const feature = `  - { name: f, aggregate: ${what}, window: 1d, reason: { text: '{value}', at_least: 0 } }`;
      const [reason] = reasonsOf([one, feature], [...calm, ...burst]);
      expect(reason).toMatchObject({ code: 'f', usual: null });
    }
  });

  it('without three earlier payments say so', () => {
    const [reason] = reasonsOf([COUNT.replace('at_least: 3', 'at_least: 2')], [{ minutes: 0 }, { minutes: 1 }]);
    expect(reason).toMatchObject({ usual: null, text: '2 payments in 10 min; too few earlier payments to compare' });
  });

  it('write money in the units of its currency', () => {
    const sum =
      "  - { name: sum_1h, aggregate: sum, window: 1h, reason: { text: '{value} spent; usually {usual}', unit: money, at_least: 1 } }";
    const of = (currency: string): string | undefined =>
      reasonsOf([sum], [...calm, { minutes: 9_000, amount: 123_456, currency }])[0]?.text;
    expect(of('EUR')).toBe('1234.56 EUR spent; usually 10.00 EUR');
    expect(of('JPY')).toBe('123456 JPY spent; usually 1000 JPY');
  });

  it('are at most five, the strongest first', () => {
    const features = Array.from(
      { length: 8 },
      (_, k) => `  - { name: f${k}, aggregate: amount, reason: { text: x, at_least: 1, weight: ${k + 1} } }`,
    );
    expect(reasonsOf(features, calm).map((reason) => reason.code)).toEqual(['f7', 'f6', 'f5', 'f4', 'f3']);
  });
});

describe('reasons from contributions', () => {
  const AMOUNT =
    "  - { name: amount, aggregate: amount, reason: { text: '{value} is a lot', unit: money, at_least: 100000 } }";
  const UNKNOWN = '  - { name: since_atm, aggregate: time_since_last, where: { channel: [ATM] } }';
  const EVERY = [COUNT, AMOUNT, UNKNOWN];

  it('are what raises the score most, whatever the rules say of strength', () => {
    const parts = { month: -2, count_10m: 0.4, amount: 1.5, since_atm: 0.1 };
    const reasons = reasonsOf(EVERY, [...calm, ...burst], parts);
    expect(reasons.map(({ code, contribution }) => [code, contribution])).toEqual([
      ['amount', 1.5],
      ['count_10m', 0.4],
      ['since_atm', 0.1],
    ]);
  });

  it('use the words of a rule only where it applies', () => {
    const parts = { count_10m: 1, amount: 2, since_atm: 0.5 };
    expect(reasonsOf(EVERY, [...calm, ...burst], parts).map(({ text }) => text)).toEqual([
      'amount is 10.00 EUR; usually 10.00 EUR',
      '7 payments in 10 min; usually 1',
      'since_atm has no value',
    ]);
    const dear = [...calm, { minutes: 9_000, amount: 500_000 }];
    expect(reasonsOf(EVERY, dear, parts).map(({ text, value }) => [text, value])).toEqual([
      ['5000.00 EUR is a lot', 500_000],
      ['count_10m is 1; usually 1', 1],
      ['since_atm has no value', null],
    ]);
  });

  it('are at most five, and none when nothing raises the score', () => {
    const features = Array.from({ length: 8 }, (_, k) => `  - { name: f${k}, aggregate: amount }`);
    const parts = Object.fromEntries(features.map((_, k) => [`f${k}`, k]));
    expect(reasonsOf(features, calm, parts).map(({ code }) => code)).toEqual(['f7', 'f6', 'f5', 'f4', 'f3']);
    expect(reasonsOf(features, calm, { f1: -1 })).toEqual([]);
  });
});

describe('the policy', () => {
  const policy = makePolicy({ flag: 0.5, block: 0.9 }, { flag: null, block: 0.8, version: null });

  it('blocks and flags at its thresholds, and every blocked payment is flagged', () => {
    expect([0.49, 0.5, 0.79, 0.8, 1].map((score) => verdictOf(policy, score))).toEqual([
      { verdict: 'ALLOW', flagged: false },
      { verdict: 'ALLOW', flagged: true },
      { verdict: 'ALLOW', flagged: true },
      { verdict: 'BLOCK', flagged: true },
      { verdict: 'BLOCK', flagged: true },
    ]);
  });

  it('has a version that names its thresholds', () => {
    expect(policy.version).toBe('thresholds-0.5-0.8');
    expect(makePolicy({ flag: 0.5, block: 0.9 }, { flag: null, block: null, version: 'v7' }).version).toBe('v7');
  });
});
