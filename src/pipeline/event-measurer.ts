import { FraudstreamError } from '../domain/errors.ts';
import type { Transaction } from '../domain/transaction.ts';
import { computeFeatures, inexactWindows, type EntityView } from '../features/compute.ts';
import { Extractor } from '../features/extract.ts';
import { readerOf, type FieldReader } from '../features/field-reader.ts';
import type { Entity, Plan } from '../features/plan.ts';
import type { CacheEntry } from '../state/cache.ts';
import { entityKey, entityPrefix, userKey } from '../state/entity-keys.ts';
import { EventView } from '../state/event-view.ts';
import type { UserHistory } from '../state/history.ts';
import { windowsBefore } from '../state/layout.ts';
import { measureAsOf } from '../state/measure-as-of.ts';
import { Measures } from '../state/measures.ts';
import type { PartitionHistories } from '../state/partition-histories.ts';
import { answerKept } from '../state/questions.ts';
import { KIND, classify, isFolded, type Classified } from './event-kind.ts';
import type { LabelFeed } from './label-feed.ts';
import { LabelQueue } from './label-queue.ts';
import type { Work } from './work.ts';

/** An entity beside the user. */
interface Other extends EntityView {
  readonly entity: Entity;
  readonly prefix: string;
  readonly readers: readonly FieldReader[];
  readonly extractor: Extractor;
}

/**
 * One event and the histories that it is of: its features as of before it, then it becomes history. What an event is (a repeat,
 * late, too far ahead) its user's history says; what is not folded there is folded nowhere. Buffers are reused from event to
 * event.
 */
export class EventMeasurer {
  private readonly plan: Plan;
  private readonly futureSkewMs: number;
  private readonly extractor: Extractor;
  private readonly event: EventView;
  private readonly measures: Measures;
  /** features of what is only folded */
  private readonly scratch: Float64Array;
  private readonly others: readonly Other[];
  readonly labels: LabelQueue | null;
  private readonly classified: Classified = { kind: KIND.normal, row: -1 };

  constructor(plan: Plan, futureSkewMs: number, labels: LabelFeed | null = null) {
    this.plan = plan;
    this.labels = labels === null ? null : new LabelQueue(labels);
    this.futureSkewMs = futureSkewMs;
    this.extractor = new Extractor(plan);
    this.event = new EventView(plan.layout);
    this.measures = new Measures(plan.layout);
    this.scratch = new Float64Array(plan.steps.length);
    this.others = plan.entities.slice(1).map((entity) => ({
      entity,
      prefix: entityPrefix(entity.name),
      readers: entity.fields.map(readerOf),
      extractor: new Extractor(entity),
      event: new EventView(entity.layout),
      measures: new Measures(entity.layout),
      present: false,
    }));
  }

  /**
   * Fills in the histories of a batch, and those of the verdicts that come between its payments, with one read. Rejects as
   * `PartitionHistories.load` does.
   */
  async load(work: readonly Work[], histories: PartitionHistories): Promise<void> {
    const keys = work.map((one) => userKey(one.transaction.user_id));
    await this.labels?.load(work, histories);
    if (this.others.length === 0) {
      const entries = await histories.load(keys);
      work.forEach((one, k) => (one.entry = entries[k]!));
      return;
    }
    const width = this.others.length;
    const places = new Int32Array(work.length * width).fill(-1);
    for (let k = 0; k < work.length; k++) {
      for (let e = 0; e < width; e++) {
        const key = keyOf(this.others[e]!, work[k]!.transaction);
        if (key !== null) places[k * width + e] = keys.push(key) - 1;
      }
    }
    const entries = await histories.load(keys);
    for (let k = 0; k < work.length; k++) {
      const one = work[k]!;
      one.entry = entries[k]!;
      const others = new Array<CacheEntry | null>(width);
      for (let e = 0; e < width; e++) others[e] = entries[places[k * width + e]!] ?? null;
      one.others = others;
    }
  }

  /**
   * Features from the histories before it, at `out[at]` and after; then it is folded in. Throws FS_STATE_AHEAD when a history
   * holds it already.
   */
  take(one: Work, histories: PartitionHistories, out: Float64Array, at: number): void {
    const { plan, event, measures } = this;
    this.labels?.foldUntil(one.transaction.event_time, histories);
    const user = one.entry!.history;
    this.classifyOne(one, user);
    this.measureUser(one, user);
    one.inexact = this.inexactOf(measures, plan.layout, histories);
    for (let e = 0; e < this.others.length; e++) this.measureOther(one, e, histories);
    computeFeatures(plan, event, measures, out, at, this.others);
    if (isFolded(one.kind)) this.foldAll(one, histories);
  }

  /** Folds one that was decided before. */
  foldAgain(one: Work, histories: PartitionHistories): void {
    const { plan, event } = this;
    const user = one.entry!.history;
    this.classifyOne(one, user);
    for (let e = 0; e < this.others.length; e++) {
      const other = this.others[e]!;
      // Of other entities rows keep nothing: their features need not be known.
      other.present = false;
      if (one.others[e]) other.extractor.extractAs(one.transaction, event, other.event);
    }
    // Of several histories some may have been stored before a crash and some not: each says itself what it has seen.
    const again = one.kind === KIND.known && this.others.length > 0 && holds(user, event);
    if (!isFolded(one.kind) && !again) return;
    if (plan.kept.length > 0) {
      if (isFolded(one.kind)) {
        this.measureUser(one, user);
        computeFeatures(plan, event, this.measures, this.scratch, 0, this.others);
      } else recall(user, event);
      this.shareKept(one);
    }
    this.foldAll(one, histories);
  }

