import type { DecisionEncoder } from '../codec/codec.ts';
import { passHeaders } from '../codec/pass-headers.ts';
import { Contributions } from '../decision/contributions.ts';
import { verdictOf, type Policy } from '../decision/policy.ts';
import { explain } from '../decision/reasons.ts';
import type { Clock } from '../domain/clock.ts';
import type { Decision, FlaggedTransaction, Reason } from '../domain/decision.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Transaction } from '../domain/transaction.ts';
import { describeDuration } from '../features/duration.ts';
import type { Plan } from '../features/plan.ts';
import type { Scorer } from '../model/scorer.ts';
import { explainedFrom } from '../state/explained.ts';
import type { OutputRecord } from '../transport/record.ts';
import { KIND } from './event-kind.ts';
import type { BatchReport } from './report.ts';
import type { Work } from './work.ts';

/** What the stages before have found out about a batch. */
export interface ScoredBatch {
  readonly work: readonly Work[];
  /** row-major, one row of the catalogue's features per payment; NaN = none */
  readonly features: Float64Array;
  readonly scores: Float64Array;
  /** false when the model failed: the scores say nothing */
  readonly scored: boolean;
  readonly withoutHistory: boolean;
}

export interface DecisionWriterPorts {
  readonly encoder: DecisionEncoder;
  readonly policy: Policy;
  readonly clock: Clock;
  /** its version goes into decisions, its explainer into their reasons */
  readonly scorer: Pick<Scorer, 'modelVersion' | 'columns' | 'explainer'>;
  /** sees each decision, for reports of a replay */
  readonly watch?: (decision: Decision, transaction: Transaction) => void;
}

/** The last stage: a score becomes a decision, a decision becomes records. */
export class DecisionWriter {
  private readonly plan: Plan;
  private readonly encoder: DecisionEncoder;
  private readonly policy: Policy;
  private readonly clock: Clock;
  private readonly modelVersion: string;
  private readonly contributions: Contributions | null;
  private readonly watch: DecisionWriterPorts['watch'];

  constructor(plan: Plan, ports: DecisionWriterPorts) {
    this.plan = plan;
    this.encoder = ports.encoder;
    this.policy = ports.policy;
    this.clock = ports.clock;
    const { modelVersion, columns, explainer } = ports.scorer;
    this.modelVersion = modelVersion;
    this.contributions = explainer ? new Contributions(explainer, columns, plan.steps.length) : null;
    this.watch = ports.watch;
  }

  /** Appends the outputs of a batch, in its order, and counts them in the report. */
  write(batch: ScoredBatch, outputs: OutputRecord[], report: BatchReport): void {
    const { work, scores } = batch;
    const decisionMs = this.clock.nowMs();
    for (let k = 0; k < work.length; k++) {
      const one = work[k]!;
      const { record, transaction } = one;
      const degraded = this.degradedOf(one, batch);
      const score = scores[k]!;
      const { verdict, flagged } = verdictOf(this.policy, score);
      const contributions = flagged
        ? (this.contributions?.of(batch.features, k * this.plan.steps.length) ?? null)
        : null;
      const decision: Decision = {
        decision_id: `${record.topic}/${record.partition}/${record.offset}`,
        transaction_id: transaction.transaction_id,
        user_id: transaction.user_id,
        decision: verdict,
        flagged,
        score,
        model_version: this.modelVersion,
        policy_version: this.policy.version,
        catalogue_fingerprint: this.plan.fingerprint,
        reasons: this.reasonsOf(one, batch, k, flagged, contributions),
        input_topic: record.topic,
        input_partition: record.partition,
        input_offset: record.offset,
        event_time: transaction.event_time,
        decision_time: decisionMs,
        exact: one.inexact === 0 && degraded.length === 0,
        late: one.kind === KIND.late,
        future: one.kind === KIND.future,
        duplicate_of:
          one.kind !== KIND.repeat || one.firstOffset < 0
            ? null
            : `${record.topic}/${record.partition}/${one.firstOffset}`,
        degraded,
      };
      this.watch?.(decision, transaction);
      if (verdict === 'BLOCK') report.blocked++;
      if (degraded.length > 0) report.degraded++;
      const output = {
        stream: 'decisions' as const,
        partition: record.partition,
        key: Buffer.from(transaction.user_id),
        value: this.encoder.encodeDecision(decision),
        headers: passHeaders(record.headers),
        timestampMs: decisionMs,
      };
      outputs.push(output);
      if (!flagged) continue;
      report.flagged++;
      const value = this.encoder.encodeFlagged(this.caseOf(one, batch, k, decision, contributions));
      outputs.push({ ...output, stream: 'flagged', value });
    }
  }

