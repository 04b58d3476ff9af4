import { POISON_MAX, type Position } from '../delivery/position.ts';
import { hashOf } from '../delivery/record-hash.ts';
import { encodeNote } from '../delivery/state-note.ts';
import { FraudstreamError, toFraudstreamError } from '../domain/errors.ts';
import type { LogMark } from '../domain/log-mark.ts';
import type { InputLog } from '../transport/input-log.ts';
import type { InputBatch, InputRecord, OutputRecord } from '../transport/record.ts';
import { Attempts } from './attempts.ts';
import { Checkpoint } from './checkpoint.ts';
import { DeadLetterCut } from './dead-letter-cut.ts';
import { Deciding } from './deciding.ts';
import { patiently } from './patience.ts';
import { StoreAbsence } from './store-absence.ts';
import { takeOver } from './takeover.ts';
import { Turns } from './turns.ts';
import type { WorkerOptions, WorkerPorts } from './worker-ports.ts';

const PROGRESS_EVERY_MS = 5_000;
/** of a log without timestamps, of which nobody knows what was before: no window is complete */
const UNKNOWN_SINCE_MS = Number.MAX_SAFE_INTEGER;

/**
 * One input partition for as long as this process owns it. Output and position first, then the state: w ≤ C always, so
 * whatever dies between them, the next owner folds silently what was decided, and decides what was not.
 */
export class PartitionWorker {
  private readonly input: InputLog;
  private readonly ports: WorkerPorts;
  private readonly options: WorkerOptions;
  private readonly checkpoint: Checkpoint;
  private readonly attempts: Attempts;
  private readonly absence: StoreAbsence;
  private readonly deciding: Deciding;
  private readonly turns: Turns;
  /** what is committed: records below its offset were decided, they are only folded */
  private position: Position | null = null;
  private poison: readonly number[] = [];
  /** of the last record that is in the state in memory */
  private folded: LogMark | null = null;
  /** first offset that may come next */
  private expected = 0;
  private busy = false;
  private keepingAlive: Promise<void> | null = null;
  private committedAtMs = 0;
  private readonly cut: DeadLetterCut;
  /** what is in memory is ours, and all of it was committed; else nothing of it may be flushed */
  private holdsState = false;
  private saidAtMs = -Infinity;

  constructor(input: InputLog, ports: WorkerPorts, options: WorkerOptions) {
    this.input = input;
    this.ports = ports;
    this.options = options;
    this.checkpoint = new Checkpoint(ports, options);
    this.attempts = new Attempts(ports.store, ports.processId, ports.log);
    this.absence = new StoreAbsence(ports.store);
    this.deciding = new Deciding(input, ports, options, this.absence, this.attempts);
    this.cut = new DeadLetterCut(ports.log);
    this.turns = ports.turns ?? new Turns();
  }

  /**
   * Fences the owners before, and finds out where ledger, output, state and log stand. @returns the offset to read from.
   * Throws as `planAcquisition` and its ports do; then it may be called again.
   */
  async acquire(): Promise<number> {
    const { histories, log } = this.ports;
    const { input } = this;
    this.holdsState = false;
    await this.keepingAlive;
    this.position = null;
    this.absence.over();
    await histories.settled();
    const start = await takeOver(input, this.ports, this.options);
    const poison = await this.attempts.begin(start.position.offset);
    const known = start.position.poison;
    this.poison = poison < 0 || known.includes(poison) ? known : [...known, poison].slice(-POISON_MAX);
    if (poison >= 0) log.error('a record has ended the process again and again: it is put aside', this.place(poison));
    histories.restart(start.watermark, start.knownSinceMs ?? Number.NaN);
    histories.position = start.readFrom;
    this.folded = { ...start.position.mark, lastOffset: -1, lastHash: '' };
    histories.noteOf = () => encodeNote({ mark: this.folded!, knownSinceMs: histories.knownSinceMs });
    this.position = start.position;
    this.expected = start.readFrom;
    // From now on there is a position, whatever dies: output without one would be a riddle.
    await this.publish([], { ...start.position, poison: this.poison });
    if (poison >= 0) await this.attempts.putAside();
    this.checkpoint.begin();
    this.holdsState = true;
    const records = start.position.offset - start.readFrom;
    log.info('partition acquired', { ...this.place(start.position.offset), records });
    return start.readFrom;
  }

