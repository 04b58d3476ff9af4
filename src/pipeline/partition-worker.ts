import { truncateDeadLetter } from '../codec/dead-letter.ts';
import type { Clock } from '../domain/clock.ts';
import { FraudstreamError, toFraudstreamError } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { PartitionHistories } from '../state/partition-histories.ts';
import type { PartitionStore } from '../state/store.ts';
import type { InputBatch, InputRecord, OutputRecord } from '../transport/record.ts';
import type { Sink } from '../transport/sink.ts';
import { planAcquisition, type PartitionInput, type StartPolicy } from './acquisition.ts';
import { Checkpoint, type CheckpointOptions } from './checkpoint.ts';
import type { Engine } from './engine.ts';
import type { Observer } from './report.ts';

export interface WorkerOptions extends CheckpointOptions {
  readonly startPolicy: StartPolicy;
  /** what to do while the store is away */
  readonly onUnavailable: 'stop' | 'decide-without-history';
}

export interface WorkerPorts {
  readonly engine: Engine;
  readonly histories: PartitionHistories;
  readonly store: PartitionStore;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer: Observer;
  /** resolves after the time, or early when the signal is aborted */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5_000;
const PROGRESS_EVERY_MS = 5_000;
/** bytes of a dead letter's value, tried in this order when its topic refuses it */
const DEAD_LETTER_CUTS = [900_000, 90_000, 0] as const;

/**
 * One input partition for as long as this process owns it. Output first, then the offset, then the state: whatever dies
 * between two of them, the next owner repeats equal decisions at worst, and folds silently what was decided.
 */
export class PartitionWorker {
  private readonly input: PartitionInput;
  private readonly ports: WorkerPorts;
  private readonly options: WorkerOptions;
  private readonly checkpoint: Checkpoint;
  /** records below it were decided by an earlier owner: they are only folded */
  private decideFrom = 0;
  /** decided without history since the store went away: the state must be folded anew when it is back */
  private detached = false;
  /** while detached: a look at the store is under way; it has answered */
  private probing = false;
  private storeIsBack = false;
  private busy = false;
  /** what is in memory is ours, and all of it was committed; else nothing of it may be flushed */
  private holdsState = false;
  private saidAtMs = -Infinity;

  constructor(input: PartitionInput, ports: WorkerPorts, options: WorkerOptions) {
    this.input = input;
    this.ports = ports;
    this.options = options;
    this.checkpoint = new Checkpoint(ports, options);
  }

  /** Finds out where the log, the group and the state stand. @returns the offset to read from */
  async acquire(): Promise<number> {
    const { histories, store, log } = this.ports;
    this.holdsState = false;
    this.detached = false;
    this.storeIsBack = false;
    await histories.settled();
    const start = await planAcquisition(this.input, store, this.ports.engine.plan.layout.fingerprint, {
      startPolicy: this.options.startPolicy,
      log,
    });
    histories.restart(start.watermark);
    histories.position = start.readFrom;
    this.decideFrom = start.decideFrom;
    this.checkpoint.begin();
    this.holdsState = true;
    log.info('partition acquired', {
      topic: this.input.topic,
      partition: this.input.partition,
      offset: start.decideFrom,
      records: start.decideFrom - start.readFrom,
    });
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
      const { records } = batch;
      let silent = 0;
      while (silent < records.length && records[silent]!.offset < this.decideFrom) silent++;
      if (silent > 0) await this.fold(silent === records.length ? records : records.slice(0, silent));
      const rest = silent === 0 ? records : records.slice(silent);
      if (rest.length > 0) await this.decide(silent === 0 ? batch : { ...batch, records: rest }, nextOffset);
      else if (nextOffset > this.decideFrom) await this.commit(nextOffset);
      if (!this.detached && this.holdsState) {
        this.ports.histories.position = nextOffset;
        const waits = this.options.onUnavailable === 'stop';
        await this.checkpoint.afterBatch(records.length, this.input.signal, waits);
        if (!waits && this.checkpoint.isStuck) this.detached = true;
      }
    } catch (thrown) {
      this.holdsState = false;
      throw thrown;
    } finally {
      this.busy = false;
      // Failed, or given away meanwhile: the cache is shared with partitions that go on.
      if (!this.holdsState) this.ports.histories.clear();
    }
  }

  /** From a timer: state does not wait for the next batch to be flushed. */
  tick(): void {
    if (this.holdsState && !this.busy && !this.detached) this.checkpoint.tick();
  }

