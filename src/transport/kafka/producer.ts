import { FraudstreamError } from '../../domain/errors.ts';
import { backoffMs, settlesWithin } from './backoff.ts';
import type { KafkaClient } from './client.ts';
import { CODEC_NUMBERS, compressorOf, type CodecName } from './compression.ts';
import { fromKafka, fromKafkaCode } from './kafka-errors.ts';
import { produceOutcome } from './produce-outcome.ts';
import { sendRaw, type Cluster } from './kafkajs-internals.ts';
import { Leaders } from './leaders.ts';
import { decodeProduce, encodeProduce, PRODUCE_API } from './produce-protocol.ts';
import type { ProduceQueue, Identity, Pending, ProducerRecord, Write } from './produce-queue.ts';
import { ProduceQueues } from './produce-queues.ts';
import type { Compressor } from './record-batch-encode.ts';

/**
 * An idempotent producer: acks from all replicas in sync, one batch in flight per partition, so order and sequence hold
 * whatever is tried again. A batch whose end is unknown takes its partition's producer id with it: under the old id the
 * broker could take the next batch for a copy of it.
 */

export interface ProducerOptions {
  readonly compression?: CodecName;
  /** how long a write may be tried; default 30,000 */
  readonly deliveryTimeoutMs?: number;
  /** of one batch before compression; default 900,000, within the default message.max.bytes */
  readonly batchBytesMax?: number;
  readonly requestBytesMax?: number;
}

const REQUESTS_IN_FLIGHT_MAX = 4;
const BACKOFF_BASE_MS = 20;
const BACKOFF_MS_MAX = 1_000;
const TRANSACTION_TIMEOUT_MS = 60_000;
const NO_ANSWER = 7; // REQUEST_TIMED_OUT

export class KafkaProducer {
  private readonly client: KafkaClient;
  private readonly cluster: Cluster;
  private readonly leaders: Leaders;
  private readonly compress: Compressor | null;
  private readonly codec: number;
  private readonly deliveryTimeoutMs: number;
  private readonly batchBytesMax: number;
  private readonly requestBytesMax: number;
  private readonly queues = new ProduceQueues();
  private readonly requestsInFlight = new Map<number, number>();
  private shared: Identity | null = null;
  private preparing = false;
  private timer: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(client: KafkaClient, options: ProducerOptions = {}) {
    this.client = client;
    this.cluster = client.openCluster();
    this.leaders = new Leaders(this.cluster);
    const compression = options.compression ?? 'none';
    this.compress = compressorOf(compression);
    this.codec = CODEC_NUMBERS[compression];
    this.deliveryTimeoutMs = options.deliveryTimeoutMs ?? 30_000;
    this.batchBytesMax = options.batchBytesMax ?? 900_000;
    this.requestBytesMax = options.requestBytesMax ?? 8_388_608;
  }

  /** How many partitions a topic has. Throws FS_KAFKA_TOPIC_MISSING, _REFUSED or _UNAVAILABLE. */
  async partitionCount(topic: string): Promise<number> {
    if (!this.leaders.has(topic)) await this.leaders.add([topic]);
    return this.leaders.partitionCount(topic);
  }

  /**
   * Resolves when all records are durable, in order per partition. Rejects with FS_KAFKA_UNAVAILABLE (or _TOPIC_MISSING)
   * at the deadline, FS_OUTPUT_TOO_LARGE or FS_KAFKA_REFUSED at once; then any part may have been written.
   */
  async send(records: readonly ProducerRecord[]): Promise<void> {
    if (this.closed) throw new FraudstreamError('FS_INTERNAL', 'the producer is closed');
    if (records.length === 0) return;
    const nowMs = Date.now();
    await new Promise<void>((resolve, reject) => {
      // One more than its batches until all are queued, so that it cannot settle before.
      const write: Write = { left: 1, failed: false, deadlineMs: nowMs + this.deliveryTimeoutMs, resolve, reject };
      for (const [queue, part] of this.queues.group(records)) queue.add(part, write, this.encoding(nowMs));
      write.left--;
      this.pump();
    });
  }

