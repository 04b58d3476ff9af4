import type { InputIdentity, InputLog } from '../../src/transport/input-log.ts';
import type { CommittedOffset, Ledger } from '../../src/transport/ledger.ts';
import type { InputRecord, RecordHeaders } from '../../src/transport/record.ts';
import type {
  OffsetToCommit,
  ProduceBatch,
  ProducerIdentity,
  RecordToProduce,
  TopicPartition,
  Transaction,
  TransactionRequests,
} from '../../src/transport/transactions.ts';
import { FraudstreamError } from '../../src/domain/errors.ts';
import { ModelKafkaError } from './model-kafka-errors.ts';
import type { ModelFetch } from './model-kafka-log.ts';
import type { ModelNetwork, RequestKind } from './model-kafka-network.ts';
import type { ProducerBatch } from './model-kafka-producers.ts';
import { readFetched } from './model-kafka-reader.ts';
import type { ModelKafka } from './model-kafka.ts';

/** What a batch adds to the bytes of its records, roughly. */
const BATCH_OVERHEAD_BYTES = 61;
const RECORD_OVERHEAD_BYTES = 12;
const FETCH_RECORDS = 500;
const NOT_READY: ReadonlySet<string> = new Set(['NOT_COORDINATOR', 'NOT_ENOUGH_REPLICAS']);

/** One process's connections to the model: the ports over its own network. */
export class ModelKafkaClient implements TransactionRequests {
  readonly kafka: ModelKafka;
  readonly network: ModelNetwork;
  /** of the coordinator that answered the last end, or the initialisation, of a transactional id: by id */
  private readonly answeredBy = new Map<string, number>();

  constructor(kafka: ModelKafka, network: ModelNetwork = kafka.network) {
    this.kafka = kafka;
    this.network = network;
  }

  // Transactions: one call is one request to each broker concerned.

  init(transactionalId: string, timeoutMs: number): Promise<ProducerIdentity> {
    const { transactions } = this.kafka;
    const call = this.ask('InitProducerId', transactionalId, () => {
      const { producerId, epoch } = transactions.init(transactionalId, timeoutMs);
      return { producerId: BigInt(producerId), epoch };
    });
    return call.catch(asRepeatable);
  }

  addPartitions({ transactionalId, identity }: Transaction, partitions: readonly TopicPartition[]): Promise<void> {
    const { kafka } = this;
    const places = partitions.map(({ topic, partition }) => ({ topic, partition }));
    return this.ask('AddPartitionsToTxn', transactionalId, () => {
      // One that does not exist: none of them is added.
      for (const { topic, partition } of places) kafka.log(topic, partition);
      const keys = places.map(({ topic, partition }) => `${topic}/${partition}`);
      kafka.transactions.add(transactionalId, Number(identity.producerId), identity.epoch, keys);
    });
  }

  addOffsets({ transactionalId, identity }: Transaction, group: string): Promise<void> {
    const { kafka } = this;
    return this.ask('AddOffsetsToTxn', transactionalId, () => {
      const keys = [kafka.offsetsKey(group)];
      kafka.transactions.add(transactionalId, Number(identity.producerId), identity.epoch, keys);
    });
  }

  async produce(transaction: Transaction, batches: readonly ProduceBatch[]): Promise<void> {
    const { transactionalId, identity } = transaction;
    const places = new Set(batches.map(({ topic, partition }) => `${topic}/${partition}`));
    if (places.size < batches.length) throw new Error('two batches of one partition in one produce');
    await this.eachLeader(batches, ({ topic, partition, sequence, records }) => {
      const batch = {
        producerId: Number(identity.producerId),
        epoch: identity.epoch,
        sequence,
        count: records.length,
        transactional: true,
      };
      this.append(topic, partition, batch, records, transactionalId);
    });
  }

  commitOffset({ transactionalId, identity }: Transaction, group: string, position: OffsetToCommit): Promise<void> {
    const { kafka } = this;
    const { topic, partition, offset, metadata } = position;
    const call = this.network.call('TxnOffsetCommit', () => {
      kafka.checkGroups();
      kafka.log(topic, partition);
      const producerId = Number(identity.producerId);
      const { epoch } = identity;
      const offsets = kafka.offsetsOf(group);
      if (!offsets.producers.hasOpen(producerId)) {
        kafka.transactions.verify(transactionalId, producerId, epoch, kafka.offsetsKey(group));
      }
      offsets.storePending(producerId, epoch, { topic, partition, offset, metadata }, kafka.time.nowMs());
    });
    return call.catch(asRepeatable);
  }

  end({ transactionalId, identity }: Transaction, commit: boolean): Promise<void> {
    const { transactions } = this.kafka;
    return this.ask('EndTxn', transactionalId, () => {
      transactions.end(transactionalId, Number(identity.producerId), identity.epoch, commit);
    });
  }

  isSteady(transactionalId: string): boolean {
    return this.answeredBy.get(transactionalId) === this.kafka.transactions.incarnation;
  }

