import { describe, expect, it } from 'vitest';
import { checkCatalogue } from '../../../src/commands/run-catalogue.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan } from '../../../src/features/plan.ts';

const checked = (feature: string): string[] => {
  const said: string[] = [];
  const plan = compilePlan(parseCatalogue(`version: 1\nfeatures:\n  - ${feature}`, 'f.yaml'), 1_000);
  checkCatalogue(plan, { warn: (message, fields) => said.push(`${message}: ${JSON.stringify(fields)}`) });
  return said;
};

describe('the catalogue of a live run', () => {
  it('has no features over verdicts, which are not read', () => {
    expect(() => checked('{ name: a, aggregate: count, window: 1h, where: { label: fraud } }')).toThrow(
      /a is over verdicts, which run does not read/,
    );
  });

  it('may look at other entities, as far as the partition knows them', () => {
    expect(checked('{ name: a, aggregate: count, window: 1h }')).toEqual([]);
    expect(checked('{ name: a, aggregate: count, window: 1h, entity: ip }')).toEqual([
      'each partition knows of these entities what its own users did there: {"entities":"ip"}',
    ]);
  });
});
