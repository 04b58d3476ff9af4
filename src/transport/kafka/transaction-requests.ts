import { FraudstreamError, type ErrorPlace } from '../../domain/errors.ts';
import type {
  OffsetToCommit,
  ProduceBatch,
  ProducerIdentity,
  TopicPartition,
  Transaction,
  TransactionRequests,
} from '../transactions.ts';
import { settlesWithin } from './backoff.ts';
import type { KafkaClient } from './client.ts';
import { CODEC_NUMBERS, compressorOf, type CodecName } from './compression.ts';
import { Coordinators } from './coordinators.ts';
import { fromKafka } from './kafka-errors.ts';
import {
  connectionTo,
  isUnbroken,
  sendRaw,
  type Broker,
  type Cluster,
  type EstablishedConnection,
} from './kafkajs-internals.ts';
import { Leaders } from './leaders.ts';
import { decodeProduce, encodeProduce, PRODUCE_API, type ProducePartition } from './produce-protocol.ts';
import { encodeBatch, sealBatch, type Compressor } from './record-batch-encode.ts';
import { isCoordinatorCode, transactionRefusal, type TransactionRequestKind } from './transaction-errors.ts';
import * as protocol from './transaction-protocol.ts';

/**
 * The transaction requests of a real Kafka. One set of connections serves all partitions of a process. All that is asked
 * of coordinators goes over one connection to each, in the order of the calls: the broker answers one request of a
 * connection before it takes the next, so what is sent together never meets itself as a concurrent transaction. Batches
 * go over the second connection, and wait for no one's bookkeeping.
 */

export interface TransactionRequestsOptions {
  /** of one request; below the transaction timeout. Default 3,000 */
  readonly requestTimeoutMs?: number;
  readonly compression?: CodecName;
}

interface RefusedPartition extends TopicPartition {
  readonly errorCode: number;
}

const REQUEST_TIMEOUT_MS = 3_000;
/** REQUEST_TIMED_OUT: a partition that the answer does not speak of */
const NO_ANSWER = 7;
/** the leader's network thread needs a moment to answer that the replicas did not */
const ANSWER_MARGIN = 0.8;

export class KafkaTransactionRequests implements TransactionRequests {
  private readonly cluster: Cluster;
  private readonly coordinators: Coordinators;
  private readonly leaders: Leaders;
  private readonly requestTimeoutMs: number;
  private readonly codec: number;
  private readonly compress: Compressor | null;
  /** by transactional id: what its last end, or its initialisation, was answered over */
  private readonly answeredOver = new Map<string, EstablishedConnection | null>();
  /** a leader was wrong or did not answer: ask who leads before the next batch */
  private leadersAreOld = false;

  constructor(client: KafkaClient, options: TransactionRequestsOptions = {}) {
    this.requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.cluster = client.openCluster(this.requestTimeoutMs);
    this.coordinators = new Coordinators(this.cluster, this.requestTimeoutMs);
    this.leaders = new Leaders(this.cluster);
    const compression = options.compression ?? 'none';
    this.codec = CODEC_NUMBERS[compression];
    this.compress = compressorOf(compression);
  }

  async init(transactionalId: string, timeoutMs: number): Promise<ProducerIdentity> {
    const doing = `cannot begin as ${transactionalId}`;
    const body = protocol.encodeInitProducerId(transactionalId, timeoutMs);
    const { answer, over } = await this.ask('transaction', transactionalId, protocol.INIT_PRODUCER_ID_API, body, doing);
    const { errorCode, producerId, epoch } = protocol.decodeInitProducerId(answer);
    if (isCoordinatorCode(errorCode)) this.forget('transaction', transactionalId);
    if (errorCode !== 0) throw transactionRefusal('init', errorCode, doing);
    this.answeredOver.set(transactionalId, over);
    return { producerId, epoch };
  }

  async addPartitions(transaction: Transaction, partitions: readonly TopicPartition[]): Promise<void> {
    const { transactionalId } = transaction;
    const doing = `cannot add partitions to a transaction of ${transactionalId}`;
    const body = protocol.encodeAddPartitions(transaction, partitions);
    const { answer } = await this.ask('transaction', transactionalId, protocol.ADD_PARTITIONS_API, body, doing);
    this.check('transaction', transactionalId, protocol.decodePartitionErrors(answer), doing, 'add');
  }

  async addOffsets(transaction: Transaction, group: string): Promise<void> {
    const { transactionalId } = transaction;
    const doing = `cannot add group ${group} to a transaction of ${transactionalId}`;
    const body = protocol.encodeAddOffsets(transaction, group);
    const { answer } = await this.ask('transaction', transactionalId, protocol.ADD_OFFSETS_API, body, doing);
    this.check('transaction', transactionalId, { errorCode: protocol.decodeErrorCode(answer) }, doing, 'add');
  }

  async commitOffset(transaction: Transaction, group: string, position: OffsetToCommit): Promise<void> {
    const { topic, partition, offset } = position;
    const doing = `cannot commit offset ${offset} of ${topic}/${partition} to group ${group}`;
    const body = protocol.encodeTxnOffsetCommit(transaction, group, position);
    const { answer } = await this.ask('group', group, protocol.TXN_OFFSET_COMMIT_API, body, doing);
    this.check('group', group, protocol.decodePartitionErrors(answer), doing, 'offset');
  }