  // Without transactions.

  /** A producer id for idempotent batches. */
  identify(): Promise<ProducerIdentity> {
    const { transactions } = this.kafka;
    return this.network.call('InitProducerId', () => ({ producerId: BigInt(transactions.newProducerId()), epoch: 0 }));
  }

  /** @param identity null: neither idempotent nor transactional */
  async produceIdempotent(identity: ProducerIdentity | null, batches: readonly ProduceBatch[]): Promise<void> {
    await this.eachLeader(batches, ({ topic, partition, sequence, records }) => {
      const batch =
        identity === null
          ? null
          : {
              producerId: Number(identity.producerId),
              epoch: identity.epoch,
              sequence,
              count: records.length,
              transactional: false,
            };
      this.append(topic, partition, batch, records, null);
    });
  }

  // Reading.

  ledger(group: string): ModelLedger {
    return new ModelLedger(this, group);
  }

  /** As a broker answers. Throws FS_OFFSET_OUT_OF_RANGE, FS_KAFKA_TOPIC_MISSING, FS_KAFKA_UNAVAILABLE. */
  fetch(topic: string, partition: number, offset: number, recordsMax = FETCH_RECORDS): Promise<ModelFetch> {
    return this.network.call('Fetch', () => this.kafka.log(topic, partition).fetch(offset, true, recordsMax));
  }

  /** First offset that is there, end of the log, end of what is decided. */
  range(topic: string, partition: number): Promise<{ start: number; end: number; stable: number }> {
    return this.network.call('ListOffsets', () => {
      const log = this.kafka.log(topic, partition);
      log.checkAvailable();
      return { start: log.start, end: log.end, stable: log.lastStableOffset };
    });
  }

  /** The first record behind the last stable offset, or null. */
  firstOpen(topic: string, partition: number): Promise<InputRecord | null> {
    return this.network.call('Fetch', () => {
      const log = this.kafka.log(topic, partition);
      log.checkAvailable();
      if (log.lastStableOffset >= log.end) return null;
      const { batches } = log.fetch(log.lastStableOffset, false, 1);
      return batches.flatMap(({ records }) => records).find(({ offset }) => offset >= log.lastStableOffset) ?? null;
    });
  }

  identity(topic: string): Promise<InputIdentity> {
    const { kafka } = this;
    return this.network.call('Metadata', () => {
      const { id, partitions, compacted } = kafka.topic(topic);
      return { clusterId: kafka.clusterId, topicId: id, partitions: partitions.length, compacted };
    });
  }

  /**
   * Hands over the committed records of [from, to) in offset order until `take` returns false or what is stable ends.
   * What retention has deleted is passed over.
   */
  async read(
    stretch: { topic: string; partition: number; from: number; to: number; recordsMax: number },
    take: (records: readonly InputRecord[]) => boolean,
  ): Promise<void> {
    const { topic, partition, to } = stretch;
    let position = stretch.from;
    while (position < to) {
      let fetched: ModelFetch;
      try {
        fetched = await this.fetch(topic, partition, position, stretch.recordsMax);
      } catch (thrown) {
        if (!(thrown instanceof ModelKafkaError) || thrown.broker !== 'OFFSET_OUT_OF_RANGE') throw thrown;
        const { start } = await this.range(topic, partition);
        if (position >= start) return;
        position = start;
        continue;
      }
      const { records, nextOffset } = readFetched(fetched, to);
      if (records.length > 0 && !take(records)) return;
      if (nextOffset === position) return;
      position = nextOffset;
    }
  }

  /** @param confirm what asks the group, usually `ModelMember.confirm` */
  inputLog(topic: string, partition: number, signal: AbortSignal, confirm: () => Promise<void>): InputLog {
    return {
      topic,
      partition,
      signal,
      confirm,
      range: async () => {
        const { start, stable } = await this.range(topic, partition);
        return { start, end: stable };
      },
      identity: () => this.identity(topic),
      readRecord: async (offset) => {
        let found: InputRecord | null = null;
        await this.read({ topic, partition, from: offset, to: Number.POSITIVE_INFINITY, recordsMax: 16 }, ([first]) => {
          found = first ?? null;
          return found === null;
        });
        return found;
      },
    };
  }

  /** A request to the coordinator of transactions, over its connection: it does not outlive the broker, nor does its answer. */
  private async ask<T>(kind: RequestKind, transactionalId: string, execute: () => T): Promise<T> {
    const { transactions } = this.kafka;
    const { incarnation } = transactions;
    const check = (): void => {
      if (incarnation !== transactions.incarnation) throw new ModelKafkaError('NOT_COORDINATOR', 'connection lost');
    };
    try {
      const answer = await this.network.call(kind, () => {
        check();
        return execute();
      });
      if (kind === 'EndTxn' || kind === 'InitProducerId') this.answeredBy.set(transactionalId, incarnation);
      return answer;
    } catch (thrown) {
      // The answer that is not there closes the connection, which all ids share.
      if (thrown instanceof ModelKafkaError && thrown.broker === 'NO_ANSWER') this.answeredBy.clear();
      if (thrown instanceof ModelKafkaError && thrown.broker === 'NOT_COORDINATOR')
        this.answeredBy.delete(transactionalId);
      throw thrown;
    }
  }

