import type { TopicPartition, Transaction, TransactionRequests } from '../../src/transport/transactions.ts';
import { FraudstreamError, type ErrorCode } from '../../src/domain/errors.ts';
import type { KafkaBackend } from './kafka-backend.ts';

/** Now, for brokers roll segments and delete them by the time of the records. */
export const RECORD_TIME_MS = Date.now();

/** One transactional identity, driven request by request. Repeats nothing but what is refused with FS_KAFKA_BUSY. */
export class TransactionDriver {
  transaction: Transaction | null = null;
  private readonly backend: KafkaBackend;
  private readonly requests: TransactionRequests;
  private readonly transactionalId: string;
  private readonly timeoutMs: number;

  constructor(backend: KafkaBackend, transactionalId: string, timeoutMs = 60_000) {
    this.backend = backend;
    this.requests = backend.requests();
    this.transactionalId = transactionalId;
    this.timeoutMs = timeoutMs;
  }

  get open(): Transaction {
    if (this.transaction === null) throw new Error('init comes first');
    return this.transaction;
  }

  async init(): Promise<Transaction> {
    const { transactionalId, timeoutMs, requests } = this;
    const identity = await this.patiently(() => requests.init(transactionalId, timeoutMs));
    this.transaction = { transactionalId, identity };
    return this.transaction;
  }

  get isSteady(): boolean {
    return this.requests.isSteady(this.transactionalId);
  }

  /** One request, whatever comes of it. */
  initOnce(): Promise<unknown> {
    return this.requests.init(this.transactionalId, this.timeoutMs);
  }

  add(...places: TopicPartition[]): Promise<void> {
    return this.patiently(() => this.requests.addPartitions(this.open, places));
  }

  addOffsets(group: string): Promise<void> {
    return this.patiently(() => this.requests.addOffsets(this.open, group));
  }

  produce(place: TopicPartition, sequence: number, ...values: string[]): Promise<void> {
    const records = values.map((value) => ({
      key: Buffer.from('k'),
      value: Buffer.from(value),
      headers: null,
      timestampMs: RECORD_TIME_MS,
    }));
    return this.requests.produce(this.open, [{ ...place, sequence, records }]);
  }

  commitOffset(group: string, place: TopicPartition, offset: number, metadata = ''): Promise<void> {
    return this.patiently(() => this.requests.commitOffset(this.open, group, { ...place, offset, metadata }));
  }

  end(commit: boolean): Promise<void> {
    return this.patiently(() => this.requests.end(this.open, commit));
  }

  /** A whole transaction with one batch. */
  async write(place: TopicPartition, sequence: number, values: readonly string[], commit = true): Promise<void> {
    await this.add(place);
    await this.produce(place, sequence, ...values);
    await this.end(commit);
  }

  private async patiently<T>(request: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await request();
      } catch (thrown) {
        if (codeOf(thrown) !== 'FS_KAFKA_BUSY' || tries > 400) throw thrown;
        await this.backend.wait(25);
      }
    }
  }
}

function codeOf(thrown: unknown): ErrorCode | null {
  return thrown instanceof FraudstreamError ? thrown.code : null;
}

/** The code that a request is refused with, or 'ok'. */
export async function outcomeOf(request: Promise<unknown>): Promise<ErrorCode | 'ok'> {
  try {
    await request;
    return 'ok';
  } catch (thrown) {
    const code = codeOf(thrown);
    if (code === null) throw thrown;
    return code;
  }
}
