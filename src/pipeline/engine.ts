import type { DecisionEncoder, TransactionDecoder } from '../codec/codec.ts';
import { deadLetterOf } from '../codec/dead-letter.ts';
import type { Policy } from '../decision/policy.ts';
import type { Clock } from '../domain/clock.ts';
import type { Decision } from '../domain/decision.ts';
import { toFraudstreamError } from '../domain/errors.ts';
import type { Transaction } from '../domain/transaction.ts';
import type { Plan } from '../features/plan.ts';
import type { Scorer } from '../model/scorer.ts';
import type { PartitionHistories } from '../state/partition-histories.ts';
import type { InputBatch, InputRecord, OutputRecord } from '../transport/record.ts';
import { KIND, type Kind } from './event-kind.ts';
import { EventMeasurer } from './event-measurer.ts';
import { DecisionWriter } from './decision-writer.ts';
import type { LabelFeed } from './label-feed.ts';
import { emptyReport, type BatchReport } from './report.ts';
import { Segment } from './segment.ts';
import { newWork, type Work } from './work.ts';

export interface EngineOptions {
  readonly futureSkewMs: number;
}

export interface EnginePorts {
  readonly decoder: TransactionDecoder;
  readonly encoder: DecisionEncoder;
  readonly scorer: Scorer;
  readonly policy: Policy;
  readonly clock: Clock;
  /** verdicts that come beside the payments; only a run over files has them */
  readonly labels?: LabelFeed | null;
  /** sees each decision, for reports of a replay */
  readonly watch?: (decision: Decision, transaction: Transaction) => void;
}

export interface BatchResult {
  readonly outputs: OutputRecord[];
  readonly report: BatchReport;
  /** offset of the last record that has a decision; -1 = all are dead letters */
  readonly lastDecision: number;
}

/**
 * The spine: one batch of one partition, top to bottom, in data order. Decode, load histories, features as of each
 * event, fold it in, score, decide, encode. Publishing, committing and flushing are the caller's (`PartitionWorker`,
 * `FileRunner`), in this order.
 *
 * Buffers are reused from batch to batch: one batch at a time per engine.
 */
export class Engine {
  readonly plan: Plan;
  private readonly decoder: TransactionDecoder;
  private readonly scorer: Scorer;
  private readonly writer: DecisionWriter;
  private readonly clock: Clock;
  private readonly measurer: EventMeasurer;
  private readonly segment: Segment;
  private features = new Float64Array(0);
  private rows = new Float32Array(0);
  private scores = new Float64Array(0);

  constructor(plan: Plan, ports: EnginePorts, options: EngineOptions) {
    this.plan = plan;
    this.decoder = ports.decoder;
    this.scorer = ports.scorer;
    this.writer = new DecisionWriter(plan, ports);
    this.clock = ports.clock;
    this.measurer = new EventMeasurer(plan, options.futureSkewMs, ports.labels ?? null);
    this.segment = new Segment(plan.layout);
  }

  /**
   * Decides a batch. Rejects before anything was folded when the registry or the store do not answer (retriable: try
   * the same batch again), or with FS_STATE_CONFLICT (the partition must be acquired anew).
   * @param histories null = decide without history (the store is away and the policy says so): nothing is folded
   */
  async decide(batch: InputBatch, histories: PartitionHistories | null): Promise<BatchResult> {
    const report = emptyReport();
    const outputs: OutputRecord[] = [];
    const clock = this.clock;
    const start = clock.monotonicMs();
    await this.decoder.prepare(batch.records);
    const work = this.decode(batch.records, outputs, report);
    const decoded = clock.monotonicMs();
    if (histories) {
      await this.measurer.load(work, histories);
      report.cacheHits += histories.hits;
      report.cacheMisses += histories.misses;
      histories.hits = 0;
      histories.misses = 0;
    }
    const { stageMs } = report;
    stageMs[0] = decoded - start;
    stageMs[1] = clock.monotonicMs() - decoded;
    for (let from = 0; from < work.length;) {
      const begun = clock.monotonicMs();
      const to = this.measure(work, from, histories, report);
      const measured = clock.monotonicMs();
      const scored = await this.score(to - from);
      const scoredAt = clock.monotonicMs();
      const { features, scores } = this;
      const segment = from === 0 && to === work.length ? work : work.slice(from, to);
      this.writer.write(
        { work: segment, features, scores, scored, withoutHistory: histories === null },
        outputs,
        report,
      );
      stageMs[2]! += measured - begun;
      stageMs[3]! += scoredAt - measured;
      stageMs[4]! += clock.monotonicMs() - scoredAt;
      from = to;
    }
    if (histories && batch.records.length > 0) {
      histories.position = batch.records[batch.records.length - 1]!.offset + 1;
    }
    this.measurer.labels?.count(report);
    report.records = batch.records.length;
    return { outputs, report, lastDecision: work[work.length - 1]?.record.offset ?? -1 };
  }

