import type { Clock } from '../domain/clock.ts';
import { FraudstreamError, toFraudstreamError } from '../domain/errors.ts';
import type {
  OffsetToCommit,
  ProduceBatch,
  ProducerIdentity,
  RecordToProduce,
  TopicPartition,
  Transaction,
  TransactionRequests,
} from '../transport/transactions.ts';

export interface TransactionalProducerOptions {
  readonly transactionalId: string;
  /** group whose offsets it commits */
  readonly group: string;
  /** after this the coordinator aborts what is open; readers wait for it that long, and up to 10 s more */
  readonly transactionTimeoutMs: number;
  /** of one record batch, before compression */
  readonly batchBytesMax: number;
  /** how long `fence` goes on trying */
  readonly fenceTimeoutMs: number;
}

export interface ProducerPorts {
  readonly requests: TransactionRequests;
  readonly clock: Clock;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface RecordTo extends TopicPartition {
  readonly record: RecordToProduce;
}

/** Sequence numbers wrap at 2^31, where brokers and clients differ: a new identity comes long before. */
const RECORDS_MAX = 2 ** 30;
const BUSY_MS_MIN = 2;
const BUSY_MS_MAX = 20;
const AWAY_MS_MIN = 50;
const AWAY_MS_MAX = 2_000;
const RECORD_OVERHEAD_BYTES = 96;

/**
 * One transaction at a time: records and the offset that they come from, or neither. After any error but "busy" its identity
 * is thrown away, and only `fence` gives it a new one: a producer that aborts and goes on may have the broker take its next
 * batch for a copy of the aborted one, and lose it in silence (KafkaJS rolls its sequence back; measured).
 */
export class TransactionalProducer {
  private readonly ports: ProducerPorts;
  private readonly options: TransactionalProducerOptions;
  private identity: ProducerIdentity | null = null;
  /** next sequence number by topic and partition */
  private readonly sequences = new Map<string, number>();
  private records = 0;
  /** what the last transaction of this identity was, and where the ones before ended too; null before `settle` */
  private settled: { readonly partitions: readonly TopicPartition[]; commit: boolean } | null = null;

  constructor(ports: ProducerPorts, options: TransactionalProducerOptions) {
    this.ports = ports;
    this.options = options;
  }

  /**
   * Becomes the only writer: earlier identities of this transactional id are refused from now on, and what they left open
   * is aborted or completed. Throws FS_KAFKA_UNAVAILABLE at the deadline, FS_KAFKA_REFUSED at once.
   */
  async fence(signal: AbortSignal): Promise<void> {
    const { requests, clock, pause } = this.ports;
    const { transactionalId, transactionTimeoutMs, fenceTimeoutMs } = this.options;
    this.identity = null;
    this.settled = null;
    const deadlineMs = clock.monotonicMs() + fenceTimeoutMs;
    let awayMs = AWAY_MS_MIN;
    for (;;) {
      try {
        const identity = await requests.init(transactionalId, transactionTimeoutMs);
        this.sequences.clear();
        this.records = 0;
        this.identity = identity;
        return;
      } catch (thrown) {
        const error = toFraudstreamError(thrown, 'FS_KAFKA_UNAVAILABLE');
        if (!error.retriable || signal.aborted) throw error;
        if (clock.monotonicMs() >= deadlineMs) {
          const detail = `no answer to the initialisation of ${transactionalId} for ${fenceTimeoutMs} ms; last: ${error.message}`;
          throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', detail, {}, { cause: error });
        }
        const busy = error.code === 'FS_KAFKA_BUSY';
        await pause(busy ? BUSY_MS_MAX : awayMs, signal);
        if (!busy) awayMs = Math.min(AWAY_MS_MAX, awayMs * 2);
      }
    }
  }

