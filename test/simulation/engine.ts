import { createDecisionEncoder } from '../../src/codec/decision-encoder.ts';
import { createAvroTransactionDecoder } from '../../src/codec/transaction-decoder.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type { Plan } from '../../src/features/plan.ts';
import type { Scorer } from '../../src/model/scorer.ts';
import { Engine } from '../../src/pipeline/engine.ts';
import type { InputRecord } from '../../src/transport/record.ts';

const THRESHOLDS = { flag: 0.5, block: 0.9 };
export const FUTURE_SKEW_MS = 300_000;
const decoder = createAvroTransactionDecoder({ recordBytesMax: 100_000, cardNumberGuard: true });
const encoder = createDecisionEncoder(null);

/** What a process may meet on the way through the engine. */
export interface EngineHooks {
  /** before records are decoded; rejects with FS_REGISTRY_UNAVAILABLE, or takes its time */
  readonly prepare: (records: readonly InputRecord[]) => Promise<void>;
  /** a record that ends the process ends it here */
  readonly decode: (record: InputRecord) => void;
  readonly score: () => Promise<void>;
}

const NOTHING: EngineHooks = { prepare: async () => {}, decode: () => {}, score: async () => {} };

/** The real engine around a model of a few additions: payments that are forgotten or counted twice show in each later score. */
export function simulatedEngine(plan: Plan, clock: Clock, hooks: EngineHooks = NOTHING): Engine {
  return new Engine(
    plan,
    {
      decoder: {
        prepare: (records) => hooks.prepare(records),
        decode: (record) => {
          hooks.decode(record);
          return decoder.decode(record);
        },
      },
      encoder,
      scorer: additiveScorer(plan, hooks),
      policy: { version: 'policy-1', thresholds: THRESHOLDS },
      clock,
    },
    { futureSkewMs: FUTURE_SKEW_MS },
  );
}

function additiveScorer(plan: Plan, hooks: EngineHooks): Scorer {
  const width = plan.names.length;
  const [amount, count, sum, since] = ['amount', 'count_1d', 'sum_1d', 'since_last'].map((name) =>
    plan.names.indexOf(name),
  ) as [number, number, number, number];
  return {
    modelVersion: 'additive-1',
    featureNames: plan.names,
    columns: Int32Array.from(plan.names.keys()),
    thresholds: THRESHOLDS,
    score: async (rows, rowCount, out) => {
      const scores = Array.from({ length: rowCount }, (_, k) => {
        const at = k * width;
        const last = rows[at + since] as number;
        const history =
          (rows[at + count] as number) / 1_000 +
          (rows[at + sum] as number) / 100_000_000 +
          (Number.isNaN(last) ? 0.05 : (last % 997) / 1e6);
        return Math.min(1, (rows[at + amount] as number) / 10_000 + history);
      });
      // As a model in another thread: the rows were handed over, the scores come back later.
      await hooks.score();
      for (let k = 0; k < rowCount; k++) out[k] = scores[k] as number;
    },
    close: () => Promise.resolve(),
  };
}