  async end(transaction: Transaction, commit: boolean): Promise<void> {
    const { transactionalId } = transaction;
    const doing = `cannot ${commit ? 'commit' : 'abort'} a transaction of ${transactionalId}`;
    const body = protocol.encodeEndTxn(transaction, commit);
    const { answer, over } = await this.ask('transaction', transactionalId, protocol.END_TXN_API, body, doing);
    this.check('transaction', transactionalId, { errorCode: protocol.decodeErrorCode(answer) }, doing, 'end');
    this.answeredOver.set(transactionalId, over);
  }

  isSteady(transactionalId: string): boolean {
    const over = this.answeredOver.get(transactionalId) ?? null;
    return over !== null && isUnbroken(over);
  }

  /** One request to each leader. When it rejects, no request is on its way any more, as far as can be known. */
  async produce(transaction: Transaction, batches: readonly ProduceBatch[]): Promise<void> {
    if (batches.length === 0) return;
    const byLeader = await this.byLeader(batches);
    const nowMs = Date.now();
    const outcomes = await Promise.allSettled(
      [...byLeader].map(([leader, ofLeader]) => this.produceTo(leader, transaction, ofLeader, nowMs)),
    );
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    if (failures.length === 0) return;
    // what no repetition repairs says more than what may pass
    throw failures.find((one) => one instanceof FraudstreamError && !one.retriable) ?? failures[0];
  }

  /** Waits a moment for the answers that are still due. */
  async close(): Promise<void> {
    await settlesWithin(this.cluster.disconnect(), 2_000);
  }

  private async byLeader(batches: readonly ProduceBatch[]): Promise<Map<number, ProduceBatch[]>> {
    const unknown = [...new Set(batches.map(({ topic }) => topic))].filter((topic) => !this.leaders.has(topic));
    if (unknown.length > 0) await this.leaders.add(unknown);
    if (this.leadersAreOld || batches.some((one) => this.leaders.leaderOf(one.topic, one.partition) < 0)) {
      await this.leaders.refresh();
      this.leadersAreOld = false;
    }
    const byLeader = new Map<number, ProduceBatch[]>();
    for (const batch of batches) {
      const { topic, partition } = batch;
      const place = { topic, partition };
      const count = this.leaders.partitionCount(topic);
      if (partition >= count) {
        const detail = `${topic} has ${count} partitions, there is no ${partition}; it needs as many as the input`;
        throw new FraudstreamError('FS_KAFKA_REFUSED', detail, place);
      }
      const leader = this.leaders.leaderOf(topic, partition);
      if (leader < 0) throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', `no leader for ${topic}/${partition}`, place);
      const known = byLeader.get(leader);
      if (known === undefined) byLeader.set(leader, [batch]);
      else known.push(batch);
    }
    return byLeader;
  }

  private async produceTo(
    leader: number,
    { transactionalId, identity }: Transaction,
    batches: readonly ProduceBatch[],
    nowMs: number,
  ): Promise<void> {
    const partitions: ProducePartition[] = batches.map(({ topic, partition, sequence, records }) => {
      const { bytes } = encodeBatch(records, nowMs, this.codec, this.compress);
      sealBatch(bytes, identity.producerId, identity.epoch, sequence, true);
      return { topic, partition, batch: bytes };
    });
    partitions.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0));
    const timeoutMs = this.requestTimeoutMs;
    const body = encodeProduce(partitions, -1, Math.floor(timeoutMs * ANSWER_MARGIN), transactionalId);
    let answers;
    try {
      const broker = await this.leaders.broker(leader);
      answers = decodeProduce(await sendRaw(broker, 1, { ...PRODUCE_API, body, timeoutMs }));
    } catch (error) {
      this.leadersAreOld = true;
      throw fromKafka(error, `cannot write to broker ${leader} in a transaction of ${transactionalId}`);
    }
    for (const { topic, partition } of partitions) {
      const answer = answers.find((one) => one.partition === partition && one.topic === topic);
      const errorCode = answer?.errorCode ?? NO_ANSWER;
      if (errorCode === 0) continue;
      const refusal = transactionRefusal('produce', errorCode, `cannot write to ${topic}/${partition}`, {
        topic,
        partition,
      });
      if (refusal.retriable) this.leadersAreOld = true;
      throw refusal;
    }
  }

  /** One request to a coordinator. When it cannot be sent or is not answered, the coordinator is looked for anew. */
  private async ask(
    kind: protocol.CoordinatorKind,
    key: string,
    api: { readonly apiKey: number; readonly apiVersion: number; readonly apiName: string },
    body: Buffer,
    doing: string,
  ): Promise<{ answer: Buffer; over: EstablishedConnection | null }> {
    let coordinator: Broker | null = null;
    try {
      coordinator = await this.coordinators.find(kind, key);
      const answer = await sendRaw(coordinator, 0, { ...api, body: [body], timeoutMs: this.requestTimeoutMs });
      return { answer, over: connectionTo(coordinator) };
    } catch (error) {
      if (coordinator !== null) this.forget(kind, key);
      throw fromKafka(error, doing);
    }
  }

  private forget(kind: protocol.CoordinatorKind, key: string): void {
    this.coordinators.forget(kind, key);
    if (kind === 'transaction') this.answeredOver.delete(key);
  }

  private check(
    kind: protocol.CoordinatorKind,
    key: string,
    refused: RefusedPartition | { readonly errorCode: number } | null,
    doing: string,
    request: TransactionRequestKind,
  ): void {
    if (refused === null || refused.errorCode === 0) return;
    if (isCoordinatorCode(refused.errorCode)) this.forget(kind, key);
    const place: ErrorPlace = 'topic' in refused ? { topic: refused.topic, partition: refused.partition } : {};
    throw transactionRefusal(request, refused.errorCode, doing, place);
  }
}
