import { FraudstreamError, toFraudstreamError } from '../../domain/errors.ts';
import { backoffMs, pauseFor, settlesWithin } from './backoff.ts';
import type { KafkaClient } from './client.ts';
import type { ConsumerHandler, ConsumerOptions, ConsumerProgress } from './consumer-options.ts';
import { DeadMembers } from './dead-members.ts';
import { Fetcher } from './fetcher.ts';
import { kafkaErrorType } from './kafka-errors.ts';
import type { Cluster } from './kafkajs-internals.ts';
import { Leaders } from './leaders.ts';
import { checkOffset } from './log-offsets.ts';
import { Membership, type Generation } from './membership.ts';
import { PartitionTask } from './partition-task.ts';

export type { ConsumerHandler, ConsumerOptions, ConsumerProgress };

/** A member of a consumer group that hands each of its partitions' batches to a handler, one at a time per partition. */

const JOIN_BACKOFF_BASE_MS = 100;
const JOIN_BACKOFF_MS_MAX = 5_000;
const PARTITION_COUNT_CHECK_MS = 60_000;

const nameOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string =>
  `${topic}/${partition}`;

type GenerationEnd = 'stop' | 'rebalance' | 'lost';

export class KafkaConsumer {
  private readonly client: KafkaClient;
  private readonly options: Required<ConsumerOptions>;
  private readonly handler: ConsumerHandler;
  private readonly dead: DeadMembers | null;
  private readonly paused = new Set<string>();
  private stopping = new AbortController();
  private running: Promise<void> | null = null;
  private leaders: Leaders | null = null;
  private tasks: readonly PartitionTask[] = [];
  /** by topic/partition: what of an earlier generation may still run */
  private readonly earlier = new Map<string, Promise<void>>();
  private state: ConsumerProgress['state'] = 'stopped';
  private generation: Generation | null = null;
  private lastError: FraudstreamError | null = null;

  constructor(client: KafkaClient, options: ConsumerOptions, handler: ConsumerHandler) {
    this.client = client;
    this.handler = handler;
    this.options = {
      readCommitted: true,
      waitMsMax: 30,
      bytesMax: 8_388_608,
      partitionBytesMax: 1_048_576,
      batchRecordsMax: 2_000,
      batchValueBytesMax: 4_194_304,
      sessionTimeoutMs: 10_000,
      heartbeatMs: 1_000,
      rebalanceTimeoutMs: 60_000,
      partitionsMax: Number.MAX_SAFE_INTEGER,
      mark: null,
      ...options,
    };
    const { groupId, mark } = this.options;
    this.dead = mark === null ? null : new DeadMembers(client, groupId, mark);
  }

  /** Begins to join, and goes on by itself: Kafka being away is waited for, never thrown. */
  start(): void {
    if (this.running !== null) return;
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    this.running = this.run(signal).finally(() => {
      this.state = 'stopped';
    });
  }

  /** Finishes the batches in hand, calls onRevoked, leaves the group. Resolves when all that is done. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    this.running = null;
  }

  /** Leaves and joins anew with new connections: what to try when nothing moves. */
  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  /** Kept over rebalances until `resume`. The batch in hand goes on. */
  pause(topic: string, partition: number): void {
    this.paused.add(nameOf({ topic, partition }));
    this.task(topic, partition)?.pause();
  }

  resume(topic: string, partition: number): void {
    this.paused.delete(nameOf({ topic, partition }));
    this.task(topic, partition)?.resume();
  }

  progress(): ConsumerProgress {
    return {
      state: this.state,
      memberId: this.generation?.memberId ?? '',
      generation: this.generation?.id ?? -1,
      partitions: this.tasks.map((task) => task.progress()),
      error: this.lastError,
    };
  }

  /** How many partitions a topic had when the metadata was last read. Throws FS_KAFKA_UNAVAILABLE when not connected. */
  partitionCount(topic: string): number {
    if (this.leaders === null) throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', 'the consumer is not connected');
    return Math.min(this.leaders.partitionCount(topic), this.options.partitionsMax);
  }

  private task(topic: string, partition: number): PartitionTask | undefined {
    return this.tasks.find((task) => task.topic === topic && task.partition === partition);
  }

  private async run(stop: AbortSignal): Promise<void> {
    let attempt = 0;
    while (!stop.aborted) {
      const cluster = this.client.openCluster();
      try {
        this.state = 'joining';
        await this.serveConnection(cluster, stop, () => {
          attempt = 0;
          this.lastError = null;
        });
      } catch (error) {
        this.lastError = toFraudstreamError(error, 'FS_KAFKA_UNAVAILABLE');
        const waitMs = backoffMs(attempt++, JOIN_BACKOFF_BASE_MS, JOIN_BACKOFF_MS_MAX);
        const { code, message } = this.lastError;
        this.client.log('warn', 'consumer begins anew', { code, error: message, waitMs });
        await pauseFor(waitMs, stop);
      } finally {
        this.leaders = null;
        // A broker that does not answer must not hold up a restart.
        await settlesWithin(cluster.disconnect(), 2_000);
      }
    }
  }

