import { FraudstreamError, toFraudstreamError } from '../../domain/errors.ts';
import type { InputBatch } from '../record.ts';
import { backoffMs, pauseFor } from './backoff.ts';
import type { KafkaLogger } from './client.ts';
import type { FetchedPartition } from './fetch-protocol.ts';
import type { FetchTarget } from './fetcher.ts';
import { RecordStream, type BadBatch, type RecordStreamOptions } from './record-stream.ts';

/** A partition for as long as one generation of the group gives it to us. */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  /** of the consumer group; a later one has a larger number */
  readonly generation: number;
  /** Aborted when the partition is taken away: whoever waits for something gives up then. */
  readonly signal: AbortSignal;
  /**
   * Asks the group, now, whether it is still ours. Throws FS_KAFKA_FENCED when it is not, or will not be (the group wants
   * all to join again); FS_KAFKA_UNAVAILABLE when the group does not answer.
   */
  confirm(): Promise<void>;
  /** What is known of the partition does not hold any more: it begins anew with onAssigned, also when nothing comes. */
  beginAnew(error: FraudstreamError): void;
}

export interface KafkaBatch extends InputBatch {
  /** the offset behind this batch: markers and aborted records may lie between the last record and it */
  readonly nextOffset: number;
}

export interface PartitionHandler {
  /** Before the first batch. Returns the offset to begin with. Called again, after a pause, when anything failed. */
  onAssigned(partition: AssignedPartition): Promise<number>;
  /** One at a time per partition, in offset order. When it rejects, the partition begins anew with onAssigned. */
  onBatch(batch: KafkaBatch, partition: AssignedPartition): Promise<void>;
  /** A record batch that cannot be read, in its place. To be kept as one dead letter; then it is passed. */
  onBadBatch(batch: BadBatch, partition: AssignedPartition): Promise<void>;
}

export type PartitionState = 'acquiring' | 'running' | 'waiting' | 'halted' | 'revoked';

export interface PartitionProgress {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
  readonly state: PartitionState;
  /** next offset to be handled; −1 before the first acquisition */
  readonly position: number;
  /** records between the position and the end of what may be read; −1 when unknown */
  readonly lag: number;
  /** records behind the last stable offset: they wait for a transaction of an upstream producer; −1 when unknown */
  readonly stableLag: number;
  /** when the position last moved, or the lag was last seen to be 0 (ms) */
  readonly movedAtMs: number;
  readonly paused: boolean;
  readonly error: FraudstreamError | null;
}

export interface PartitionTaskOptions extends RecordStreamOptions {
  /** no more is fetched while so much lies ready */
  readonly prefetchBytes: number;
}

const RETRY_BASE_MS = 100;
const RETRY_MS_MAX = 5_000;
/** An operator may have repaired what halted the partition. */
const HALTED_RETRY_MS = 30_000;

export class PartitionTask implements FetchTarget {
  readonly topic: string;
  readonly partition: number;
  readonly assigned: AssignedPartition;
  private readonly handler: PartitionHandler;
  private readonly options: PartitionTaskOptions;
  private readonly checkOffset: (offset: number) => Promise<unknown>;
  private readonly wakeFetcher: () => void;
  private readonly log: KafkaLogger;
  private readonly revoking = new AbortController();
  private stream: RecordStream | null = null;
  private failure: FraudstreamError | null = null;
  private state: PartitionState = 'acquiring';
  private lastError: FraudstreamError | null = null;
  private paused = false;
  private position = -1;
  private endOffset = -1;
  private stableLag = -1;
  private movedAtMs = Date.now();
  private signalReady: (() => void) | null = null;
  /** resolves when nothing of this partition runs any more */
  readonly done: Promise<void>;

  constructor(
    place: { readonly topic: string; readonly partition: number },
    generation: number,
    confirm: () => Promise<void>,
    handler: PartitionHandler,
    options: PartitionTaskOptions,
    checkOffset: (offset: number) => Promise<unknown>,
    wakeFetcher: () => void,
    log: KafkaLogger,
    paused: boolean,
    /** settles when nothing of an earlier generation runs on this partition any more */
    earlier: Promise<void>,
  ) {
    this.topic = place.topic;
    this.partition = place.partition;
    this.handler = handler;
    this.options = options;
    this.checkOffset = checkOffset;
    this.wakeFetcher = wakeFetcher;
    this.log = log;
    this.paused = paused;
    this.assigned = {
      topic: place.topic,
      partition: place.partition,
      generation,
      signal: this.revoking.signal,
      beginAnew: (error) => this.fetchFailed(error),
      confirm: async () => {
        if (!this.revoked) await confirm();
        if (!this.revoked) return;
        const { topic, partition } = this;
        const detail = `${topic}/${partition} was taken away`;
        throw new FraudstreamError('FS_KAFKA_FENCED', detail, { topic, partition });
      },
    };
    this.done = this.run(earlier);
  }