  /** Resolves when the transaction is committed. Rejects when it is not, or when nobody knows: then `fence` comes next. */
  async commit(records: readonly RecordTo[], position: OffsetToCommit, signal: AbortSignal): Promise<void> {
    const { identity } = this;
    if (identity === null) throw thrownAway();
    this.identity = null;
    if (this.records + records.length > RECORDS_MAX) {
      throw new FraudstreamError(
        'FS_KAFKA_FENCED',
        `this producer has numbered ${this.records} records: it is renewed`,
      );
    }
    const { requests } = this.ports;
    const { transactionalId, group } = this.options;
    const transaction: Transaction = { transactionalId, identity };
    const rounds = this.roundsOf(records);
    await this.beginSteadily(transaction, (rounds[0] ?? []).map(placeOf), signal);
    // One after the other: a broker that checks two requests of one transaction with its coordinator at the same time answers
    // the first with an error (AddPartitionsToTxnManager, KIP-890 part 1; NOT_ENOUGH_REPLICAS to old clients).
    for (const batches of rounds) await requests.produce(transaction, batches);
    await this.unlessBusy(() => requests.commitOffset(transaction, group, position), signal);
    await requests.end(transaction, true);
    if (this.settled !== null) this.settled.commit = true;
    this.identity = identity;
  }

  /**
   * Writes an end marker to these partitions and to the group, and nothing else: whatever a transaction of this id left open
   * there ends with it. A coordinator can take a transaction for completed whose markers it never wrote (KAFKA-20734); the next
   * commit would make that one visible with its own. While Kafka is away it is tried again, as long as `fence` is: to give up
   * between its requests would have the coordinator abort it, and with it what it was to commit. Rejects as `commit` does.
   */
  async settle(partitions: readonly TopicPartition[], commit: boolean, signal: AbortSignal): Promise<void> {
    const { identity } = this;
    if (identity === null) throw thrownAway();
    this.identity = null;
    const transaction: Transaction = { transactionalId: this.options.transactionalId, identity };
    await this.endEmpty(transaction, partitions, commit, this.deadlineMs(), signal);
    this.settled = { partitions, commit };
    this.identity = identity;
  }

  /** False: the markers of the last transaction may have been forgotten since it was acknowledged. Then `mend`, or `commit`. */
  get isSteady(): boolean {
    return this.settled === null || this.ports.requests.isSteady(this.options.transactionalId);
  }

  /**
   * Ends the last transaction again, as it was ended before, wherever it may have written. All that this identity can have left
   * open is that transaction: a later one was not begun. Rejects as `commit` does.
   */
  async mend(signal: AbortSignal): Promise<void> {
    const { identity, settled } = this;
    if (identity === null || settled === null) throw thrownAway();
    await this.settle(settled.partitions, settled.commit, signal);
  }

  /**
   * Until its first batch the transaction before can be mended, and is: when the coordinator may have died since it ended, or while
   * this one begins. A coordinator that lives on begins none before it has written the markers of the one before.
   */
  private async beginSteadily(
    transaction: Transaction,
    partitions: readonly TopicPartition[],
    signal: AbortSignal,
  ): Promise<void> {
    const { settled } = this;
    const deadlineMs = this.deadlineMs();
    for (;;) {
      if (this.isSteady) {
        try {
          await this.begin(transaction, partitions, signal);
          if (this.isSteady) return;
        } catch (thrown) {
          if (settled === null || !isAway(thrown)) throw thrown;
        }
      }
      if (signal.aborted || this.ports.clock.monotonicMs() >= deadlineMs) {
        throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', 'the coordinator goes away again and again');
      }
      await this.endEmpty(transaction, settled!.partitions, settled!.commit, deadlineMs, signal);
    }
  }

