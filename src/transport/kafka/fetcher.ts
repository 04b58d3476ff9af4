import type { FraudstreamError } from '../../domain/errors.ts';
import { backoffMs } from './backoff.ts';
import type { KafkaLogger } from './client.ts';
import { decodeFetch, encodeFetch, FETCH_API, type FetchedPartition, type FetchOptions } from './fetch-protocol.ts';
import { fromKafka, fromKafkaCode } from './kafka-errors.ts';
import { errorFromCode, sendRaw } from './kafkajs-internals.ts';
import type { Leaders } from './leaders.ts';

/** Who wants records of one partition. */
export interface FetchTarget {
  readonly topic: string;
  readonly partition: number;
  /** the offset to fetch now, or −1 for not now (paused, full, not ready) */
  wantedOffset(): number;
  /** Records that were fetched at `offset`; it is for the target to know whether it still wants them. */
  fetched(offset: number, partition: FetchedPartition): void;
  /** A fetch that cannot succeed by trying again. */
  fetchFailed(error: FraudstreamError): void;
}

const OFFSET_OUT_OF_RANGE = 1;
/** a smaller answer is a trickle */
const SMALL_ANSWER_BYTES = 16_384;
const LINGER_MS = 4;
const BACKOFF_BASE_MS = 50;
const BACKOFF_MS_MAX = 1_000;

/**
 * Keeps one fetch in flight per broker, for all partitions that it leads and that want records. No loop runs: `wake`
 * starts what can be started, and each answer wakes again.
 */
export class Fetcher {
  private readonly leaders: Leaders;
  private readonly options: FetchOptions;
  private readonly requestTimeoutMs: number;
  private readonly log: KafkaLogger;
  private targets: readonly FetchTarget[] = [];
  private readonly inFlight = new Map<number, Promise<void>>();
  private readonly failures = new Map<number, number>();
  private retry: NodeJS.Timeout | null = null;
  private rotation = 0;
  private epoch = 0;
  private stopped = false;

  constructor(leaders: Leaders, options: FetchOptions, requestTimeoutMs: number, log: KafkaLogger) {
    this.leaders = leaders;
    this.options = options;
    this.requestTimeoutMs = requestTimeoutMs;
    this.log = log;
  }

  /** Answers to fetches for other targets than these are dropped. */
  setTargets(targets: readonly FetchTarget[]): void {
    this.targets = targets;
    this.epoch++;
    this.wake();
  }

  wake(): void {
    if (this.stopped || this.targets.length === 0) return;
    const wanted = new Map<number, FetchTarget[]>();
    const count = this.targets.length;
    this.rotation = (this.rotation + 1) % count;
    let leaderless = false;
    for (let i = 0; i < count; i++) {
      // The broker fills the answer in the order of the request: another partition is first each time.
      const target = this.targets[(i + this.rotation) % count] as FetchTarget;
      if (target.wantedOffset() < 0) continue;
      const leader = this.leaders.leaderOf(target.topic, target.partition);
      if (leader < 0) leaderless = true;
      else if (!this.inFlight.has(leader)) {
        const list = wanted.get(leader);
        if (list === undefined) wanted.set(leader, [target]);
        else list.push(target);
      }
    }
    if (leaderless) this.later(null);
    for (const [nodeId, targets] of wanted) {
      const fetching = this.fetch(nodeId, targets).finally(() => {
        this.inFlight.delete(nodeId);
        if ((this.failures.get(nodeId) ?? 0) === 0) this.wake();
        else this.later(nodeId);
      });
      this.inFlight.set(nodeId, fetching);
    }
  }

  /** No more answers reach the targets. Fetches in flight end by themselves. */
  stop(): void {
    this.stopped = true;
    this.targets = [];
    this.epoch++;
    if (this.retry !== null) clearTimeout(this.retry);
  }

  /** Refreshes the metadata after a pause, and wakes. */
  private later(nodeId: number | null): void {
    if (this.retry !== null || this.stopped) return;
    const attempt = nodeId === null ? 2 : (this.failures.get(nodeId) ?? 1);
    this.retry = setTimeout(
      () => {
        this.retry = null;
        if (this.stopped) return;
        this.leaders
          .refresh()
          .catch((error: unknown) => this.log('warn', 'no metadata', { error: (error as Error).message }))
          .finally(() => {
            this.failures.clear();
            if (nodeId !== null) this.failures.set(nodeId, 0);
            this.wake();
          });
      },
      backoffMs(attempt, BACKOFF_BASE_MS, BACKOFF_MS_MAX),
    );
  }

  private async fetch(nodeId: number, targets: readonly FetchTarget[]): Promise<void> {
    const { epoch } = this;
    const byTopic = [...targets].sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0));
    const positions = byTopic.map((target) => ({
      topic: target.topic,
      partition: target.partition,
      offset: target.wantedOffset(),
    }));
    try {
      const broker = await this.leaders.broker(nodeId);
      const timeoutMs = this.options.waitMsMax + this.requestTimeoutMs;
      const answer = await sendRaw(broker, 1, {
        ...FETCH_API,
        body: [encodeFetch(positions, this.options)],
        timeoutMs,
      });
      if (this.epoch !== epoch) return;
      const response = decodeFetch(answer);
      if (response.errorCode !== 0) throw errorFromCode(response.errorCode);
      let stale = false;
      for (const partition of response.partitions) {
        const index = positions.findIndex((p) => p.partition === partition.partition && p.topic === partition.topic);
        const target = byTopic[index];
        if (target === undefined) continue;
        if (partition.errorCode === 0) target.fetched(positions[index]?.offset ?? -1, partition);
        else if (this.report(target, partition)) stale = true;
      }
      if (stale) this.failed(nodeId);
      else this.failures.delete(nodeId);
      // A trickle is gathered for a moment: batches of one or two cost a round trip each for everything behind them.
      if (answer.length < SMALL_ANSWER_BYTES) await new Promise((done) => setTimeout(done, LINGER_MS));
      // Only a throttled client waits; KafkaJS would, and so do we.
      if (response.throttleMs > 0) await new Promise((done) => setTimeout(done, Math.min(response.throttleMs, 5_000)));
    } catch (error) {
      if (this.epoch !== epoch) return;
      this.failed(nodeId);
      const failure = fromKafka(error, `cannot fetch from broker ${nodeId}`);
      this.log('warn', 'fetch failed, trying again', { error: failure.message, code: failure.code, broker: nodeId });
      if (!failure.retriable) for (const target of targets) target.fetchFailed(failure);
    }
  }

  private failed(nodeId: number): void {
    this.failures.set(nodeId, (this.failures.get(nodeId) ?? 0) + 1);
  }

  /** Whether the metadata is to be read anew; other errors go to the target. */
  private report(target: FetchTarget, fetched: FetchedPartition): boolean {
    const { topic, partition } = target;
    const failure = fromKafkaCode(fetched.errorCode, `cannot fetch ${topic}/${partition}`, { topic, partition });
    if (fetched.errorCode !== OFFSET_OUT_OF_RANGE && failure.retriable) return true;
    target.fetchFailed(failure);
    return false;
  }
}
