import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../../src/domain/transaction.ts';
import { hash32 } from '../../../src/features/hash.ts';
import { parseCatalogue } from '../../../src/features/parse.ts';
import { compilePlan } from '../../../src/features/plan.ts';
import { Engine } from '../../../src/pipeline/engine.ts';
import type { DueLabel, LabelFeed } from '../../../src/pipeline/label-feed.ts';
import { CacheBudget } from '../../../src/state/cache.ts';
import { entityKey, entityPrefix } from '../../../src/state/entity-keys.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { PartitionHistories } from '../../../src/state/partition-histories.ts';
import { transaction } from '../../support/transaction.ts';

const DAY = 86_400_000;
const T = Date.UTC(2026, 0, 15);

const plan = compilePlan(
  parseCatalogue(
    [
      'version: 1',
      'features:',
      '  - { name: count, aggregate: count, entity: terminal_id, window: 7d, delay: 7d }',
      '  - { name: risk, aggregate: rate, entity: terminal_id, window: 7d, delay: 7d, where: { label: fraud } }',
      '  - { name: frauds, aggregate: count, window: 30d, where: { label: fraud } }',
      '  - { name: since, aggregate: time_since_last, entity: terminal_id, where: { label: fraud } }',
    ].join('\n'),
    'labels.yaml',
  ),
  DAY,
);

function feedOf(labels: readonly { of: Transaction; dueMs: number; fraud: boolean }[]): LabelFeed {
  let next = 0;
  const due = labels.map(({ of, dueMs, fraud }, offset): DueLabel => ({
    dueMs,
    keys: [of.user_id, entityKey(entityPrefix('terminal_id'), [of.terminal_id])],
    label: {
      transactionHash: hash32(of.transaction_id, 0),
      timeMs: of.event_time,
      labelledAtMs: dueMs,
      fraud,
      offset,
    },
  }));
  return {
    take: (untilMs) => {
      const from = next;
      while (next < due.length && due[next]!.dueMs <= untilMs) next++;
      return due.slice(from, next);
    },
  };
}

async function exported(
  payments: readonly Transaction[],
  labels: Parameters<typeof feedOf>[0],
  batchSize: number,
): Promise<{ rows: number[][]; labels: number; gone: number }> {
  const engine = new Engine(
    plan,
    {
      decoder: {
        prepare: () => Promise.resolve(),
        decode: ({ offset }) => payments[offset]!,
      },
      encoder: { encodeDecision: () => Buffer.alloc(0), encodeFlagged: () => Buffer.alloc(0) },
      scorer: {
        modelVersion: 'none',
        featureNames: [],
        columns: new Int32Array(0),
        thresholds: { flag: 1, block: 1 },
        score: () => Promise.resolve(),
        close: () => Promise.resolve(),
      },
      policy: { version: 'none', thresholds: { flag: 1, block: 1 } },
      clock: { nowMs: () => 0, monotonicMs: () => 0 },
      labels: feedOf(labels),
    },
    { futureSkewMs: Infinity },
  );
  const store = await new MemoryStateStore().open({ topic: 't', partition: 0 });
  const histories = new PartitionHistories(plan.layout, store, new CacheBudget(1e9));
  histories.restart(null);
  const rows: number[][] = [];
  let folded = 0;
  let gone = 0;
  for (let from = 0; from < payments.length; from += batchSize) {
    const records = payments.slice(from, from + batchSize).map((_, k) => ({
      topic: 't',
      partition: 0,
      offset: from + k,
      timestampMs: -1,
      key: null,
      value: null,
      headers: null,
    }));
    const batch = { topic: 't', partition: 0, records, highWatermark: -1 };
    const report = await engine.exportRows(batch, histories, (_, values) => rows.push([...values]));
    folded += report.labels;
    gone += report.labelsGone;
  }
  return { rows, labels: folded, gone };
}

describe('verdicts beside payments', () => {
  const at = (k: number, days: number, user = 'u_1', terminal: string | null = 'term_1'): Transaction =>
    transaction({ transaction_id: `t_${k}`, user_id: user, terminal_id: terminal, event_time: T + days * DAY });
  const payments = [
    at(0, 0),
    at(1, 1, 'u_2'),
    at(2, 7),
    at(3, 7.5, 'u_3'),
    at(4, 8, 'u_2'),
    at(5, 9, 'u_1', null),
    at(6, 60),
    at(7, 61, 'u_2'),
  ];
  const labels = [
    { of: payments[0]!, dueMs: T + 7 * DAY, fraud: true },
    { of: payments[1]!, dueMs: T + 8 * DAY, fraud: false },
    { of: payments[2]!, dueMs: T + 60 * DAY, fraud: true },
    { of: payments[6]!, dueMs: T + 60 * DAY + 1, fraud: true },
  ];

  it.each([1, 3, 100])(
    'are known from their time on, at equal times before the payment; batches of %i',
    async (size) => {
      const { rows, ...counts } = await exported(payments, labels, size);
      const days = (n: number): number => (n * DAY) / 1_000;
      expect(rows).toEqual([
        [0, 0, 0, NaN],
        [0, 0, 0, NaN],
        [1, 1, 1, days(7)],
        [1, 1, 0, days(7.5)],
        [2, 0.5, 0, days(8)],
        [NaN, NaN, 1, NaN],
        [0, 0, 0, NaN],
        [0, 0, 0, days(1)],
      ]);
      expect(counts).toEqual({ labels: 4, gone: 0 });
    },
  );
});