  /** What the user's row keeps, the rows of other entities keep, too. */
  private shareKept(one: Work): void {
    for (let e = 0; e < this.others.length; e++) {
      const { event, entity } = this.others[e]!;
      if (!one.others[e] || entity.layout.kept === 0) continue;
      event.kept.set(this.event.kept);
      answerKept(entity.layout, event);
    }
  }

  /** As of no history at all. */
  withoutHistory(one: Work, out: Float64Array, at: number): void {
    const { event, measures } = this;
    this.extractor.extract(one.transaction, one.record.offset, event);
    const recordMs = one.record.timestampMs;
    if (recordMs >= 0 && event.timeMs > recordMs + this.futureSkewMs) one.kind = KIND.future;
    forget(measures, event);
    for (const other of this.others) {
      other.present = keyOf(other, one.transaction) !== null;
      other.extractor.extractAs(one.transaction, event, other.event);
      forget(other.measures, other.event);
    }
    computeFeatures(this.plan, event, measures, out, at, this.others);
    one.inexact = inexactWindows(measures);
  }

  private classifyOne(one: Work, history: UserHistory): void {
    this.extractor.extract(one.transaction, one.record.offset, this.event);
    classify(history, this.event, one.record.timestampMs, this.futureSkewMs, this.classified);
    one.kind = this.classified.kind;
  }

  private measureUser(one: Work, history: UserHistory): void {
    const event = this.event;
    if (one.kind === KIND.known) throw ahead(one);
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

  private measureOther(one: Work, e: number, histories: PartitionHistories): void {
    const other = this.others[e]!;
    const history = one.others[e]?.history;
    other.present = history !== undefined;
    if (!history) return;
    const { event, measures } = other;
    if (history.lastOffset >= one.record.offset) throw ahead(one);
    other.extractor.extractAs(one.transaction, this.event, event);
    if (isFolded(one.kind) && history.isInOrder(event.timeMs)) history.measure(event, measures);
    else {
      const beforeOffset = one.kind === KIND.repeat ? one.seenBefore : Infinity;
      measureAsOf(history, event, { row: history.rows.upperBound(event.timeMs), beforeOffset }, measures);
    }
    const inexact = this.inexactOf(measures, other.entity.layout, histories);
    if (inexact === 0) return;
    one.othersInexact ??= this.others.map(() => 0);
    one.othersInexact[e] = inexact;
  }

  private inexactOf(measures: Measures, layout: Entity['layout'], histories: PartitionHistories): number {
    return inexactWindows(measures) | windowsBefore(layout, this.event.timeMs, histories.knownSinceMs);
  }

  /** What is later than the allowed lateness to an entity is not folded there: its windows would not hold all of it. */
  private foldAll(one: Work, histories: PartitionHistories): void {
    fold(one.entry!, this.event, histories);
    for (let e = 0; e < this.others.length; e++) {
      const entry = one.others[e];
      const { event } = this.others[e]!;
      if (entry && !entry.history.isLate(event.timeMs)) fold(entry, event, histories);
    }
  }
}

function fold(entry: CacheEntry, event: EventView, histories: PartitionHistories): void {
  if (entry.history.fold(event)) histories.markDirty(entry);
}

/** Was an event folded that this history has seen? What has no details any more was. */
function holds({ rows, panes, detailStart }: UserHistory, { timeMs, offset }: EventView): boolean {
  for (let row = rows.upperBound(timeMs) - 1; row >= rows.start && rows.timeMs(row) === timeMs; row--) {
    if (row < detailStart || rows.offset(row) === offset) return true;
  }
  return panes.length > 0 && timeMs <= panes[panes.length - 1]!.lastMs;
}

/** The values that the event's row keeps. */
function recall({ rows }: UserHistory, event: EventView): void {
  for (let row = rows.upperBound(event.timeMs) - 1; row >= rows.start && rows.timeMs(row) === event.timeMs; row--) {
    if (rows.offset(row) !== event.offset) continue;
    for (let k = 0; k < rows.keptCount; k++) event.kept[k] = rows.kept(row, k);
    return;
  }
}

function keyOf(other: Other, transaction: Transaction): string | null {
  const { prefix, readers } = other;
  if (readers.length > 1) {
    return entityKey(
      prefix,
      readers.map((read) => read(transaction)),
    );
  }
  const id = readers[0]!(transaction);
  return id === null || id === undefined ? null : prefix + id;
}

function forget(measures: Measures, event: EventView): void {
  measures.reset();
  for (let field = 0; field < event.hashes.length; field++) {
    if (event.hashes[field]! < 0) measures.valueLastMs[field] = NaN;
  }
}

function ahead({ record: { topic, partition, offset } }: Work): FraudstreamError {
  return new FraudstreamError('FS_STATE_AHEAD', 'a history holds a record that is not decided yet', {
    topic,
    partition,
    offset,
  });
}
