import type { DecisionEncoder, TransactionDecoder } from '../codec/codec.ts';
import { deadLetterOf } from '../codec/dead-letter.ts';
import type { Policy } from '../decision/policy.ts';
import type { Clock } from '../domain/clock.ts';
import type { Decision } from '../domain/decision.ts';
import { FraudstreamError, toFraudstreamError } from '../domain/errors.ts';
import type { Transaction } from '../domain/transaction.ts';
import { computeFeatures, inexactWindows, windowsBefore } from '../features/compute.ts';
import { Extractor } from '../features/extract.ts';
import type { Plan } from '../features/plan.ts';
import type { Scorer } from '../model/scorer.ts';
import { EventView } from '../state/event-view.ts';
import type { UserHistory } from '../state/history.ts';
import { measureAsOf } from '../state/measure-as-of.ts';
import { Measures } from '../state/measures.ts';
import type { PartitionHistories } from '../state/partition-histories.ts';
import type { InputBatch, InputRecord, OutputRecord } from '../transport/record.ts';
import { KIND, classify, isFolded, type Classified, type Kind } from './event-kind.ts';
import { DecisionWriter } from './decision-writer.ts';
import { emptyReport, type BatchReport } from './report.ts';
import { Segment } from './segment.ts';
import type { Work } from './work.ts';

export interface EngineOptions {
  readonly futureSkewMs: number;
}

export interface EnginePorts {
  readonly decoder: TransactionDecoder;
  readonly encoder: DecisionEncoder;
  readonly scorer: Scorer;
  readonly policy: Policy;
  readonly clock: Clock;
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
  private readonly options: EngineOptions;
  private readonly extractor: Extractor;
  private readonly event: EventView;
  private readonly measures: Measures;
  private readonly classified: Classified = { kind: KIND.normal, row: -1 };
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
    this.options = options;
    this.extractor = new Extractor(plan);
    this.event = new EventView(plan.layout);
    this.measures = new Measures(plan.layout);
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
      await this.load(work, histories);
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
    report.records = batch.records.length;
    return { outputs, report, lastDecision: work[work.length - 1]?.record.offset ?? -1 };
  }

  /** Folds records whose decisions were published before: nothing comes out. Rejects as `decide` does. */
  async foldSilently(records: readonly InputRecord[], histories: PartitionHistories): Promise<void> {
    await this.decoder.prepare(records);
    const work = this.decode(records, null, emptyReport());
    await this.load(work, histories);
    for (const one of work) {
      const entry = one.entry!;
      this.classifyOne(one, entry.history);
      if (isFolded(one.kind) && entry.history.fold(this.event)) histories.markDirty(entry);
    }
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
    await this.load(work, histories);
    const width = this.plan.steps.length;
    for (let from = 0; from < work.length;) {
      const to = this.measure(work, from, histories, report);
      for (let k = from; k < to; k++) row(work[k]!, this.features.subarray((k - from) * width, (k - from + 1) * width));
      from = to;
    }
    report.records = batch.records.length;
    return report;
  }

  private decode(records: readonly InputRecord[], outputs: OutputRecord[] | null, report: BatchReport): Work[] {
    const work: Work[] = [];
    for (const record of records) {
      try {
        if (record.failure) throw record.failure;
        const transaction = this.decoder.decode(record);
        work.push({ record, transaction, entry: null, kind: KIND.normal, seenBefore: 0, firstOffset: -1, inexact: 0 });
      } catch (thrown) {
        const error = toFraudstreamError(thrown);
        if (error.retriable) throw error;
        report.deadLetters.set(error.code, (report.deadLetters.get(error.code) ?? 0) + 1);
        outputs?.push(deadLetterOf(record, error));
      }
    }
    return work;
  }

  private async load(work: readonly Work[], histories: PartitionHistories): Promise<void> {
    const entries = await histories.load(work.map((one) => one.transaction.user_id));
    work.forEach((one, k) => (one.entry = entries[k]!));
  }

  private classifyOne(one: Work, history: UserHistory): void {
    this.extractor.extract(one.transaction, one.record.offset, this.event);
    classify(history, this.event, one.record.timestampMs, this.options.futureSkewMs, this.classified);
    one.kind = this.classified.kind;
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
    const { plan, event, measures } = this;
    const width = plan.steps.length;
    this.reserve(work.length - from);
    this.segment.begin();
    for (let k = from; k < work.length; k++) {
      const one = work[k]!;
      if (!histories) this.measureWithoutHistory(one);
      else {
        const entry = one.entry!;
        if (!this.segment.take(entry, one.transaction.event_time)) return k;
        const history = entry.history;
        this.classifyOne(one, history);
        this.measureOne(one, history);
        if (isFolded(one.kind)) {
          history.fold(event);
          histories.markDirty(entry);
        }
      }
      computeFeatures(plan, event, measures, this.features, (k - from) * width);
      one.inexact = inexactWindows(measures);
      if (histories) one.inexact |= windowsBefore(plan.layout.windowsMs, event.timeMs, histories.knownSinceMs);
      this.count(one, report);
    }
    return work.length;
  }

  private measureWithoutHistory(one: Work): void {
    const { event, measures } = this;
    this.extractor.extract(one.transaction, one.record.offset, event);
    const recordMs = one.record.timestampMs;
    if (recordMs >= 0 && event.timeMs > recordMs + this.options.futureSkewMs) one.kind = KIND.future;
    measures.reset();
    for (let field = 0; field < event.hashes.length; field++) {
      if (event.hashes[field]! < 0) measures.valueLastMs[field] = NaN;
    }
  }

  private measureOne(one: Work, history: UserHistory): void {
    const event = this.event;
    if (one.kind === KIND.known) {
      throw new FraudstreamError('FS_STATE_AHEAD', 'a history holds a record that is not decided yet', {
        topic: one.record.topic,
        partition: one.record.partition,
        offset: one.record.offset,
      });
    }
    one.seenBefore = one.record.offset;
    if (isFolded(one.kind) && history.isInOrder(event.timeMs)) {
      history.measure(event, this.measures);
      return;
    }
    let row = history.rows.upperBound(event.timeMs);
    let beforeOffset = Infinity;
    if (one.kind === KIND.repeat) {
      row = this.classified.row;
      beforeOffset = history.rows.offset(row);
      one.firstOffset = beforeOffset;
      one.seenBefore = beforeOffset;
    }
    measureAsOf(history, event, { row, beforeOffset }, this.measures);
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
    if (one.inexact !== 0) report.inexact++;
  }

  private reserve(count: number): void {
    if (this.scores.length >= count) return;
    const room = Math.max(256, count);
    this.features = new Float64Array(room * this.plan.steps.length);
    this.rows = new Float32Array(room * this.scorer.columns.length);
    this.scores = new Float64Array(room);
  }
}