  private degradedOf(one: Work, { scored, withoutHistory }: ScoredBatch): string[] {
    if (one.inexact === 0 && one.othersInexact === null && scored && !withoutHistory) return NOTHING;
    const degraded: string[] = [];
    this.plan.entities.forEach(({ name, layout: { windowsMs, delaysMs } }, e) => {
      const inexact = e === 0 ? one.inexact : (one.othersInexact?.[e - 1] ?? 0);
      const prefix = e === 0 ? 'inexact:' : `inexact:${name}:`;
      windowsMs.forEach((windowMs, w) => {
        if ((inexact & (1 << w)) !== 0) degraded.push(`${prefix}${windowName(windowMs, delaysMs[w]!)}`);
      });
    });
    if (!scored) degraded.push('model-unavailable');
    if (withoutHistory) degraded.push('no-history');
    return degraded;
  }

  private reasonsOf(
    one: Work,
    batch: ScoredBatch,
    k: number,
    flagged: boolean,
    contributions: Float64Array | null,
  ): Reason[] {
    if (!flagged && one.kind !== KIND.reused) return NO_REASONS;
    const reasons: Reason[] = [];
    if (one.kind === KIND.reused) reasons.push(REUSED);
    if (flagged && one.entry) {
      const history = one.entry.history;
      const row = history.rows.upperBound(one.transaction.event_time);
      const context = {
        history,
        sinceMs: one.transaction.event_time - this.plan.layout.lookbackMs,
        row,
        beforeOffset: one.seenBefore,
        currency: one.transaction.currency,
      };
      const at = k * this.plan.steps.length;
      reasons.push(...explain(this.plan, batch.features, at, context, contributions));
    }
    return reasons.slice(0, LIMITS.reasonsMax);
  }

  private caseOf(
    one: Work,
    batch: ScoredBatch,
    k: number,
    decision: Decision,
    contributions: Float64Array | null,
  ): FlaggedTransaction {
    const features: Record<string, number | null> = {};
    const width = this.plan.steps.length;
    this.plan.names.forEach((name, f) => {
      const value = batch.features[k * width + f]!;
      features[name] = Number.isNaN(value) ? null : value;
    });
    const history: FlaggedTransaction['history'] = [];
    const sinceMs = one.transaction.event_time - this.plan.layout.lookbackMs;
    if (one.entry !== null) {
      const { rows } = one.entry.history;
      const oldest = explainedFrom(one.entry.history, one.seenBefore);
      for (let row = rows.upperBound(one.transaction.event_time) - 1; row >= oldest; row--) {
        if (history.length >= LIMITS.historyEntriesMax || rows.timeMs(row) <= sinceMs) break;
        if (rows.offset(row) >= one.seenBefore) continue;
        history.push({
          event_time: rows.timeMs(row),
          amount_minor: rows.amountMinor(row),
          input_offset: rows.offset(row),
        });
      }
    }
    const explanation = contributions === null ? null : this.contributions!.describe(this.plan.names, contributions);
    return { decision, transaction: one.transaction, features, history, explanation };
  }
}

/** `7d`, `7d-delay-1d` */
function windowName(windowMs: number, delayMs: number): string {
  const name = describeDuration(windowMs).replace(' ', '');
  return delayMs === 0 ? name : `${name}-delay-${describeDuration(delayMs).replace(' ', '')}`;
}

const NOTHING: string[] = [];
const NO_REASONS: Reason[] = [];
const REUSED: Reason = {
  code: 'transaction_id_reused',
  value: null,
  usual: null,
  contribution: null,
  text: 'this transaction id was used before for another payment',
};
