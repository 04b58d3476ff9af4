import {
  TransactionalProducer,
  type TransactionalProducerOptions,
} from '../../../src/delivery/transactional-producer.ts';
import { FraudstreamError, type ErrorCode } from '../../../src/domain/errors.ts';
import type {
  ProduceBatch,
  ProducerIdentity,
  Transaction,
  TransactionRequests,
} from '../../../src/transport/transactions.ts';
import { ManualClock } from '../../support/pipeline-engine.ts';

export type RequestName = 'init' | 'addPartitions' | 'addOffsets' | 'produce' | 'commitOffset' | 'end';

/** Answers as scripted, and keeps what it was asked. */
export class ScriptedRequests implements TransactionRequests {
  /** beginnings and ends of requests, in order */
  readonly events: string[] = [];
  readonly identities: ProducerIdentity[] = [];
  readonly batches: (readonly ProduceBatch[])[] = [];
  readonly arguments: unknown[][] = [];
  /** the next answers of `isSteady`; true behind them */
  readonly steady: boolean[] = [];
  private readonly script = new Map<RequestName, (Error | Promise<void>)[]>();

  /** The next requests of this name fail with these, or wait for these. */
  answer(name: RequestName, ...answers: (ErrorCode | Error | Promise<void>)[]): void {
    const made = answers.map((one) => (typeof one === 'string' ? new FraudstreamError(one, name) : one));
    this.script.set(name, [...(this.script.get(name) ?? []), ...made]);
  }

  async init(...args: [string, number]): Promise<ProducerIdentity> {
    await this.ask('init', args);
    const identity = { producerId: 9n, epoch: this.identities.length };
    this.identities.push(identity);
    return identity;
  }

  addPartitions(...args: Parameters<TransactionRequests['addPartitions']>): Promise<void> {
    return this.ask('addPartitions', args);
  }

  addOffsets(...args: [Transaction, string]): Promise<void> {
    return this.ask('addOffsets', args);
  }

  produce(...args: [Transaction, readonly ProduceBatch[]]): Promise<void> {
    this.batches.push(args[1]);
    return this.ask('produce', args);
  }

  commitOffset(...args: Parameters<TransactionRequests['commitOffset']>): Promise<void> {
    return this.ask('commitOffset', args);
  }

  end(...args: [Transaction, boolean]): Promise<void> {
    return this.ask('end', args);
  }

  isSteady(): boolean {
    return this.steady.shift() ?? true;
  }

  private async ask(name: RequestName, args: unknown[]): Promise<void> {
    this.events.push(name);
    this.arguments.push([name, ...args]);
    const answer = this.script.get(name)?.shift();
    if (answer instanceof Error) throw answer;
    await answer;
    this.events.push(`${name} done`);
  }
}

export interface ProducerDesk {
  readonly producer: TransactionalProducer;
  readonly requests: ScriptedRequests;
  readonly clock: ManualClock;
  readonly pauses: number[];
}

export function producerDesk(options: Partial<TransactionalProducerOptions> = {}): ProducerDesk {
  const requests = new ScriptedRequests();
  const clock = new ManualClock();
  const pauses: number[] = [];
  const pause = (ms: number): Promise<void> => {
    pauses.push(ms);
    if (pauses.length > 10_000) throw new Error('waits for ever');
    clock.advance(ms);
    return Promise.resolve();
  };
  const producer = new TransactionalProducer(
    { requests, clock, pause },
    {
      transactionalId: 'app-transactions-0',
      group: 'app.ledger',
      transactionTimeoutMs: 10_000,
      batchBytesMax: 1_000,
      fenceTimeoutMs: 60_000,
      ...options,
    },
  );
  return { producer, requests, clock, pauses };
}