  /** Waits for what is being sent, up to the delivery timeout. */
  async close(): Promise<void> {
    this.closed = true;
    const deadlineMs = Date.now() + this.deliveryTimeoutMs;
    while (Date.now() < deadlineMs && this.queues.all().some(({ pending }) => pending.length > 0)) {
      await new Promise((done) => setTimeout(done, 10));
    }
    if (this.timer !== null) clearTimeout(this.timer);
    await settlesWithin(this.cluster.disconnect(), 2_000);
  }

  private encoding(nowMs: number): { bytesMax: number; nowMs: number; codec: number; compress: Compressor | null } {
    return { bytesMax: this.batchBytesMax, nowMs, codec: this.codec, compress: this.compress };
  }

  /** Sends what can be sent now; every answer and every timer comes back here. */
  private pump(): void {
    const nowMs = Date.now();
    const ready = new Map<number, ProduceQueue[]>();
    let waitMs = Number.POSITIVE_INFINITY;
    let unknownTopics = false;
    let identities = false;
    for (const queue of this.queues.all()) {
      if (queue.inFlight) continue;
      queue.expire(nowMs, this.deliveryTimeoutMs);
      if (queue.pending.length === 0) continue;
      if (queue.notBeforeMs > nowMs) {
        waitMs = Math.min(waitMs, queue.notBeforeMs - nowMs);
        continue;
      }
      if (queue.wantsIdentity) {
        if (this.shared === null || !queue.renew(this.shared)) {
          this.shared = null;
          identities = true;
          continue;
        }
      }
      const leader = this.leaders.leaderOf(queue.topic, queue.partition);
      if (leader < 0) {
        unknownTopics = true;
        continue;
      }
      const list = ready.get(leader);
      if (list === undefined) ready.set(leader, [queue]);
      else list.push(queue);
    }
    for (const [leader, queues] of ready) this.dispatch(leader, queues);
    if ((identities || unknownTopics) && !this.preparing) void this.prepare();
    if (waitMs !== Number.POSITIVE_INFINITY) this.wakeIn(waitMs);
  }