  /** Joins again and again over one set of connections, until stopped (returns) or something fails (throws). */
  private async serveConnection(cluster: Cluster, stop: AbortSignal, onJoined: () => void): Promise<void> {
    const { groupId, topics, sessionTimeoutMs, rebalanceTimeoutMs } = this.options;
    const leaders = new Leaders(cluster);
    await leaders.add(topics);
    this.leaders = leaders;
    const membership = new Membership(cluster, leaders, {
      groupId,
      topics,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      partitionsMax: this.options.partitionsMax,
      dead: this.dead,
    });
    try {
      let failures = 0;
      while (!stop.aborted) {
        this.state = 'joining';
        try {
          const generation = await membership.join(stop);
          if (generation === null) return;
          this.generation = generation;
        } catch (error) {
          // The group often wants another round, or the coordinator moves: only then new connections would be wasted.
          if (kafkaErrorType((error as Error).cause).startsWith('KafkaJS') || ++failures > 10) throw error;
          await pauseFor(backoffMs(failures, 20, 1_000), stop);
          continue;
        }
        failures = 0;
        onJoined();
        await this.serveGeneration(membership, leaders, this.generation, stop);
      }
    } finally {
      await settlesWithin(membership.leave(), 2_000);
    }
  }

  private async serveGeneration(
    membership: Membership,
    leaders: Leaders,
    generation: Generation,
    stop: AbortSignal,
  ): Promise<void> {
    const { options, client } = this;
    const { waitMsMax, bytesMax, partitionBytesMax, readCommitted } = options;
    const fetcher = new Fetcher(
      leaders,
      { waitMsMax, bytesMin: 1, bytesMax, partitionBytesMax, readCommitted },
      client.requestTimeoutMs,
      client.log,
    );
    const taskOptions = {
      readCommitted,
      recordsMax: options.batchRecordsMax,
      bytesMax: options.batchValueBytesMax,
      prefetchBytes: partitionBytesMax,
    };
    this.tasks = generation.assigned.map(
      (place) =>
        new PartitionTask(
          place,
          generation.id,
          () => membership.confirm(generation),
          this.handler,
          taskOptions,
          (offset) => checkOffset(leaders, place.topic, place.partition, offset),
          () => fetcher.wake(),
          client.log,
          this.paused.has(nameOf(place)),
          this.earlier.get(nameOf(place)) ?? Promise.resolve(),
        ),
    );
    this.state = 'joined';
    client.log('info', 'joined the group', {
      group: options.groupId,
      generation: generation.id,
      partitions: generation.assigned.map(({ topic, partition }) => `${topic}/${partition}`),
    });
    fetcher.setTargets(this.tasks);
    let end: GenerationEnd = 'lost';
    try {
      end = await this.keepAlive(membership, leaders, generation, stop);
    } finally {
      this.state = 'revoking';
      fetcher.stop();
      await this.revoke(membership, generation, end);
    }
  }

  /** Heartbeats until the generation ends. Without an answer for the session timeout, others own what we own. */
  private async keepAlive(
    membership: Membership,
    leaders: Leaders,
    generation: Generation,
    stop: AbortSignal,
  ): Promise<GenerationEnd> {
    const { heartbeatMs, sessionTimeoutMs, topics } = this.options;
    const counts = topics.map((topic) => leaders.partitionCount(topic));
    let answeredAtMs = Date.now();
    let checkedAtMs = Date.now();
    for (;;) {
      await pauseFor(heartbeatMs, stop);
      if (stop.aborted) return 'stop';
      const answer = await membership.heartbeat(generation);
      const nowMs = Date.now();
      if (answer === 'rebalance' || answer === 'lost') return answer;
      if (answer === 'alive') answeredAtMs = nowMs;
      else if (nowMs - answeredAtMs > sessionTimeoutMs) return 'lost';
      if (nowMs - checkedAtMs > PARTITION_COUNT_CHECK_MS) {
        checkedAtMs = nowMs;
        await leaders.refreshIfOld().catch(() => undefined);
        if (topics.some((topic, i) => leaders.partitionCount(topic) !== counts[i])) {
          this.client.log('warn', 'the number of partitions has changed', { topics });
          return 'rebalance';
        }
      }
    }
  }

  private async revoke(membership: Membership, generation: Generation, end: GenerationEnd): Promise<void> {
    const { tasks, client, options } = this;
    for (const task of tasks) {
      task.revoke();
      this.earlier.set(nameOf(task), task.done);
    }
    let draining = true;
    // The group waits for us, but it drops a member that is silent.
    const beating = (async () => {
      while (draining && end !== 'lost') {
        await new Promise((done) => setTimeout(done, options.heartbeatMs));
        if (draining) await membership.heartbeat(generation);
      }
    })();
    const all = Promise.all(tasks.map((task) => task.done));
    const deadlineMs = Math.floor(options.rebalanceTimeoutMs * 0.8);
    if (!(await settlesWithin(all, deadlineMs))) {
      client.log('error', 'a batch did not end in time; what it commits will be refused', { deadlineMs });
    }
    try {
      await this.handler.onRevoked(
        tasks.map((task) => task.assigned),
        end === 'lost',
      );
    } catch (error) {
      const { code, message } = toFraudstreamError(error);
      client.log('error', 'after revocation', { code, error: message });
    }
    draining = false;
    this.tasks = [];
    client.log('info', 'gave back partitions', { generation: generation.id, reason: end });
    void beating;
  }
}
