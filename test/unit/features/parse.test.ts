import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/domain/limits.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan } from '../../../src/features/plan.ts';

function problems(...features: string[]): string[] {
  return problemsOf(['version: 1', 'features:', ...features].join('\n'));
}

function problemsOf(text: string): string[] {
  try {
    parseCatalogue(text, 'f.yaml');
  } catch (error) {
    return (error as Error).message.split('\n').slice(1);
  }
  return [];
}

describe('the catalogue parser', () => {
  it('reads the default catalogue: at least 40 features', () => {
    const catalogue = parseCatalogue(readFileSync('config/features.yaml', 'utf8'), 'features.yaml');
    expect(catalogue.features.length).toBeGreaterThanOrEqual(40);
  });

  it.each([
    ['{ name: a, aggregate: coutn, window: 1h }', /^f\.yaml:3: unknown aggregate "coutn"; did you mean count\?$/],
    ['{ name: a, aggregate: count }', /^f\.yaml:3: a: count needs a window/],
    ['{ name: a, aggregate: count, window: 400d }', /^f\.yaml:3: .*at most 366d/],
    ['{ name: a, aggregate: count, window: 0m }', /^f\.yaml:3: a: count needs a window/],
    ['{ name: a, aggregate: amount, window: 1h }', /^f\.yaml:3: a: amount has no window$/],
    ['{ name: a, aggregate: distinct, window: 1h, of: merchnt_id }', /^f\.yaml:3: .*did you mean merchant_id\?$/],
    ['{ name: A, aggregate: amount }', /^f\.yaml:3: name must be lower-case/],
    ['{ name: a, agregate: amount }', /^f\.yaml:3: unknown key "agregate" in feature; did you mean aggregate\?$/],
    ['{ name: a, aggregate: count, window: 1h, current: no }', /^f\.yaml:3: a: current is "include" or "exclude"$/],
    ['{ name: a, aggregate: amount, current: exclude }', /^f\.yaml:3: a: "current" is for aggregates with a window$/],
    ['{ name: a, aggregate: count, window: 1h, where: { mcc: 5411 } }', /^f\.yaml:3: .*put digits in quotes/],
    ['{ name: a, aggregate: count, window: 1h, where: { chanel: POS } }', /^f\.yaml:3: .*did you mean channel\?$/],
    ['{ name: a, aggregate: ratio, of: [b, c] }', /^f\.yaml:3: a: no earlier feature "b"$/],
    ['{ name: a, aggregate: amount, reason: { unit: euros, text: x } }', /^f\.yaml:3: a: unit is one of/],
    ['{ name: a, aggregate: amount, reason: { at_least: 1 } }', /^f\.yaml:3: a: a reason needs a text$/],
    ['{ name: a, aggregate: count, window: 1h, delay: soon }', /^f\.yaml:3: a: delay is a duration such as 7d/],
    ['{ name: a, aggregate: distinct, of: ip, window: 1h, delay: 1d }', /^f\.yaml:3: a: distinct has no delay$/],
    [
      '{ name: a, aggregate: count, window: 1h, delay: 1d, current: include }',
      /^f\.yaml:3: a: this payment itself never counts here/,
    ],
    ['{ name: a, aggregate: rate, window: 1h }', /^f\.yaml:3: a: rate needs "where"$/],
    ['{ name: a, aggregate: rate, window: 1h, where: { label: frauds } }', /^f\.yaml:3: .*did you mean fraud\?$/],
    ['{ name: a, aggregate: count, window: 1h, among: { label: fraud } }', /^f\.yaml:3: a: no "among" here$/],
    ['{ name: a, aggregate: matches, where: { label: fraud } }', /^f\.yaml:3: a: nothing is known yet of this payment/],
    ['{ name: a, aggregate: count, window: 1h, entity: terminl_id }', /^f\.yaml:3: .*did you mean terminal_id\?$/],
    ['{ name: a, aggregate: count, window: 1h, entity: [ip, ip] }', /^f\.yaml:3: .*a list of two different ones$/],
    ['{ name: a, aggregate: amount, entity: ip }', /^f\.yaml:3: a: amount looks at no history: no "entity"$/],
    ['{ name: a, aggregate: nth_last, n: 0 }', /^f\.yaml:3: a: n is an integer from 1 to 1000$/],
    ['{ name: a, aggregate: count, window: 1h, n: 2 }', /^f\.yaml:3: a: no "n" here$/],
    ['{ name: a, aggregate: trimmed_mean, window: 1h, trim: 0.5 }', /^f\.yaml:3: a: trim is a share below 0.5/],
    ['{ name: a, aggregate: count_since, where: { label: fraud } }', /^f\.yaml:3: a: count_since needs "since"$/],
    ['{ name: a, aggregate: streak, among: { label: known } }', /^f\.yaml:3: a: streak needs "where"$/],
    ['{ name: a, aggregate: streak, where: { label: fraud }, since: { mcc: "1" } }', /^f\.yaml:3: a: no "since" here$/],
    ['{ name: a, aggregate: max, window: 1h, of: b }', /^f\.yaml:3: a: of b: no earlier feature of this name$/],
    [
      '{ name: a, aggregate: rate, window: 1h, where: { label: fraud }, entity: mcc }',
      /a verdict does not say the mcc/,
    ],
    ['{ name: a, aggregate: expression }', /^f\.yaml:3: a: "of" must be an expression in quotes$/],
    ['{ name: a, aggregate: expression, of: "b + 1.0" }', /^f\.yaml:3: a: of: column 1: .*b/],
    ['just words', /^f\.yaml:3: a feature is a map/],
  ])('%s', (feature, message) => {
    const found = problems(`  - ${feature}`);
    expect(found.some((one) => message.test(one))).toBe(true);
  });

  it('rows keep features of the user that no verdict changes, and no others', () => {
    const last = '  - { name: z, aggregate: count, window: 1h, where: { a: { over: 1 } } }';
    const of = (feature: string): string[] => problems(`  - ${feature}`, last);
    expect(of('{ name: a, aggregate: sum, window: 1h }')).toEqual([]);
    expect(of('{ name: a, aggregate: sum, window: 1h, entity: ip }')).toEqual([
      'f.yaml:4: z: a in where: rows keep features of the user alone',
    ]);
    expect(of('{ name: a, aggregate: count, window: 1h, where: { label: fraud } }')).toEqual([
      'f.yaml:4: z: a in where: it changes when verdicts come: rows cannot keep it',
    ]);
    const derived = problems(
      '  - { name: b, aggregate: rate, window: 1h, where: { label: fraud } }',
      '  - { name: a, aggregate: ratio, of: [b, b] }',
      last,
    );
    expect(derived).toEqual(['f.yaml:5: z: a in where: it changes when verdicts come: rows cannot keep it']);
    expect(problems('  - { name: z, aggregate: count, window: 1h, where: { a: { over: 1 } } }')[0]).toMatch(
      /unknown field "a"/,
    );
  });

  it('points at the line of each of several problems', () => {
    const found = problems(
      '  - { name: ok, aggregate: amount }',
      '  - name: b',
      '    aggregate: count',
      '    window: soon',
      '  - { name: ok, aggregate: amount }',
    );
    expect(found).toEqual([
      'f.yaml:6: b: count needs a window such as 10m, 1h or 30d (at most 366d)',
      'f.yaml:7: ok: the name is used twice',
    ]);
  });

  it('refuses another version, no features, no list, and what is not YAML', () => {
    expect(problemsOf('version: 2\nfeatures: [{ name: a, aggregate: amount }]')).toEqual([
      'f.yaml:1: version must be 1',
    ]);
    expect(problemsOf('version: 1\nfeatures: []')).toEqual(['f.yaml:1: the catalogue has no features']);
    expect(problemsOf('version: 1\nfeatures: 3')).toEqual(['f.yaml:2: features must be a list']);
    expect(problemsOf('version: 1\nfeatures:\n  - { name: a')[0]).toMatch(/^f\.yaml:\d: not valid YAML/);
    expect(problemsOf('[]')[0]).toMatch(/^f\.yaml:1: a catalogue is a map/);
  });

  it('has limits', () => {
    const many = Array.from(
      { length: LIMITS.catalogueFeaturesMax + 1 },
      (_, k) => `  - { name: f${k}, aggregate: amount }`,
    );
    expect(problems(...many)).toEqual([`f.yaml:2: more than ${LIMITS.catalogueFeaturesMax} features`]);
    const windows = Array.from(
      { length: LIMITS.catalogueWindowsMax + 1 },
      (_, k) => `  - { name: f${k}, aggregate: count, window: ${k + 1}h }`,
    );
    const catalogue = parseCatalogue(['version: 1', 'features:', ...windows].join('\n'), 'f.yaml');
    expect(() => compilePlan(catalogue, 0)).toThrow(/25 different windows; at most 24/);
  });
});