  /**
   * Handles a batch to its end. Rejects when the partition must be acquired anew: the state in memory is then ahead of
   * what was published, or not ours any more.
   * @param nextOffset offset behind the batch
   */
  async handle(batch: InputBatch, nextOffset: number): Promise<void> {
    this.checkpoint.check();
    this.busy = true;
    try {
      await this.keepingAlive;
      const records = this.checked(batch.records);
      let done = 0;
      while (this.attempts.care === 'single' && done < records.length) {
        const record = records[done]!;
        done++;
        const next = done < records.length ? record.offset + 1 : nextOffset;
        // Alone in the process: its end then names this record, and no innocent one of another partition.
        await this.turns.run(true, () => this.step({ ...batch, records: [record] }, next));
      }
      if (done === records.length) return;
      await this.turns.run(false, () => this.step({ ...batch, records: records.slice(done) }, nextOffset));
    } catch (thrown) {
      this.holdsState = false;
      this.position = null;
      throw thrown;
    } finally {
      this.busy = false;
      // Failed, or given away meanwhile: the cache is shared with partitions that go on.
      if (!this.holdsState) this.ports.histories.clear();
    }
  }

  /**
   * From a timer: state does not wait for the next batch to be flushed, an idle partition is not forgotten, nor do its readers wait
   * for the markers of its last transaction.
   */
  tick(): void {
    if (!this.holdsState || this.busy || this.absence.lasts) return;
    const failure = this.idleFailure();
    if (failure !== null) {
      this.holdsState = false;
      this.ports.histories.clear();
      this.ports.beginAnew(failure);
      return;
    }
    this.checkpoint.tick();
    if (this.keepingAlive !== null) return;
    const isSteady = this.ports.publisher.isSteady;
    const restsMs = this.ports.clock.monotonicMs() - this.committedAtMs;
    if (isSteady && restsMs < this.options.keepAliveMs) return;
    this.keepingAlive = this.keepAlive(isSteady).finally(() => (this.keepingAlive = null));
  }

  /**
   * After the last batch: what was committed is flushed.
   * @param flush false when somebody else may own the partition already
   */
  async release(flush: boolean): Promise<void> {
    try {
      if (flush && this.holdsState && !this.absence.lasts && !this.busy) {
        await this.checkpoint.finish();
        await this.attempts.end();
      }
    } finally {
      this.holdsState = false;
      // A batch in hand still needs its histories; they are cleared behind it.
      if (!this.busy) this.ports.histories.clear();
    }
  }

  /** What the next batch would fail of: an idle partition must not wait for one. */
  private idleFailure(): FraudstreamError | null {
    if (this.position === null && this.keepingAlive === null) return this.notAcquired();
    try {
      this.checkpoint.check();
      return null;
    } catch (thrown) {
      return toFraudstreamError(thrown);
    }
  }

  private notAcquired(): FraudstreamError {
    return new FraudstreamError('FS_KAFKA_FENCED', 'the partition is not acquired', this.place());
  }

  /** Never rejects: what comes next finds that there is no position any more. */
  private async keepAlive(isSteady: boolean): Promise<void> {
    try {
      if (isSteady) await this.publish([], this.position!);
      else await this.ports.publisher.mend(this.input.signal);
    } catch (thrown) {
      if (!isSteady) this.ports.observer.failed(toFraudstreamError(thrown).code);
      this.position = null;
    }
  }

  /** What comes must follow what was handled: a batch that was fetched before a seek, or for another owner, is stale. */
  private checked(records: readonly InputRecord[]): readonly InputRecord[] {
    const first = records[0];
    if (this.position === null) throw this.notAcquired();
    if (first !== undefined && first.offset < this.expected) {
      const detail = `a stale batch begins at ${first.offset}, ${this.expected} comes next`;
      throw new FraudstreamError('FS_KAFKA_FENCED', detail, this.place(first.offset));
    }
    const { histories } = this.ports;
    if (first !== undefined && Number.isNaN(histories.knownSinceMs)) {
      // What was lost before this record was logged before it, and reached at most the skew into the future.
      histories.knownSinceMs = first.timestampMs < 0 ? UNKNOWN_SINCE_MS : first.timestampMs + this.options.futureSkewMs;
    }
    if (this.poison.length === 0) return records;
    return records.map((one) => {
      if (!this.poison.includes(one.offset)) return one;
      const failure = new FraudstreamError('FS_INPUT_POISON', '', this.place(one.offset));
      return { ...one, failure };
    });
  }

