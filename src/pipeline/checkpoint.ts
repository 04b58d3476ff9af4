import type { Clock } from '../domain/clock.ts';
import { toFraudstreamError } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { PartitionHistories } from '../state/partition-histories.ts';
import type { Observer } from './report.ts';

export interface CheckpointOptions {
  readonly flushIntervalMs: number;
  /** most records of the partition that a restart must fold again */
  readonly flushRecordsMax: number;
  /** most bytes of histories that wait to be written */
  readonly flushBytesMax: number;
}

interface CheckpointPorts {
  readonly histories: PartitionHistories;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer: Observer;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

const RETRY_MS = 500;

/**
 * When the state of a partition is written: after commits, off the latency path, coalesced. A flush that fails is
 * tried again; when too much waits for it, the next batch waits as well.
 */
export class Checkpoint {
  private readonly ports: CheckpointPorts;
  private readonly options: CheckpointOptions;
  private flushedAtMs = 0;
  private records = 0;
  /** watermark of a flush whose outcome is unknown */
  private unresolved: number | null = null;
  /** not to be tried again before this, ms */
  private retryAtMs = 0;
  private resolving = false;
  /** why the partition must be acquired anew */
  private broken: Error | null = null;

  constructor(ports: CheckpointPorts, options: CheckpointOptions) {
    this.ports = ports;
    this.options = options;
  }

  begin(): void {
    this.flushedAtMs = this.ports.clock.monotonicMs();
    this.records = 0;
    this.unresolved = null;
    this.retryAtMs = 0;
    this.broken = null;
  }

  /** Too much waits for a flush, and the last one was not answered. */
  get isStuck(): boolean {
    return this.unresolved !== null && this.isFull;
  }

  /** As much as one flush may hold waits while another is under way: the next batch must wait as well. */
  private get isFull(): boolean {
    const { flushRecordsMax, flushBytesMax } = this.options;
    return this.records >= 2 * flushRecordsMax || this.ports.histories.dirtyBytes >= 2 * flushBytesMax;
  }

  /**
   * Rejects with FS_STATE_CONFLICT when somebody else has written: the partition must be acquired anew.
   * @param waits for a store that does not answer, when too much waits to be flushed; else see `isStuck`
   */
  async afterBatch(records: number, signal: AbortSignal, waits: boolean): Promise<void> {
    this.records += records;
    const { histories, pause } = this.ports;
    if (this.isDue()) this.startFlush();
    histories.trim();
    while (this.isFull && !signal.aborted) {
      if (!waits && this.isStuck) break;
      await histories.settled();
      if (this.broken) break;
      if (this.isDue()) this.startFlush();
      else await pause(RETRY_MS, signal);
    }
    this.check();
  }

  /** From a timer, between batches. */
  tick(): void {
    if (this.isDue() && this.ports.histories.position !== this.ports.histories.watermark) this.startFlush();
  }

  /** Throws when the partition must be acquired anew. */
  check(): void {
    if (this.broken) throw this.broken;
  }

  /** The last flush, waited for. */
  async finish(): Promise<void> {
    const { histories } = this.ports;
    await histories.settled();
    this.check();
    if (this.unresolved !== null) await this.resolve(this.unresolved);
    this.check();
    await this.flush();
    this.check();
  }

  private isDue(): boolean {
    if (this.broken || this.resolving || this.ports.histories.isFlushing) return false;
    const nowMs = this.ports.clock.monotonicMs();
    if (nowMs < this.retryAtMs) return false;
    const { flushRecordsMax, flushBytesMax, flushIntervalMs } = this.options;
    if (this.records >= flushRecordsMax || this.ports.histories.dirtyBytes >= flushBytesMax) return true;
    return nowMs - this.flushedAtMs >= flushIntervalMs;
  }

  private startFlush(): void {
    // The blobs must be made between batches: after a look at the store, another batch may be in hand.
    if (this.unresolved !== null) void this.resolve(this.unresolved);
    else void this.flush();
  }

  /** What became of a flush that was not answered? Never rejects. */
  private async resolve(attempted: number): Promise<void> {
    this.resolving = true;
    try {
      await this.ports.histories.resolveFlush(attempted);
      this.unresolved = null;
    } catch (thrown) {
      this.failed(thrown, attempted);
    } finally {
      this.resolving = false;
    }
  }

  private failed(thrown: unknown, attempted: number): void {
    const { clock, log, observer } = this.ports;
    const error = toFraudstreamError(thrown, 'FS_STATE_UNAVAILABLE');
    observer.failed(error.code);
    if (error.code === 'FS_STATE_UNAVAILABLE') {
      this.unresolved = attempted;
      this.retryAtMs = clock.monotonicMs() + RETRY_MS;
      log.warn('flush failed; it will be tried again', { code: error.code, reason: error.message });
    } else this.broken = error;
  }

  /** Never rejects: what went wrong is kept for the next batch. */
  private async flush(): Promise<void> {
    const { histories, clock, observer } = this.ports;
    const startMs = clock.monotonicMs();
    const records = this.records;
    const attempted = histories.position;
    try {
      const { users, bytes } = await histories.flush();
      this.flushedAtMs = startMs;
      this.records -= records;
      observer.flushed({ users, bytes, flushMs: clock.monotonicMs() - startMs });
    } catch (thrown) {
      this.failed(thrown, attempted);
    }
  }
}