describe('the plan', () => {
  const plan = (feature: string): ReturnType<typeof compilePlan> =>
    compilePlan(parseCatalogue(`version: 1\nfeatures:\n  - ${feature}`, 'f.yaml'), 1_000);

  it('has a fingerprint for its formulas, and one for what the state keeps', () => {
    const a = plan('{ name: a, aggregate: distinct, of: mcc, window: 1h }');
    const longer = plan('{ name: a, aggregate: distinct, of: mcc, window: 2h }');
    const field = plan('{ name: a, aggregate: distinct, of: ip, window: 1h }');
    expect(longer.fingerprint).not.toBe(a.fingerprint);
    expect(longer.layout.fingerprint).toBe(a.layout.fingerprint);
    expect(field.layout.fingerprint).not.toBe(a.layout.fingerprint);
    expect(plan('{ name: a, aggregate: distinct, of: mcc, window: 60m, description: other }').fingerprint).toBe(
      a.fingerprint,
    );
  });

  it('keeps history for the longest window and the allowed lateness', () => {
    const { layout } = plan('{ name: a, aggregate: count, window: 2h }');
    expect([layout.lookbackMs, layout.horizonMs]).toEqual([7_200_000, 7_201_000]);
    const delayed = plan('{ name: a, aggregate: count, window: 2h, delay: 1h }');
    expect([delayed.layout.lookbackMs, delayed.layout.horizonMs]).toEqual([10_800_000, 10_801_000]);
  });

  it('tells windows with a delay from those without, and puts those without first', () => {
    const both = compilePlan(
      parseCatalogue(
        [
          'version: 1',
          'features:',
          '  - { name: a, aggregate: count, window: 1h, delay: 1h }',
          '  - { name: b, aggregate: count, window: 2h }',
          '  - { name: c, aggregate: count, window: 1h, delay: 0s }',
        ].join('\n'),
        'f.yaml',
      ),
      1_000,
    );
    expect([...both.layout.windowsMs]).toEqual([3_600_000, 7_200_000, 3_600_000]);
    expect([...both.layout.delaysMs]).toEqual([0, 0, 3_600_000]);
    expect(both.layout.plainWindows).toBe(2);
    expect(both.steps.map((step) => step.window)).toEqual([2, 1, 0]);
    expect(plan('{ name: a, aggregate: count, window: 1h, delay: 1h }').fingerprint).not.toBe(
      plan('{ name: a, aggregate: count, window: 1h, current: exclude }').fingerprint,
    );
  });

  it('keeps verdicts where a filter asks for them', () => {
    const without = plan('{ name: a, aggregate: share, window: 1h, where: { channel: POS } }');
    const labelled = plan('{ name: a, aggregate: share, window: 1h, where: { label: { not: fraud } } }');
    expect(without.layout.labelFilters).toBe(0);
    expect(labelled.layout.labelFilters).toBe(0b10);
    expect(labelled.layout.fingerprint).not.toBe(plan('{ name: a, aggregate: count, window: 1h }').layout.fingerprint);
    const known = '{ name: a, aggregate: rate, window: 1h, where: { label: fraud }, among: { label: known } }';
    const spelt =
      '{ name: a, aggregate: rate, window: 1h, where: { label: fraud }, among: { label: [fraud, genuine] } }';
    expect(plan(known).fingerprint).toBe(plan(spelt).fingerprint);
  });

  it('knows kept values by all that they are made from', () => {
    const kept = (window: string, over: number): ReturnType<typeof compilePlan> =>
      compilePlan(
        parseCatalogue(
          [
            'version: 1',
            'features:',
            '  - { name: amount, aggregate: amount }',
            `  - { name: usual, aggregate: mean, window: ${window} }`,
            '  - { name: r, aggregate: ratio, of: [amount, usual] }',
            `  - { name: high, aggregate: count, window: 1h, where: { r: { over: ${over} } } }`,
          ].join('\n'),
          'f.yaml',
        ),
        1_000,
      );
    expect(kept('2h', 2).kept).toEqual([2]);
    expect(kept('2h', 2).layout.fingerprint).toBe(kept('2h', 3).layout.fingerprint);
    expect(kept('2h', 2).layout.fingerprint).not.toBe(kept('3h', 2).layout.fingerprint);
  });

  it('knows expressions by what they mean', () => {
    const of = (value: string): string =>
      compilePlan(
        parseCatalogue(
          `version: 1\nfeatures:\n  - { name: a, aggregate: amount }\n  - { name: b, aggregate: expression, of: '${value}' }`,
          'f.yaml',
        ),
        1_000,
      ).fingerprint;
    expect(of('a*(2.0+1.0)')).toBe(of('a * (2.0 + 1.0)'));
    expect(of('a * 3.0')).not.toBe(of('a * 2.0'));
  });

  it('of the default catalogue is what the shipped model was trained with', () => {
    const text = readFileSync('config/features.yaml', 'utf8');
    const { fingerprint } = compilePlan(parseCatalogue(text, 'features.yaml'), 86_400_000);
    const manifest = JSON.parse(readFileSync('models/default/manifest.json', 'utf8')) as Record<string, unknown>;
    expect(JSON.stringify(manifest)).toContain(fingerprint);
  });
});