  /**
   * Tried again while Kafka is away. An end that was not answered may come late, and would end the next transaction of the same
   * identity before its time: then this rejects, though it has ended.
   */
  private async endEmpty(
    transaction: Transaction,
    partitions: readonly TopicPartition[],
    commit: boolean,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { requests, clock, pause } = this.ports;
    let unanswered: FraudstreamError | null = null;
    for (let awayMs = AWAY_MS_MIN; ; awayMs = Math.min(AWAY_MS_MAX, awayMs * 2)) {
      let ending = false;
      try {
        await this.begin(transaction, partitions, signal);
        ending = true;
        await requests.end(transaction, commit);
        break;
      } catch (thrown) {
        if (ending) unanswered = toFraudstreamError(thrown);
        if (!isAway(thrown) || signal.aborted || clock.monotonicMs() >= deadlineMs) throw thrown;
        await pause(awayMs, signal);
        if (signal.aborted) throw thrown;
      }
    }
    if (unanswered !== null) throw unanswered;
  }

  private deadlineMs(): number {
    return this.ports.clock.monotonicMs() + this.options.fenceTimeoutMs;
  }

  private begin(transaction: Transaction, partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { requests } = this.ports;
    const begun = [this.unlessBusy(() => requests.addOffsets(transaction, this.options.group), signal)];
    if (partitions.length > 0) {
      begun.unshift(this.unlessBusy(() => requests.addPartitions(transaction, partitions), signal));
    }
    return all(begun);
  }

  /** The n-th round holds the n-th batch of each partition: their order within a partition is that of their sequences. */
  private roundsOf(records: readonly RecordTo[]): ProduceBatch[][] {
    const byPlace = new Map<string, { place: TopicPartition; parts: RecordToProduce[][]; bytes: number }>();
    for (const { topic, partition, record } of records) {
      const name = `${topic}/${partition}`;
      let entry = byPlace.get(name);
      if (!entry) byPlace.set(name, (entry = { place: { topic, partition }, parts: [[]], bytes: 0 }));
      const bytes = bytesOf(record);
      if (entry.bytes + bytes > this.options.batchBytesMax && entry.bytes > 0) {
        entry.parts.push([]);
        entry.bytes = 0;
      }
      entry.bytes += bytes;
      entry.parts[entry.parts.length - 1]!.push(record);
    }
    const rounds: ProduceBatch[][] = [];
    for (const [name, { place, parts }] of byPlace) {
      let sequence = this.sequences.get(name) ?? 0;
      parts.forEach((part, round) => {
        (rounds[round] ??= []).push({ ...place, sequence, records: part });
        sequence += part.length;
      });
      this.sequences.set(name, sequence);
    }
    this.records += records.length;
    return rounds;
  }

  /** The transaction before is still being completed, or a coordinator is still loading: the refusals that only mean "later". */
  private async unlessBusy(request: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, pause } = this.ports;
    const deadlineMs = clock.monotonicMs() + this.options.transactionTimeoutMs;
    for (let waitMs = BUSY_MS_MIN; ; waitMs = Math.min(BUSY_MS_MAX, waitMs + 1)) {
      try {
        await request();
        return;
      } catch (thrown) {
        const busy = toFraudstreamError(thrown).code === 'FS_KAFKA_BUSY';
        if (!busy || signal.aborted || clock.monotonicMs() >= deadlineMs) throw thrown;
        await pause(waitMs, signal);
      }
    }
  }
}

/** Waits for all of them, also when one fails: nothing of a transaction is on its way when its producer is thrown away. */
async function all(requests: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(requests);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

function isAway(thrown: unknown): boolean {
  return toFraudstreamError(thrown).code === 'FS_KAFKA_UNAVAILABLE';
}

function thrownAway(): FraudstreamError {
  return new FraudstreamError('FS_KAFKA_FENCED', 'the producer was thrown away after an error');
}

function placeOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition };
}

function bytesOf({ key, value, headers }: RecordToProduce): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  if (headers === null) return bytes;
  for (const name of Object.keys(headers)) {
    const values = headers[name]!;
    for (const one of Buffer.isBuffer(values) ? [values] : (values as readonly Buffer[])) {
      bytes += 3 * name.length + one.length + 10;
    }
  }
  return bytes;
}