  private wakeIn(ms: number): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(
      () => {
        this.timer = null;
        this.pump();
      },
      Math.max(1, ms),
    );
  }

  /** Learns topics and gets a producer id. What fails is tried again with the backoff of the queues that wait for it. */
  private async prepare(): Promise<void> {
    this.preparing = true;
    // A queue in flight settles by its answer alone.
    const waiting = (topic?: string): ProduceQueue[] =>
      this.queues
        .all()
        .filter(
          (queue) => !queue.inFlight && queue.pending.length > 0 && (topic === undefined || queue.topic === topic),
        );
    const failed = (queues: readonly ProduceQueue[], error: unknown): void => {
      const failure = fromKafka(error, 'cannot prepare to produce');
      for (const queue of queues) {
        if (failure.retriable) this.again(queue, failure);
        else queue.fail(failure);
      }
    };
    for (const topic of new Set(waiting().map((queue) => queue.topic))) {
      try {
        if (!this.leaders.has(topic)) await this.leaders.add([topic]);
        else if (waiting(topic).some(({ partition }) => this.leaders.leaderOf(topic, partition) < 0)) {
          await this.leaders.refresh();
        }
        for (const queue of waiting(topic)) this.checkPartition(queue);
      } catch (error) {
        failed(waiting(topic), error);
      }
    }
    try {
      const anonymous = waiting().some((queue) => queue.wantsIdentity && this.leaders.has(queue.topic));
      if (this.shared === null && anonymous) this.shared = await this.identify();
    } catch (error) {
      failed(
        waiting().filter((queue) => queue.wantsIdentity),
        error,
      );
    }
    this.preparing = false;
    this.pump();
  }

  private async identify(): Promise<Identity> {
    const broker = await this.cluster.findControllerBroker();
    const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: TRANSACTION_TIMEOUT_MS });
    return { producerId: BigInt(producerId), epoch: producerEpoch };
  }

  private checkPartition(queue: ProduceQueue): void {
    const { topic, partition } = queue;
    const count = this.leaders.partitionCount(topic);
    const place = { topic, partition };
    if (partition >= count) {
      // We know the topic, and it has fewer partitions: no waiting helps.
      const detail = `${topic} has ${count} partitions, there is no ${partition}; it needs as many as the input`;
      queue.fail(new FraudstreamError('FS_KAFKA_REFUSED', detail, place));
    } else if (this.leaders.leaderOf(topic, partition) < 0) {
      this.again(queue, new FraudstreamError('FS_KAFKA_UNAVAILABLE', `no leader for ${topic}/${partition}`, place));
    }
  }

  private dispatch(leader: number, queues: readonly ProduceQueue[]): void {
    const inFlight = this.requestsInFlight.get(leader) ?? 0;
    if (inFlight >= REQUESTS_IN_FLIGHT_MAX) return;
    const chosen: ProduceQueue[] = [];
    let bytes = 0;
    for (const queue of queues) {
      const size = (queue.pending[0] as Pending).encoded.bytes.length;
      if (chosen.length > 0 && bytes + size > this.requestBytesMax) break;
      chosen.push(queue);
      bytes += size;
    }
    for (const queue of chosen) queue.inFlight = true;
    this.requestsInFlight.set(leader, inFlight + 1);
    void this.request(leader, chosen).finally(() => {
      this.requestsInFlight.set(leader, (this.requestsInFlight.get(leader) ?? 1) - 1);
      for (const queue of chosen) queue.inFlight = false;
      this.pump();
    });
    if (chosen.length < queues.length) this.dispatch(leader, queues.slice(chosen.length));
  }

  private async request(leader: number, queues: readonly ProduceQueue[]): Promise<void> {
    const sorted = [...queues].sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0));
    const { requestTimeoutMs } = this.client;
    let sent = false;
    try {
      const broker = await this.leaders.broker(leader);
      const partitions = sorted.map((queue) => {
        const { topic, partition } = queue;
        return { topic, partition, batch: queue.seal().encoded.bytes };
      });
      sent = true;
      const body = encodeProduce(partitions, -1, requestTimeoutMs);
      const answers = decodeProduce(
        await sendRaw(broker, 0, { ...PRODUCE_API, body, timeoutMs: requestTimeoutMs + 5_000 }),
      );
      let stale = false;
      for (const queue of sorted) {
        const answer = answers.find((one) => one.partition === queue.partition && one.topic === queue.topic);
        if (this.settle(queue, answer?.errorCode ?? NO_ANSWER)) stale = true;
      }
      if (stale) await this.leaders.refresh().catch(() => undefined);
    } catch (error) {
      const failure = fromKafka(error, `cannot produce to broker ${leader}`);
      const { code, message } = failure;
      this.client.log('warn', 'produce failed, trying again', { code, error: message, broker: leader });
      for (const queue of sorted) {
        if (sent) (queue.pending[0] as Pending).unknown = true;
        if (failure.retriable) this.again(queue, failure);
        else queue.fail(failure);
      }
      await this.leaders.refresh().catch(() => undefined);
    }
  }

  /** Takes the broker's answer for a queue's first batch. True when the metadata is to be read anew. */
  private settle(queue: ProduceQueue, errorCode: number): boolean {
    const { topic, partition } = queue;
    const outcome = produceOutcome(errorCode);
    if (outcome === 'stored') {
      queue.succeeded();
      return false;
    }
    const failure = fromKafkaCode(errorCode, `cannot write to ${topic}/${partition}`, { topic, partition });
    switch (outcome) {
      case 'too-large':
        if (!queue.split(this.encoding(Date.now()))) queue.fail(failure);
        return false;
      case 'identity-lost':
        this.client.log('warn', 'producer id renewed', { topic, partition, error: failure.message });
        queue.identity = null;
        this.again(queue, failure);
        return false;
      case 'refused':
        queue.fail(failure);
        return false;
      case 'unknown':
        (queue.pending[0] as Pending).unknown = true;
        this.again(queue, failure);
        return true;
      case 'passing':
        this.again(queue, failure);
        return true;
    }
  }

  private again(queue: ProduceQueue, error: FraudstreamError): void {
    const first = queue.pending[0];
    if (first === undefined) return;
    first.lastError = error;
    queue.notBeforeMs = Date.now() + backoffMs(queue.attempts++, BACKOFF_BASE_MS, BACKOFF_MS_MAX);
  }
}