  /** Folds records whose decisions were published before: nothing comes out. Rejects as `decide` does. */
  async foldSilently(records: readonly InputRecord[], histories: PartitionHistories): Promise<void> {
    await this.decoder.prepare(records);
    const work = this.decode(records, null, emptyReport());
    await this.measurer.load(work, histories);
    for (const one of work) this.measurer.foldAgain(one, histories);
    if (records.length > 0) histories.position = records[records.length - 1]!.offset + 1;
  }

  /** Features of a batch without a decision, for training: calls back per row. */
  async exportRows(
    batch: InputBatch,
    histories: PartitionHistories,
    row: (work: { record: InputRecord; transaction: Transaction; kind: Kind }, values: Float64Array) => void,
  ): Promise<BatchReport> {
    const report = emptyReport();
    await this.decoder.prepare(batch.records);
    const work = this.decode(batch.records, [], report);
    await this.measurer.load(work, histories);
    const width = this.plan.steps.length;
    for (let from = 0; from < work.length;) {
      const to = this.measure(work, from, histories, report);
      for (let k = from; k < to; k++) row(work[k]!, this.features.subarray((k - from) * width, (k - from + 1) * width));
      from = to;
    }
    this.measurer.labels?.count(report);
    report.records = batch.records.length;
    return report;
  }

  private decode(records: readonly InputRecord[], outputs: OutputRecord[] | null, report: BatchReport): Work[] {
    const work: Work[] = [];
    for (const record of records) {
      try {
        if (record.failure) throw record.failure;
        const transaction = this.decoder.decode(record);
        work.push(newWork(record, transaction));
      } catch (thrown) {
        const error = toFraudstreamError(thrown);
        if (error.retriable) throw error;
        report.deadLetters.set(error.code, (report.deadLetters.get(error.code) ?? 0) + 1);
        outputs?.push(deadLetterOf(record, error));
      }
    }
    return work;
  }

  /**
   * Each event in offset order: its features from the history before it, then it becomes history. Ends early when a
   * flagged payment could lose sight of its past to later ones of its user: what is said of it, and what it says, must
   * not depend on where a batch was cut.
   * @returns index behind the last event that was measured
   */
  private measure(
    work: readonly Work[],
    from: number,
    histories: PartitionHistories | null,
    report: BatchReport,
  ): number {
    const width = this.plan.steps.length;
    this.reserve(work.length - from);
    this.segment.begin();
    for (let k = from; k < work.length; k++) {
      const one = work[k]!;
      const at = (k - from) * width;
      if (!histories) this.measurer.withoutHistory(one, this.features, at);
      else if (!this.segment.take(one.entry!, one.transaction.event_time)) return k;
      else this.measurer.take(one, histories, this.features, at);
      this.count(one, report);
    }
    return work.length;
  }

  private async score(count: number): Promise<boolean> {
    if (count === 0) return true;
    const { columns } = this.scorer;
    const width = this.plan.steps.length;
    const { features, rows } = this;
    let at = 0;
    for (let k = 0; k < count; k++) {
      for (let c = 0; c < columns.length; c++) rows[at++] = features[k * width + columns[c]!]!;
    }
    try {
      await this.scorer.score(rows.subarray(0, count * columns.length), count, this.scores);
      return true;
    } catch (thrown) {
      if (toFraudstreamError(thrown).code !== 'FS_MODEL_FAILED') throw thrown;
      this.scores.fill(0, 0, count);
      return false;
    }
  }

  private count(one: Work, report: BatchReport): void {
    if (one.kind === KIND.late) report.late++;
    else if (one.kind === KIND.future) report.future++;
    else if (one.kind === KIND.repeat) report.repeated++;
    else if (one.kind === KIND.reused) report.reused++;
    if (one.inexact !== 0 || one.othersInexact !== null) report.inexact++;
  }

  private reserve(count: number): void {
    if (this.scores.length >= count) return;
    const room = Math.max(256, count);
    this.features = new Float64Array(room * this.plan.steps.length);
    this.rows = new Float32Array(room * this.scorer.columns.length);
    this.scores = new Float64Array(room);
  }
}
