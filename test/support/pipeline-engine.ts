import { createDecisionEncoder } from '../../src/codec/decision-encoder.ts';
import { SCHEMA_TYPES } from '../../src/codec/schemas.ts';
import { createAvroTransactionDecoder } from '../../src/codec/transaction-decoder.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type { Decision, FlaggedTransaction } from '../../src/domain/decision.ts';
import { parseCatalogue } from '../../src/features/parse.ts';
import { compilePlan, type Plan } from '../../src/features/plan.ts';
import type { Scorer } from '../../src/model/scorer.ts';
import { Engine } from '../../src/pipeline/engine.ts';
import type { OutputRecord } from '../../src/transport/record.ts';

/** A real engine around a model of a few additions. */

const HOUR_MS = 3_600_000;
const THRESHOLDS = { flag: 0.5, block: 0.9 };

/** Seven features with a rule each, so that reasons must be chosen from; two that a first payment has no value for. */
const CATALOGUE = `version: 1
features:
  - { name: amount, aggregate: amount, reason: { text: 'amount {value}', at_least: 0, weight: 1 } }
  - { name: count_1h, aggregate: count, window: 1h, reason: { text: '{value} in 1 h', at_least: 0, weight: 9 } }
  - { name: count_1d, aggregate: count, window: 1d, reason: { text: '{value} in 1 d', at_least: 0, weight: 8 } }
  - { name: sum_1h, aggregate: sum, window: 1h, reason: { text: 'sum {value}', at_least: 0, weight: 7 } }
  - { name: sum_1d, aggregate: sum, window: 1d, reason: { text: 'sum {value}', at_least: 0, weight: 6 } }
  - { name: merchants_1d, aggregate: distinct, of: merchant_id, window: 1d, reason: { text: '{value}', at_least: 0, weight: 5 } }
  - { name: countries_1d, aggregate: distinct, of: country, window: 1d, reason: { text: '{value}', at_least: 0, weight: 4 } }
  - { name: mean_1d, aggregate: mean, window: 1d, current: exclude }
  - { name: since_last, aggregate: time_since_last }
`;

export function smallPlan(more = ''): Plan {
  return compilePlan(parseCatalogue(CATALOGUE + more, 'small.yaml'), 24 * HOUR_MS);
}

export class ManualClock implements Clock {
  wallMs = Date.UTC(2026, 0, 15, 13);
  ms = 1_000_000;

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.ms;
  }

  advance(ms: number): void {
    this.wallMs += ms;
    this.ms += ms;
  }
}

/**
 * The amount in hundreds and what history adds: payments that are forgotten or counted twice show in every later score.
 * Rejects with each of `failures` first.
 */
function additiveScorer(plan: Plan, failures: unknown[] = []): Scorer {
  const width = plan.names.length;
  const column = (name: string): number => plan.names.indexOf(name);
  const [amount, count, sum] = [column('amount'), column('count_1d'), column('sum_1d')];
  return {
    modelVersion: 'additive-1',
    featureNames: plan.names,
    columns: Int32Array.from(plan.names.keys()),
    thresholds: THRESHOLDS,
    score: (rows, rowCount, out) => {
      if (failures.length > 0) return Promise.reject(failures.shift() as Error);
      for (let k = 0; k < rowCount; k++) {
        const at = k * width;
        const history = rows[at + count]! / 1_000 + rows[at + sum]! / 100_000_000;
        out[k] = Math.min(1, rows[at + amount]! / 10_000 + history);
      }
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/** @param change to the scorer */
export function engineOf(plan: Plan, clock: Clock, failures: unknown[] = [], change: Partial<Scorer> = {}): Engine {
  return new Engine(
    plan,
    {
      decoder: createAvroTransactionDecoder({ recordBytesMax: 100_000, cardNumberGuard: true }),
      encoder: createDecisionEncoder(null),
      scorer: { ...additiveScorer(plan, failures), ...change },
      policy: { version: 'policy-1', thresholds: THRESHOLDS },
      clock,
    },
    { futureSkewMs: 300_000 },
  );
}

export function decisionOf(output: OutputRecord): Decision {
  return SCHEMA_TYPES.decision.fromBuffer(output.value!) as Decision;
}

export function flaggedOf(output: OutputRecord): FlaggedTransaction {
  return SCHEMA_TYPES.flagged.fromBuffer(output.value!) as FlaggedTransaction;
}

/** The bytes of outputs with the one field zeroed that a second decision may change. */
export function comparable(outputs: readonly OutputRecord[]): string[] {
  return outputs.map((output) => {
    if (output.stream === 'dead-letter') return `dead-letter ${output.value?.toString('hex')}`;
    const type = output.stream === 'decisions' ? SCHEMA_TYPES.decision : SCHEMA_TYPES.flagged;
    const value = output.stream === 'decisions' ? decisionOf(output) : flaggedOf(output);
    const decision = 'decision' in value && typeof value.decision === 'object' ? value.decision : (value as Decision);
    decision.decision_time = 0;
    return `${output.stream} ${output.key?.toString()} ${type.toBuffer(value).toString('hex')}`;
  });
}
