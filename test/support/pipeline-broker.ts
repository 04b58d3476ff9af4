import { DEAD_LETTER_HEADERS } from '../../src/codec/dead-letter.ts';
import type { TransactionalProducerOptions } from '../../src/delivery/transactional-producer.ts';
import { FraudstreamError } from '../../src/domain/errors.ts';
import type { CommittedOffset, Ledger } from '../../src/transport/ledger.ts';
import { MemorySink } from '../../src/transport/memory/memory-sink.ts';
import type { OutputLog, OutputTail } from '../../src/transport/output-log.ts';
import type { OutputRecord, OutputStream } from '../../src/transport/record.ts';
import type {
  OffsetToCommit,
  ProduceBatch,
  ProducerIdentity,
  Transaction,
  TransactionRequests,
} from '../../src/transport/transactions.ts';
import { decisionOf } from './pipeline-engine.ts';

export type BrokerCall = 'init' | 'addPartitions' | 'addOffsets' | 'produce' | 'commitOffset' | 'end';
/** `before`: refused, nothing done; `after`: done, but not answered; `never`: neither done nor answered. */
type BrokerFault = 'before' | 'after' | 'never';

export const PRODUCER_OPTIONS: TransactionalProducerOptions = {
  transactionalId: 'app-transactions-0',
  group: 'app.ledger',
  transactionTimeoutMs: 10_000,
  batchBytesMax: 900_000,
  fenceTimeoutMs: 60_000,
};

interface Open {
  readonly partitions: Set<string>;
  readonly groups: Set<string>;
  readonly records: OutputRecord[];
  position: OffsetToCommit | null;
}

/**
 * What the output topics and the ledger of one input partition are to its worker: one transactional id, whose transactions
 * become visible when they end. Strict where a broker is: another epoch, a partition that was not added, a sequence that
 * does not follow are refused. Faults are scripted.
 */
export class ScriptedBroker implements TransactionRequests, Ledger, OutputLog {
  /** every request, in order */
  readonly calls: BrokerCall[] = [];
  /** what a read-committed reader sees */
  readonly sink = new MemorySink();
  /** every offset that was committed, in order */
  readonly commits: number[] = [];
  committed: CommittedOffset | null = null;
  /** how transactions were ended: true = committed */
  readonly ends: boolean[] = [];
  /** of a transaction that was ended, and whose end nobody wrote down: the next one that ends takes it along */
  private hanging: Open | null = null;
  private forgets = false;
  private steady = false;
  private epoch = -1;
  private open: Open | null = null;
  private sequences = new Map<string, number>();
  private readonly faults: { call: BrokerCall; fault: BrokerFault; error: Error }[] = [];
  private gate: { call: BrokerCall; promise: Promise<void>; open: () => void } | null = null;

  /** The next request of this name meets this. */
  fail(
    call: BrokerCall,
    fault: BrokerFault,
    error: Error = new FraudstreamError('FS_KAFKA_UNAVAILABLE', 'away'),
  ): void {
    this.faults.push({ call, fault, error });
  }

  /** Requests of this name wait until `release`. */
  hold(call: BrokerCall): void {
    let open = (): void => {};
    const promise = new Promise<void>((resolve) => (open = resolve));
    this.gate = { call, promise, open };
  }

  release(): void {
    this.gate?.open();
    this.gate = null;
  }

  /** The next commit is acknowledged, and nobody sees it: the coordinator takes it for completed without its markers. */
  forgetMarkers(): void {
    this.forgets = true;
  }

  /** The brokers are killed and come back. */
  breakConnections(): void {
    this.steady = false;
  }

  isSteady(): boolean {
    return this.steady;
  }

  count(call: BrokerCall): number {
    return this.calls.filter((one) => one === call).length;
  }

  init(): Promise<ProducerIdentity> {
    return this.call('init', () => {
      this.open = null;
      this.sequences = new Map();
      this.steady = true;
      return { producerId: 7n, epoch: ++this.epoch };
    });
  }

  addPartitions(transaction: Transaction, partitions: readonly { topic: string; partition: number }[]): Promise<void> {
    return this.call('addPartitions', () => {
      const { partitions: added } = this.opened(transaction);
      for (const { topic, partition } of partitions) added.add(`${topic}/${partition}`);
    });
  }

  addOffsets(transaction: Transaction, group: string): Promise<void> {
    return this.call('addOffsets', () => void this.opened(transaction).groups.add(group));
  }

  produce(transaction: Transaction, batches: readonly ProduceBatch[]): Promise<void> {
    return this.call('produce', () => {
      const { partitions, records } = this.opened(transaction);
      for (const { topic, partition, sequence, records: produced } of batches) {
        const name = `${topic}/${partition}`;
        if (!partitions.has(name)) throw new Error(`${name} is not in the transaction`);
        const next = this.sequences.get(name) ?? 0;
        if (sequence !== next) throw new Error(`sequence ${sequence} of ${name}, ${next} comes next`);
        this.sequences.set(name, next + produced.length);
        records.push(...produced.map((one) => ({ ...one, stream: topic as OutputStream, partition })));
      }
    });
  }

  commitOffset(transaction: Transaction, group: string, position: OffsetToCommit): Promise<void> {
    return this.call('commitOffset', () => {
      const open = this.opened(transaction);
      if (!open.groups.has(group)) throw new Error(`${group} is not in the transaction`);
      open.position = position;
    });
  }

  end(transaction: Transaction, commit: boolean): Promise<void> {
    return this.call('end', async () => {
      const ended = this.opened(transaction);
      this.open = null;
      this.steady = true;
      this.ends.push(commit);
      if (commit && this.forgets) {
        this.forgets = false;
        this.hanging = ended;
        return;
      }
      const records = [...(this.hanging?.records ?? []), ...ended.records];
      const position = ended.position ?? this.hanging?.position ?? null;
      this.hanging = null;
      if (!commit) return;
      if (records.length > 0) await this.sink.write(records);
      if (position === null) return;
      this.committed = { offset: position.offset, metadata: position.metadata };
      this.commits.push(position.offset);
    });
  }

  read(): Promise<CommittedOffset | null> {
    return Promise.resolve(this.committed);
  }

  tail(): Promise<OutputTail> {
    const decisions = this.sink.of('decisions').map((one) => decisionOf(one).input_offset);
    const letters = this.sink.of('dead-letter').map((one) => Number(String(one.headers![DEAD_LETTER_HEADERS.offset])));
    return Promise.resolve({
      lastDecision: decisions.at(-1) ?? null,
      lastDeadLetter: letters.length === 0 ? null : Math.max(...letters),
      lastFlagged: null,
      firstOpen: null,
      untouched: decisions.length === 0,
    });
  }

  private opened({ identity }: Transaction): Open {
    if (identity.epoch !== this.epoch) throw new FraudstreamError('FS_KAFKA_FENCED', `epoch ${identity.epoch}`);
    return (this.open ??= { partitions: new Set(), groups: new Set(), records: [], position: null });
  }

  private async call<T>(call: BrokerCall, work: () => T | Promise<T>): Promise<T> {
    this.calls.push(call);
    const at = this.faults.findIndex((one) => one.call === call);
    const fault = at < 0 ? null : this.faults.splice(at, 1)[0]!;
    if (fault?.fault === 'never') return new Promise(() => undefined);
    if (this.gate?.call === call) await this.gate.promise;
    if (fault?.fault === 'before') throw fault.error;
    const answer = await work();
    if (fault) throw fault.error;
    return answer;
  }
}
