import { describe, expect, it } from 'vitest';
import { createTransactionEncoder } from '../../../src/codec/transaction-encoder.ts';
import type { Explainer } from '../../../src/model/scorer.ts';
import { CacheBudget } from '../../../src/state/cache.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { PartitionHistories } from '../../../src/state/partition-histories.ts';
import { engineOf, flaggedOf, ManualClock, smallPlan } from '../../support/pipeline-engine.ts';
import { transaction } from '../../support/transaction.ts';

const plan = smallPlan();
const columns = Int32Array.from(plan.names, (_, k) => k);

/** The amount's distance from 10, in tens; that of the day's count from 1; a missing value takes some away. */
const explainer: Explainer = {
  space: 'probability',
  base: 0.2,
  explain(row, at, out) {
    out.fill(0);
    out[plan.names.indexOf('amount')] = (row[at + plan.names.indexOf('amount')]! - 1_000) / 10_000;
    out[plan.names.indexOf('count_1d')] = (row[at + plan.names.indexOf('count_1d')]! - 1) / 100;
    if (Number.isNaN(row[at + plan.names.indexOf('mean_1d')]!)) out[plan.names.indexOf('mean_1d')] = -0.05;
    return out.reduce((sum, part) => sum + part, this.base);
  },
};

async function flaggedRecords(amounts: readonly number[], explained: Explainer | null) {
  const clock = new ManualClock();
  const engine = engineOf(plan, clock, [], { columns, explainer: explained });
  const store = await new MemoryStateStore().open({ topic: 't', partition: 0 });
  const histories = new PartitionHistories(plan.layout, store, new CacheBudget(1e9));
  histories.restart(null);
  const encoder = createTransactionEncoder();
  const records = amounts.map((amount_minor, offset) => {
    const event_time = clock.nowMs() - 60_000 + offset;
    const value = encoder.encode(transaction({ transaction_id: `t_${offset}`, event_time, amount_minor }));
    return { topic: 't', partition: 0, offset, timestampMs: -1, key: null, value, headers: null };
  });
  const { outputs } = await engine.decide({ topic: 't', partition: 0, records, highWatermark: -1 }, histories);
  return outputs.filter(({ stream }) => stream === 'flagged').map(flaggedOf);
}

describe('a flagged payment', () => {
  it('carries what each feature adds to its score', async () => {
    const flagged = await flaggedRecords([6_000, 100, 9_000], explainer);
    expect(flagged).toHaveLength(2);
    const [first, third] = flagged.map(({ explanation }) => explanation!);
    expect(first).toMatchObject({ space: 'probability', base: 0.2 });
    expect(first!.contributions).toEqual({ amount: 0.5, mean_1d: expect.closeTo(-0.05, 9) });
    expect(third!.contributions).toEqual({ amount: expect.closeTo(0.8, 6), count_1d: expect.closeTo(0.02, 9) });
  });

  it('has the features that raise its score for reasons', async () => {
    const [, third] = await flaggedRecords([6_000, 100, 9_000], explainer);
    expect(third!.decision.reasons.map(({ code, contribution }) => [code, contribution])).toEqual([
      ['amount', third!.explanation!.contributions['amount']],
      ['count_1d', third!.explanation!.contributions['count_1d']],
    ]);
  });

  it('has neither with a model that cannot be taken apart', async () => {
    const [first] = await flaggedRecords([6_000], null);
    expect(first!.explanation).toBeNull();
    expect(first!.decision.reasons.map(({ contribution }) => contribution)).toEqual([null, null, null, null, null]);
  });
});