  wantedOffset(): number {
    const { stream } = this;
    if (stream === null || this.paused || this.revoked || this.failure !== null) return -1;
    return stream.queuedBytes < this.options.prefetchBytes ? stream.fetchOffset : -1;
  }

  fetched(offset: number, fetched: FetchedPartition): void {
    const { stream } = this;
    // A seek or a second fetch since the request was sent makes the answer stale.
    if (stream === null || this.revoked || stream.fetchOffset !== offset) return;
    this.endOffset = this.options.readCommitted ? fetched.lastStableOffset : fetched.highWatermark;
    this.stableLag = Math.max(0, fetched.highWatermark - fetched.lastStableOffset);
    stream.push(fetched);
    if (this.position >= this.endOffset) this.movedAtMs = Date.now();
    this.notify();
  }

  fetchFailed(error: FraudstreamError): void {
    this.failure = error;
    this.notify();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.movedAtMs = Date.now();
    this.notify();
    this.wakeFetcher();
  }

  /** No further call of the handler begins. `done` resolves when the one in hand has ended. */
  revoke(): void {
    this.revoking.abort();
    this.notify();
  }

  progress(): PartitionProgress {
    const { topic, partition, state, position, endOffset, stableLag, movedAtMs, paused, lastError } = this;
    const lag = position < 0 || endOffset < 0 ? -1 : Math.max(0, endOffset - position);
    const { generation } = this.assigned;
    return { topic, partition, generation, state, position, lag, stableLag, movedAtMs, paused, error: lastError };
  }

  private get revoked(): boolean {
    return this.revoking.signal.aborted;
  }

  private async run(earlier: Promise<void>): Promise<void> {
    // A batch that did not end in time at the last revocation must not meet its successor.
    await earlier;
    let attempt = 0;
    while (!this.revoked) {
      try {
        this.state = 'acquiring';
        this.failure = null;
        const offset = await this.handler.onAssigned(this.assigned);
        if (this.revoked) break;
        await this.checkOffset(offset);
        if (this.revoked) break;
        this.stream = new RecordStream(this.topic, this.partition, offset, this.options);
        this.moveTo(offset);
        this.state = 'running';
        this.lastError = null;
        this.wakeFetcher();
        await this.deliver(() => {
          attempt = 0;
        });
      } catch (error) {
        this.stream = null;
        if (this.revoked) break;
        const failure = toFraudstreamError(error);
        this.lastError = failure;
        const halted = !failure.retriable;
        this.state = halted ? 'halted' : 'waiting';
        const waitMs = halted ? HALTED_RETRY_MS : backoffMs(attempt++, RETRY_BASE_MS, RETRY_MS_MAX);
        const { topic, partition } = this;
        const message = halted ? 'partition halted' : 'partition begins anew';
        this.log(halted ? 'error' : 'warn', message, {
          topic,
          partition,
          waitMs,
          code: failure.code,
          error: failure.message,
        });
        await pauseFor(waitMs, this.revoking.signal);
      }
    }
    this.stream = null;
    this.state = 'revoked';
  }

  /** Until the partition is revoked (returns) or something fails (throws). */
  private async deliver(onProgress: () => void): Promise<void> {
    const stream = this.stream as RecordStream;
    const { topic, partition, handler, assigned } = this;
    while (!this.revoked) {
      if (this.failure !== null) throw this.failure;
      const taken = this.paused ? null : await stream.take();
      if (this.revoked) return;
      if (taken === null || taken.kind === 'fetch-again') {
        this.wakeFetcher();
        await this.ready();
        continue;
      }
      // Room for the next fetch has come: it runs while the handler works.
      this.wakeFetcher();
      if (taken.kind === 'bad') {
        const { code, message } = taken.error;
        this.log('error', 'record batch cannot be read', { topic, partition, code, error: message });
        await handler.onBadBatch(taken, assigned);
      } else if (taken.records.length > 0) {
        const { records, nextOffset } = taken;
        await handler.onBatch({ topic, partition, records, nextOffset, highWatermark: stream.highWatermark }, assigned);
      }
      this.moveTo(taken.nextOffset);
      onProgress();
    }
  }

  private moveTo(offset: number): void {
    this.position = offset;
    this.movedAtMs = Date.now();
  }

  /** Resolves at the next fetch, failure, resume or revocation. */
  private async ready(): Promise<void> {
    if (this.revoked || this.failure !== null || (!this.paused && this.stream?.empty === false)) return;
    await new Promise<void>((done) => {
      this.signalReady = done;
    });
  }

  private notify(): void {
    const signal = this.signalReady;
    this.signalReady = null;
    signal?.();
  }
}
