import { FraudstreamError } from '../../src/domain/errors.ts';
import type { KafkaTransactionRequests } from '../../src/transport/kafka/transaction-requests.ts';
import type {
  OffsetToCommit,
  ProducerIdentity,
  RecordToProduce,
  Transaction,
} from '../../src/transport/transactions.ts';
import { sleep } from '../servers/process.ts';

/** Repeats while Kafka says that an earlier transaction is still being completed. */
export function unlessBusy<T>(request: () => Promise<T>): Promise<T> {
  return repeated(request, (error) => error.code === 'FS_KAFKA_BUSY');
}

async function repeated<T>(
  request: () => Promise<T>,
  passes: (error: FraudstreamError) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof FraudstreamError) || !passes(error) || Date.now() > deadlineMs) throw error;
      await sleep(2);
    }
  }
}

export const recordOf = (value: string, key: string | null = null): RecordToProduce => ({
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from(value),
  headers: null,
  timestampMs: Date.now(),
});

/** One transactional id by hand: each step is one request, and the caller may leave out or repeat any. */
export class TransactionSteps {
  readonly requests: KafkaTransactionRequests;
  readonly transactionalId: string;
  private readonly sequences = new Map<string, number>();
  transaction: Transaction | null = null;

  constructor(requests: KafkaTransactionRequests, transactionalId: string) {
    this.requests = requests;
    this.transactionalId = transactionalId;
  }

  get now(): Transaction {
    if (this.transaction === null) throw new Error('init first');
    return this.transaction;
  }

  async init(timeoutMs = 10_000): Promise<ProducerIdentity> {
    // also while the cluster creates the topic of its coordinators
    const identity = await repeated(
      () => this.requests.init(this.transactionalId, timeoutMs),
      ({ retriable }) => retriable,
    );
    this.sequences.clear();
    this.transaction = { transactionalId: this.transactionalId, identity };
    return identity;
  }

  add(topic: string, partition = 0): Promise<void> {
    return unlessBusy(() => this.requests.addPartitions(this.now, [{ topic, partition }]));
  }

  async write(topic: string, values: readonly (string | RecordToProduce)[], partition = 0): Promise<void> {
    const place = `${topic}/${partition}`;
    const sequence = this.sequences.get(place) ?? 0;
    this.sequences.set(place, sequence + values.length);
    const records = values.map((value) => (typeof value === 'string' ? recordOf(value) : value));
    await this.requests.produce(this.now, [{ topic, partition, sequence, records }]);
  }

  /** What KafkaJS does when a batch has failed: the next one gets the same numbers. */
  rollBack(topic: string, count: number, partition = 0): void {
    const place = `${topic}/${partition}`;
    this.sequences.set(place, (this.sequences.get(place) ?? 0) - count);
  }

  async position(group: string, position: OffsetToCommit): Promise<void> {
    await unlessBusy(() => this.requests.addOffsets(this.now, group));
    await unlessBusy(() => this.requests.commitOffset(this.now, group, position));
  }

  end(commit: boolean): Promise<void> {
    return unlessBusy(() => this.requests.end(this.now, commit));
  }

  async all(
    topic: string,
    values: readonly (string | RecordToProduce)[],
    commit: boolean,
    partition = 0,
  ): Promise<void> {
    await this.add(topic, partition);
    await this.write(topic, values, partition);
    await this.end(commit);
  }
}
