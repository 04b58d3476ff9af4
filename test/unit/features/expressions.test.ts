import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { computeFeatures } from '../../../src/features/compute.ts';
import { Extractor } from '../../../src/features/extract.ts';
import { featureTable } from '../../../src/features/features-page.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan, type Plan } from '../../../src/features/plan.ts';
import { decodeHistory } from '../../../src/state/blob-decode.ts';
import { encodeHistory } from '../../../src/state/blob-encode.ts';
import { EventView } from '../../../src/state/event-view.ts';
import { UserHistory } from '../../../src/state/history.ts';
import { foldLabel } from '../../../src/state/label-fold.ts';
import { Measures } from '../../../src/state/measures.ts';
import { transaction } from '../../support/transaction.ts';

const text = (...features: string[]): string => ['version: 1', 'features:', ...features].join('\n');

function problems(...features: string[]): string[] {
  try {
    parseCatalogue(text(...features), 'f.yaml');
  } catch (error) {
    return (error as Error).message.split('\n').slice(1);
  }
  return [];
}

const planOf = (...features: string[]): Plan => compilePlan(parseCatalogue(text(...features), 'f.yaml'), 1_000);
const counted = (where: string): Plan => planOf(`  - { name: a, aggregate: count, window: 1h, where: ${where} }`);

describe('problems of expressions in a catalogue', () => {
  it.each([
    ['\'chanel == "ECOM"\'', 'a: where: column 1: unknown name chanel; did you mean channel?'],
    [
      'amount_minor > "5"',
      'a: where: column 14: > takes two numbers or two strings, not an int and a string; double(…) reads a number from text',
    ],
    [
      '\'channel == "ECOMM"\'',
      'a: where: column 9: it is never "ECOMM", but one of POS, ECOM, ATM, MOTO, P2P, OTHER; did you mean ECOM?',
    ],
    [
      '\'label in ["fruad"]\'',
      'a: where: column 7: it is never "fruad", but one of unknown, genuine, fraud; did you mean fraud?',
    ],
    ['amount_minor * 2', 'a: where is a condition, true or false, not an int'],
    ['amount_minor >', 'a: where: column 15: '],
    ['true', 'a: "where" is a map of field: value, or an expression in quotes'],
  ])('where: %s', (where, message) => {
    const [found, ...others] = problems(`  - { name: a, aggregate: count, window: 1h, where: ${where} }`);
    expect(found?.startsWith(`f.yaml:3: ${message}`), found).toBe(true);
    expect(others).toEqual([]);
  });

  it('are told with the line of the value, or of its text where lines are kept', () => {
    const feature = ['  - name: a', '    aggregate: streak', '    window: 1h'];
    expect(problems(...feature, '    where:', '      channel == x')).toEqual([
      'f.yaml:7: a: where: column 12: unknown name x',
    ]);
    expect(problems(...feature, '    where: |', '      channel == "POS"', '      && (x', '        || y)')).toEqual([
      'f.yaml:8: a: where: column 5: unknown name x',
      'f.yaml:9: a: where: column 6: unknown name y',
    ]);
    expect(problems(...feature, '    where: >', '      channel == "POS"', '      && x')).toEqual([
      'f.yaml:6: a: where: column 21: unknown name x',
    ]);
  });

  it('of among and since, too', () => {
    expect(
      problems(
        '  - { name: a, aggregate: rate, window: 1h, where: "true", among: "mcc == 1" }',
        '  - { name: b, aggregate: count_since, since: "lable == \'fraud\'" }',
      ),
    ).toEqual([
      'f.yaml:3: a: among: column 5: == takes two values of one type, not a string and an int; double(…) reads a number from text',
      'f.yaml:4: b: since: column 1: unknown name lable; did you mean label?',
    ]);
  });

  it('of verdicts and of what rows cannot keep: the rules are those of a map', () => {
    expect(problems('  - { name: a, aggregate: matches, where: "label == \'fraud\'" }')).toEqual([
      'f.yaml:3: a: nothing is known yet of this payment: "matches" takes no label',
    ]);
    expect(problems('  - { name: a, aggregate: count, window: 1h, entity: mcc, where: "label != \'fraud\'" }')).toEqual(
      ['f.yaml:3: a: a verdict does not say the mcc of its payment: no "label" here'],
    );
    const last = '  - { name: z, aggregate: count, window: 1h, where: a > 1 }';
    expect(problems('  - { name: a, aggregate: count, window: 1h, where: "label == \'fraud\'" }', last)).toEqual([
      'f.yaml:4: z: a in where: it changes when verdicts come: rows cannot keep it',
    ]);
    expect(problems('  - { name: a, aggregate: count, window: 1h, entity: ip }', last)).toEqual([
      'f.yaml:4: z: a in where: rows keep features of the user alone',
    ]);
    expect(problems('  - { name: a, aggregate: count, window: 1h }', last)).toEqual([]);
  });

  it('of a value', () => {
    expect(
      problems(
        '  - { name: amount, aggregate: amount }',
        '  - { name: a, aggregate: expression, of: amuont / 2 }',
        '  - { name: b, aggregate: expression, of: country }',
        '  - { name: c, aggregate: expression }',
        '  - { name: d, aggregate: expression, of: [amount, amount] }',
        '  - { name: e, aggregate: expression, of: label == "fraud" }',
      ),
    ).toEqual([
      'f.yaml:4: a: of: column 1: unknown name amuont; did you mean amount?',
      'f.yaml:5: b: of is a string; a feature is a number, or a condition as 1 and 0',
      'f.yaml:6: c: "of" must be an expression in quotes',
      'f.yaml:7: d: of is an expression in quotes',
      'f.yaml:8: e: of: column 1: unknown name label',
    ]);
  });
});