  /**
   * After the last batch: what was committed is flushed.
   * @param flush false when somebody else may own the partition already
   */
  async release(flush: boolean): Promise<void> {
    try {
      if (flush && this.holdsState && !this.detached && !this.busy) await this.checkpoint.finish();
    } finally {
      this.holdsState = false;
      // A batch in hand still needs its histories; they are cleared behind it.
      if (!this.busy) this.ports.histories.clear();
    }
  }

  private async fold(records: readonly InputRecord[]): Promise<void> {
    const { engine, histories, clock, log, observer } = this.ports;
    await this.patiently(() => engine.foldSilently(records, histories));
    observer.folded(records.length);
    if (clock.monotonicMs() - this.saidAtMs > PROGRESS_EVERY_MS) {
      this.saidAtMs = clock.monotonicMs();
      const { topic, partition } = this.input;
      log.info('folding what was decided', { topic, partition, offset: histories.position, to: this.decideFrom });
    }
  }

  private async decide(batch: InputBatch, nextOffset: number): Promise<void> {
    const { engine, histories, observer, clock } = this.ports;
    if (this.detached) this.reattach();
    const result = await this.patiently(async () => {
      if (this.detached) return engine.decide(batch, null);
      try {
        return await engine.decide(batch, histories);
      } catch (thrown) {
        const away = toFraudstreamError(thrown).code === 'FS_STATE_UNAVAILABLE';
        if (!away || this.options.onUnavailable === 'stop') throw thrown;
        this.detached = true;
        return engine.decide(batch, null);
      }
    });
    observer.batch(result.report);
    const before = clock.monotonicMs();
    await this.publish(result.outputs);
    await this.commit(nextOffset);
    const last = batch.records[batch.records.length - 1]!;
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

  /**
   * When the store is back, what was decided without it must be folded: the partition is acquired anew. The look at the
   * store is not waited for: one that hangs must not hold up decisions.
   */
  private reattach(): void {
    if (this.storeIsBack) {
      throw new FraudstreamError('FS_STATE_CONFLICT', 'the store is back; what was decided without it is folded now');
    }
    if (!this.probing) void this.probe();
  }

  private async probe(): Promise<void> {
    this.probing = true;
    try {
      await this.ports.store.readState();
      this.storeIsBack = this.detached;
    } catch {
      // still away
    } finally {
      this.probing = false;
    }
  }

  /**
   * The outputs stay as they are while Kafka is away; equal records may be written twice, never other ones. A dead letter
   * that its topic refuses for its size must not halt the partition: its value is cut.
   */
  private async publish(outputs: readonly OutputRecord[]): Promise<void> {
    if (outputs.length === 0) return;
    let fitting = outputs;
    for (let cut = 0; ; cut++) {
      try {
        await this.patiently(() => this.ports.sink.write(fitting));
        return;
      } catch (thrown) {
        const bytesMax = DEAD_LETTER_CUTS[cut];
        if (bytesMax === undefined || toFraudstreamError(thrown).code !== 'FS_OUTPUT_TOO_LARGE') throw thrown;
        const { topic, partition } = this.input;
        this.ports.log.warn('an output is refused for its size: dead letters are cut', {
          topic,
          partition,
          code: 'FS_OUTPUT_TOO_LARGE',
          bytes: bytesMax,
        });
        fitting = fitting.map((one) => (one.stream === 'dead-letter' ? truncateDeadLetter(one, bytesMax) : one));
      }
    }
  }

  private commit(nextOffset: number): Promise<void> {
    return this.patiently(() => this.input.commit(nextOffset));
  }

  /** Waits and tries again while somebody we need is away; nothing has changed in between. */
  private async patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const { observer, log, pause } = this.ports;
    const { signal, topic, partition } = this.input;
    for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(RETRY_MS_MAX, waitMs * 2)) {
      try {
        return await attempt();
      } catch (thrown) {
        const error = toFraudstreamError(thrown);
        observer.failed(error.code);
        if (!PATIENT.has(error.code) || signal.aborted) throw error;
        log.warn('waiting', { topic, partition, code: error.code, reason: error.message, retry_in_ms: waitMs });
        await pause(waitMs, signal);
        if (signal.aborted) throw error;
      }
    }
  }
}

/** Others are retriable too, but only by acquiring the partition anew. */
const PATIENT: ReadonlySet<string> = new Set([
  'FS_STATE_UNAVAILABLE',
  'FS_REGISTRY_UNAVAILABLE',
  'FS_KAFKA_UNAVAILABLE',
  'FS_KAFKA_TOPIC_MISSING',
]);