  private async step(batch: InputBatch, nextOffset: number): Promise<void> {
    const { records } = batch;
    const { histories } = this.ports;
    const decideFrom = this.position!.offset;
    let silent = 0;
    while (silent < records.length && records[silent]!.offset < decideFrom) silent++;
    if (silent > 0) await this.fold(silent === records.length ? records : records.slice(0, silent));
    const rest = silent === 0 ? records : records.slice(silent);
    if (rest.length > 0) await this.decide(silent === 0 ? batch : { ...batch, records: rest }, nextOffset);
    this.expected = nextOffset;
    if (this.absence.lasts || !this.holdsState) return;
    this.folded = markOf(this.folded!, records[records.length - 1]!);
    histories.position = Math.min(nextOffset, this.position!.offset);
    const waits = this.options.onUnavailable === 'stop';
    await this.checkpoint.afterBatch(records.length, this.input.signal, waits);
    if (!waits && this.checkpoint.isStuck) this.absence.begin();
  }

  private async fold(records: readonly InputRecord[]): Promise<void> {
    const { engine, histories, clock, log, observer } = this.ports;
    await patiently(this.input, this.ports, () => engine.foldSilently(records, histories));
    observer.folded(records.length);
    if (clock.monotonicMs() - this.saidAtMs > PROGRESS_EVERY_MS) {
      this.saidAtMs = clock.monotonicMs();
      log.info('folding what was decided', { ...this.place(histories.position), to: this.position!.offset });
    }
  }

  private async decide(batch: InputBatch, nextOffset: number): Promise<void> {
    const { engine, observer, clock } = this.ports;
    const decided = await this.deciding.decide(batch, this.position!.offset);
    const before = clock.monotonicMs();
    const last = batch.records[batch.records.length - 1]!;
    await this.publish(decided.outputs, {
      ...this.position!,
      offset: nextOffset,
      mark: markOf(this.position!.mark, last),
      lastDecision: decided.lastDecision < 0 ? this.position!.lastDecision : decided.lastDecision,
      fingerprint: engine.plan.layout.fingerprint,
    });
    this.attempts.survived();
    // Not before: what is decided again after a failure counts once.
    for (const report of decided.reports) observer.batch(report);
    observer.published({
      partition: batch.partition,
      records: batch.records.length,
      publishMs: clock.monotonicMs() - before,
      oldestRecordMs: batch.records[0]!.timestampMs,
      newestRecordMs: last.timestampMs,
      lag: batch.highWatermark < 0 ? -1 : Math.max(0, batch.highWatermark - nextOffset),
      nextOffset,
    });
  }

  private async publish(outputs: readonly OutputRecord[], position: Position): Promise<void> {
    // Also when the partition is being taken away: the batch in hand is finished, and whoever owns it by then has fenced us.
    try {
      await this.ports.publisher.publish(this.cut.fit(outputs), position, this.input.signal);
    } catch (thrown) {
      const error = toFraudstreamError(thrown);
      this.ports.observer.failed(error.code);
      throw this.cut.refused(error, this.place());
    }
    this.position = position;
    this.committedAtMs = this.ports.clock.monotonicMs();
    if (outputs.length > 0) this.cut.over();
  }

  private place(offset?: number): { topic: string; partition: number; offset?: number } {
    const { topic, partition } = this.input;
    return offset === undefined ? { topic, partition } : { topic, partition, offset };
  }
}

function markOf(mark: LogMark, last: InputRecord): LogMark {
  const lastHash = hashOf(last);
  return { ...mark, lastOffset: lastHash === '' ? -1 : last.offset, lastHash };
}