  private append(
    topic: string,
    partition: number,
    batch: ProducerBatch | null,
    records: readonly RecordToProduce[],
    transactionalId: string | null,
  ): void {
    const { kafka } = this;
    const log = kafka.log(topic, partition);
    log.checkAvailable();
    const place = { topic, partition };
    if (bytesOf(records) > kafka.topic(topic).batchBytesMax) {
      throw new ModelKafkaError('MESSAGE_TOO_LARGE', `batch for ${topic}/${partition}`, place);
    }
    if (batch !== null && transactionalId !== null && !log.producers.hasOpen(batch.producerId)) {
      log.producers.startVerification(batch);
      kafka.transactions.verify(transactionalId, batch.producerId, batch.epoch, `${topic}/${partition}`);
    }
    log.append(batch, records);
  }

  /** One request to each leader; settles when all have. What is sent is copied: the caller may reuse its buffers. */
  private async eachLeader(batches: readonly ProduceBatch[], append: (batch: ProduceBatch) => void): Promise<void> {
    const { kafka } = this;
    for (const { topic, partition } of batches) {
      const count = kafka.topic(topic).partitions.length;
      if (partition < count) continue;
      const detail = `${topic} has ${count} partitions, there is no ${partition}`;
      throw new FraudstreamError('FS_KAFKA_REFUSED', detail, { topic, partition });
    }
    const byLeader = new Map<number, ProduceBatch[]>();
    for (const batch of batches) {
      const { topic, partition, sequence, records } = batch;
      const leader = kafka.leaderOf(topic, partition);
      const copy = { topic, partition, sequence, records: records.map((record) => this.copy(record)) };
      const known = byLeader.get(leader);
      if (known === undefined) byLeader.set(leader, [copy]);
      else known.push(copy);
    }
    const kind: RequestKind = 'Produce';
    const outcomes = await Promise.allSettled(
      [...byLeader.values()].map((ofLeader) =>
        this.network.call(kind, () => {
          // Each partition is taken or refused for itself; the first refusal is what the caller learns.
          const failures: unknown[] = [];
          for (const batch of ofLeader) {
            try {
              append(batch);
            } catch (thrown) {
              failures.push(thrown);
            }
          }
          if (failures.length > 0) throw failures[0];
        }),
      ),
    );
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    if (failures.length === 0) return;
    throw failures.find((one) => one instanceof FraudstreamError && !one.retriable) ?? failures[0];
  }

  private copy({ key, value, headers, timestampMs }: RecordToProduce): RecordToProduce {
    return {
      key: key === null ? null : Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers: headers === null ? null : copyHeaders(headers),
      timestampMs: timestampMs < 0 ? this.kafka.time.nowMs() : timestampMs,
    };
  }
}

export class ModelLedger implements Ledger {
  private readonly client: ModelKafkaClient;
  private readonly group: string;

  constructor(client: ModelKafkaClient, group: string) {
    this.client = client;
    this.group = group;
  }

  async read(topic: string, partition: number): Promise<CommittedOffset | null> {
    const { kafka, network } = this.client;
    const found = await network.call('OffsetFetch', () => {
      kafka.checkGroups();
      return kafka.offsetsOf(this.group).read(topic, partition);
    });
    return found === null || found.offset < 0 ? null : found;
  }

  /** An operator's commit, without a member: FS_KAFKA_FENCED while the group has any. */
  async commit(topic: string, partition: number, offset: number, metadata = ''): Promise<void> {
    const { kafka, network } = this.client;
    await network.call('OffsetCommit', () => {
      kafka.checkGroups();
      kafka.group(this.group).checkCommit('', -1);
      kafka.offsetsOf(this.group).store({ topic, partition, offset, metadata }, kafka.time.nowMs());
    });
  }
}

/** As the adapter says of a coordinator that is not ready when the same request may be sent again, whatever came of it. */
function asRepeatable(thrown: unknown): never {
  const again = thrown instanceof ModelKafkaError && NOT_READY.has(thrown.broker);
  throw again ? new FraudstreamError('FS_KAFKA_BUSY', thrown.message) : thrown;
}

function bytesOf(records: readonly RecordToProduce[]): number {
  let bytes = BATCH_OVERHEAD_BYTES;
  for (const { key, value } of records) bytes += RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  return bytes;
}

function copyHeaders(headers: RecordHeaders): RecordHeaders {
  const copy: Record<string, Buffer | readonly Buffer[]> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name] as Buffer | readonly Buffer[];
    copy[name] = Buffer.isBuffer(value) ? Buffer.from(value) : value.map((one) => Buffer.from(one));
  }
  return copy;
}
