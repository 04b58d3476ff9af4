import { toFraudstreamError, type FraudstreamError } from '../../src/domain/errors.ts';
import type { InputRecord } from '../../src/transport/record.ts';
import type { ConsumerHandler } from '../../src/transport/kafka/consumer-options.ts';
import type { AssignedPartition, KafkaBatch } from '../../src/transport/kafka/partition-task.ts';
import { FetchedRecords } from './fetched-records.ts';
import type { Life } from './life.ts';
import type { ModelFetch } from './model-kafka-log.ts';
import type { Random } from './random.ts';

export interface TaskPorts {
  readonly life: Life;
  readonly random: Random;
  readonly fetch: (offset: number) => Promise<ModelFetch>;
  readonly handler: ConsumerHandler;
  /** asks the group whether it still counts on us */
  readonly confirm: () => Promise<void>;
  readonly batchRecordsMax: number;
  /** does what was fetched before an acquisition come once more after it, as with other clients? */
  readonly isStale: () => boolean;
  /** told when the partition halts: with an error that trying again does not help */
  readonly onHalt: (partition: number, error: FraudstreamError) => void;
  readonly onRunning: (partition: number) => void;
  readonly onError: (partition: number, error: FraudstreamError) => void;
}

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 2_000;
const HALTED_RETRY_MS = 15_000;
const POLL_MS = 150;

/**
 * A partition for as long as one generation of the group gives it to a member: what `src/transport/kafka/partition-task.ts`
 * does around the worker, with the model's batches and the scheduler's time.
 */
export class SimulatedTask {
  readonly topic: string;
  readonly partition: number;
  /** resolves when nothing of this partition runs any more */
  readonly done: Promise<void>;
  readonly assigned: AssignedPartition;
  private readonly ports: TaskPorts;
  private readonly revoking = new AbortController();
  private stream: FetchedRecords | null = null;
  private failure: FraudstreamError | null = null;
  private fetching = false;
  /** the last batch that was handled */
  private stale: KafkaBatch | null = null;
  private signalReady: (() => void) | null = null;

  constructor(topic: string, partition: number, generation: number, ports: TaskPorts, earlier: Promise<void>) {
    this.topic = topic;
    this.partition = partition;
    this.ports = ports;
    this.assigned = {
      topic,
      partition,
      generation,
      signal: this.revoking.signal,
      confirm: ports.confirm,
      beginAnew: (error) => {
        this.failure = error;
        this.notify();
      },
    };
    this.done = this.run(earlier);
  }

  get revoked(): boolean {
    return this.revoking.signal.aborted;
  }

  /** No further call of the worker begins; the one in hand goes on. */
  revoke(): void {
    this.revoking.abort();
    this.notify();
  }

  private async run(earlier: Promise<void>): Promise<void> {
    const { life, random, onHalt, onRunning, onError } = this.ports;
    await earlier;
    let waitMs = RETRY_MS_MIN;
    while (!this.revoked) {
      try {
        this.failure = null;
        const offset = await this.ports.handler.onAssigned(this.assigned);
        if (this.revoked) break;
        this.stream = new FetchedRecords(offset, this.ports.batchRecordsMax);
        onRunning(this.partition);
        await this.deliver(this.stream, () => (waitMs = RETRY_MS_MIN));
      } catch (thrown) {
        this.stream = null;
        if (this.revoked) break;
        const error = toFraudstreamError(thrown);
        onError(this.partition, error);
        if (!error.retriable) onHalt(this.partition, error);
        await life.pause(error.retriable ? waitMs + random.int(0, waitMs) : HALTED_RETRY_MS, this.revoking.signal);
        waitMs = Math.min(RETRY_MS_MAX, waitMs * 2);
      }
    }
    this.stream = null;
  }

  private async deliver(stream: FetchedRecords, onProgress: () => void): Promise<void> {
    const { topic, partition } = this;
    const { handler } = this.ports;
    while (!this.revoked) {
      if (this.failure !== null) throw this.failure;
      const before = stream.position;
      const taken = stream.take();
      // The next fetch runs while the worker does.
      this.wake(stream);
      if (taken === null) {
        await new Promise<void>((resolve) => (this.signalReady = resolve));
        continue;
      }
      const { records, nextOffset } = taken;
      if (records.length === 0) continue;
      const { highWatermark } = stream;
      const batch = { topic, partition, records, nextOffset, highWatermark };
      const { stale } = this;
      this.stale = null;
      // Our own client cannot jump ahead: its stream begins where the acquisition says.
      const isBehind = stale !== null && (stale.records[0] as InputRecord).offset < before;
      if (isBehind && this.ports.isStale()) await handler.onBatch(stale, this.assigned);
      await handler.onBatch(batch, this.assigned);
      this.stale = batch;
      onProgress();
    }
  }

  private wake(stream: FetchedRecords): void {
    if (this.fetching || !stream.empty || this.revoked) return;
    this.fetching = true;
    void this.fetch(stream);
  }

  private async fetch(stream: FetchedRecords): Promise<void> {
    const { life } = this.ports;
    const offset = stream.fetchOffset;
    try {
      const fetched = await this.ports.fetch(offset);
      // A new beginning since the request was sent makes the answer stale.
      if (this.stream === stream && stream.fetchOffset === offset) stream.push(fetched);
      if (fetched.batches.length === 0) await life.pause(POLL_MS, this.revoking.signal);
    } catch (thrown) {
      const error = toFraudstreamError(thrown);
      if (!error.retriable && this.stream === stream) this.failure = error;
      await life.pause(POLL_MS, this.revoking.signal);
    } finally {
      this.fetching = false;
    }
    if (this.stream === null) return;
    this.wake(this.stream);
    if (!this.stream.empty || this.failure !== null) this.notify();
  }

  private notify(): void {
    const signal = this.signalReady;
    this.signalReady = null;
    signal?.();
  }
}