describe('the plan of expressions', () => {
  it('knows them by their canonical text', () => {
    const a = counted('\'(channel=="ECOM")&&amount_minor>5\'');
    const spelt = counted('\'channel == "ECOM" && (amount_minor > 5)\'');
    const other = counted('\'channel == "ECOM" && amount_minor > 6\'');
    expect(a.fingerprint).toBe(spelt.fingerprint);
    expect(a.layout.fingerprint).toBe(spelt.layout.fingerprint);
    expect(other.fingerprint).not.toBe(a.fingerprint);
    expect(other.layout.fingerprint).not.toBe(a.layout.fingerprint);
    expect(other.layout.filterFingerprint).not.toBe(a.layout.filterFingerprint);
    expect(a.layout.fields).toEqual(['where channel == "ECOM" && amount_minor > 5']);
    expect(a.layout.labelFilters).toBe(0);
    expect(counted('\'label == "fraud"\'').layout.labelFilters).toBe(0b10);
  });

  it('asks one question for equal conditions of several features', () => {
    const plan = planOf(
      '  - { name: a, aggregate: count, window: 1h, where: amount_minor > 5 }',
      '  - { name: b, aggregate: sum, window: 1h, where: amount_minor>5 }',
      '  - { name: c, aggregate: sum, window: 1h, where: { channel: POS } }',
    );
    expect(plan.layout.fields).toEqual(['channel', 'where amount_minor > 5']);
    expect(plan.layout.questions.map(({ field }) => field)).toEqual([1]);
    expect(plan.layout.filters.length).toBe(3);
  });

  it('of the default catalogue is what it was without them', () => {
    const catalogue = parseCatalogue(readFileSync('config/features.yaml', 'utf8'), 'features.yaml');
    const { fingerprint, layout } = compilePlan(catalogue, 86_400_000);
    expect([fingerprint, layout.fingerprint]).toEqual(['29d390219f8a3279db84', '60fa0ac92582f63f1193']);
    expect(layout.questions).toEqual([]);
  });

  it('keeps the features that conditions read, those that are expressions, too', () => {
    const plan = planOf(
      '  - { name: mean_1d, aggregate: mean, window: 1d, current: exclude }',
      '  - { name: r, aggregate: expression, of: amount_minor / mean_1d }',
      '  - { name: high, aggregate: count, window: 1d, where: "r > 2.6 || mean_1d < 10" }',
    );
    expect(plan.kept).toEqual([0, 1]);
    const expanded = planOf(
      '  - { name: mean_1d, aggregate: mean, window: 1d, current: exclude }',
      '  - { name: r, aggregate: expression, of: amount_minor / mean_1d * 2 }',
      '  - { name: high, aggregate: count, window: 1d, where: "r > 2.6 || mean_1d < 10" }',
    );
    expect(expanded.layout.fingerprint).not.toBe(plan.layout.fingerprint);
  });

  it('is printed', () => {
    const table = featureTable(
      planOf(
        '  - { name: a, aggregate: count, window: 1h, where: \'country=="FR"||mcc=="1"\' }',
        '  - { name: b, aggregate: expression, of: a>2 }',
      ),
    );
    expect(table).toContain('number of payments where `(country == "FR" \\|\\| mcc == "1")` |');
    expect(table).toContain('`a > 2`');
  });
});

describe('the values of expressions', () => {
  const plan = planOf(
    '  - { name: mean_1d, aggregate: mean, window: 1d, current: exclude }',
    '  - { name: over_mean, aggregate: expression, of: (amount_minor - mean_1d) / mean_1d }',
    '  - { name: is_far, aggregate: expression, of: country != "DE" && lat > 50 }',
    '  - { name: knows_mean, aggregate: expression, of: has(mean_1d) }',
    '  - { name: tag, aggregate: expression, of: double(attributes.tag) }',
    '  - { name: max_over, aggregate: max, of: over_mean, window: 1d }',
    '  - { name: high, aggregate: count, window: 1d, where: "over_mean > 1" }',
    '  - { name: frauds, aggregate: count, window: 1d, current: exclude, where: \'label == "fraud" && amount_minor > 250\' }',
  );
  const event = new EventView(plan.layout);
  const extractor = new Extractor(plan);
  const measures = new Measures(plan.layout);

  function decided(history: UserHistory, offset: number, amount: number, more = {}): number[] {
    const one = { transaction_id: `t${offset}`, event_time: 1e12 + offset * 1_000, amount_minor: amount, ...more };
    extractor.extract(transaction(one), offset, event);
    history.measure(event, measures);
    const out = new Float64Array(plan.steps.length);
    computeFeatures(plan, event, measures, out, 0);
    history.fold(event);
    return [...out];
  }

  it('are numbers, 1 and 0, or none; rows keep answers and values through the store', () => {
    let history = new UserHistory(plan.layout);
    const first = { country: 'FR', lat: 51, lon: 1, attributes: { tag: '2.5' } };
    expect(decided(history, 0, 200, first)).toEqual([NaN, NaN, 1, 0, 2.5, NaN, 0, 0]);
    expect(decided(history, 1, 500, { country: 'DE', lat: 51, lon: 1 })).toEqual([200, 1.5, 0, 1, NaN, 1.5, 1, 0]);
    history = decodeHistory(encodeHistory(history), plan.layout, new EventView(plan.layout));
    const timeMs = 1e12 + 1_000;
    const { transactionHash } = event;
    foldLabel(history, { transactionHash, timeMs, fraud: true, labelledAtMs: timeMs, offset: 0 });
    history = decodeHistory(encodeHistory(history), plan.layout, new EventView(plan.layout));
    expect(decided(history, 2, 350, { country: 'FR', lat: null, lon: null })).toEqual([350, 0, 0, 1, NaN, 1.5, 1, 1]);
  });
});
