import { describe, expect, it } from 'vitest';
import { LabelTimeline } from '../../../src/commands/label-timeline.ts';
import type { Label } from '../../../src/domain/transaction.ts';
import { hash32 } from '../../../src/features/hash.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan, type Plan } from '../../../src/features/plan.ts';

const planOf = (...features: string[]): Plan =>
  compilePlan(
    parseCatalogue(['version: 1', 'features:', ...features.map((one) => `  - ${one}`)].join('\n'), 'f.yaml'),
    0,
  );

const FRAUDS = '{ name: f, aggregate: count, window: 1d, entity: terminal_id, where: { label: fraud } }';

const label = (id: string, labelledAt: number, more: Partial<Label> = {}): Label => ({
  transaction_id: id,
  user_id: 'u',
  event_time: 5,
  card_id: null,
  merchant_id: 'm',
  terminal_id: 't',
  device_id: null,
  ip: null,
  is_fraud: true,
  source: 'ANALYST',
  labelled_at: labelledAt,
  ...more,
});

describe('the label timeline', () => {
  it('is not needed when no feature asks for verdicts', () => {
    expect(LabelTimeline.of(planOf('{ name: a, aggregate: count, window: 1d }'))).toBeNull();
  });

  it('gives verdicts in the order of time, equal ones in the order of the files, each once', () => {
    const timeline = LabelTimeline.of(planOf(FRAUDS))!;
    const given = [label('c', 30), label('a', 10), label('b1', 20), label('b2', 20, { is_fraud: false })];
    for (const one of given) timeline.add(one);
    expect(timeline.take(9)).toEqual([]);
    const taken = timeline.take(20);
    expect(taken.map(({ label: view }) => view.transactionHash)).toEqual(['a', 'b1', 'b2'].map((id) => hash32(id, 0)));
    expect(taken.map(({ label: view }) => view.offset)).toEqual([0, 1, 2]);
    expect(taken[2]!.label).toMatchObject({ fraud: false, labelledAtMs: 20, timeMs: 5 });
    expect(timeline.take(20)).toEqual([]);
    expect(timeline.take(Infinity)).toHaveLength(1);
  });

  it('names the histories of entities with features over verdicts, and those alone', () => {
    const timeline = LabelTimeline.of(
      planOf(
        FRAUDS,
        '{ name: s, aggregate: count, window: 1d, entity: merchant_id }',
        '{ name: p, aggregate: count, window: 1d, entity: [user_id, ip], where: { label: genuine } }',
      ),
    )!;
    timeline.add(label('a', 1));
    timeline.add(label('b', 2, { terminal_id: null, ip: '1.2.3.4' }));
    expect(timeline.take(2).map(({ keys }) => keys)).toEqual([
      [null, '\u0001terminal_id\u0001t', null, null],
      [null, null, null, '\u0001ip+user_id\u00017:1.2.3.4u'],
    ]);
  });
});
