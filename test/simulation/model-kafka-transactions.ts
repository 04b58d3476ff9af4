import { ModelKafkaError } from './model-kafka-errors.ts';
import type { ModelTime } from './model-kafka-time.ts';

/**
 * The transaction coordinator as a client of the old protocol sees it (InitProducerId v1, AddPartitionsToTxn v1, EndTxn
 * v1). After Kafka's TransactionCoordinator.scala, TransactionMetadata.scala, TransactionMarkerChannelManager.scala.
 */

export type TransactionState =
  'empty' | 'ongoing' | 'prepare-commit' | 'prepare-abort' | 'complete-commit' | 'complete-abort';

interface TransactionalId {
  producerId: number;
  epoch: number;
  timeoutMs: number;
  state: TransactionState;
  /** keys of partitions, of topics or of offsets */
  readonly partitions: Set<string>;
  startedMs: number;
  /** where the marker of a commit was never written, until another marker of this id is */
  readonly forgotten: Set<string>;
}

export interface MarkerTarget {
  /** Throws INVALID_PRODUCER_EPOCH (the marker is given up), or NOT_LEADER_OR_FOLLOWER (it is tried again). False: no such partition. */
  write(key: string, producerId: number, epoch: number, commit: boolean): boolean;
  /** ms from the answer of EndTxn until the marker reaches this partition */
  delayMs(key: string): number;
}

/** Short.MaxValue − 1: TransactionMetadata.isEpochExhausted */
const EPOCH_LAST = 32_766;
/** transaction.abort.timed.out.transaction.cleanup.interval.ms */
const SCAN_INTERVAL_MS = 10_000;
/** transaction.max.timeout.ms */
const TIMEOUT_MS_MAX = 900_000;
const MARKER_RETRY_MS = 100;

export class TransactionCoordinatorModel {
  /** of the broker that coordinates: another one answers over other connections */
  incarnation = 0;
  private isAvailable = true;
  /**
   * True for a partition without a leader, which a coordinator of 4.x takes for deleted: its marker is never written, and the
   * transaction is completed all the same (KAFKA-20734). So it goes when a single broker is killed and comes back.
   */
  forgets: (key: string) => boolean = () => false;
  private readonly ids = new Map<string, TransactionalId>();
  private readonly time: ModelTime;
  private readonly target: MarkerTarget;
  private readonly startedMs: number;
  private nextProducerId = 1_000;

  constructor(time: ModelTime, target: MarkerTarget) {
    this.time = time;
    this.target = target;
    this.startedMs = time.nowMs();
  }

  /** false: answers NOT_COORDINATOR, as while it is elected or loads. The broker that was it is gone, and its connections with it. */
  set available(available: boolean) {
    if (this.isAvailable && !available) this.incarnation++;
    this.isAvailable = available;
  }

  get available(): boolean {
    return this.isAvailable;
  }

  newProducerId(): number {
    return this.nextProducerId++;
  }

  init(id: string, timeoutMs: number): { producerId: number; epoch: number } {
    this.checkAvailable();
    if (!(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) {
      throw new ModelKafkaError('INVALID_TRANSACTION_TIMEOUT', `timeout of ${timeoutMs} ms`);
    }
    let found = this.ids.get(id);
    if (found === undefined) {
      const producerId = this.newProducerId();
      found = {
        producerId,
        epoch: -1,
        timeoutMs,
        state: 'empty',
        partitions: new Set(),
        startedMs: -1,
        forgotten: new Set(),
      };
      this.ids.set(id, found);
    }
    switch (found.state) {
      case 'prepare-commit':
      case 'prepare-abort':
        throw busy(id);
      case 'ongoing':
        this.abortByCoordinator(found);
        throw busy(id);
      case 'empty':
      case 'complete-commit':
      case 'complete-abort':
        if (found.epoch >= EPOCH_LAST) {
          found.producerId = this.newProducerId();
          found.epoch = 0;
        } else found.epoch++;
        found.state = 'empty';
        found.timeoutMs = timeoutMs;
        return { producerId: found.producerId, epoch: found.epoch };
    }
  }

  /** AddPartitionsToTxn, and AddOffsetsToTxn with the partition of the group's offsets. */
  add(id: string, producerId: number, epoch: number, keys: readonly string[]): void {
    const found = this.check(id, producerId, epoch);
    if (found.state === 'prepare-commit' || found.state === 'prepare-abort') throw busy(id);
    for (const key of keys) found.partitions.add(key);
    if (found.state === 'ongoing') return;
    found.state = 'ongoing';
    found.startedMs = this.time.nowMs();
    this.watch(found, epoch);
  }

  /**
   * What the leader of a partition asks before the first batch of a transaction (handleVerifyPartitionsInTransaction),
   * with the answers turned into what a producer gets (AddPartitionsToTxnManager, ReplicaManager.handleProduceAppend).
   */
  verify(id: string, producerId: number, epoch: number, key: string): void {
    if (!this.available) throw new ModelKafkaError('NOT_ENOUGH_REPLICAS', 'the transaction cannot be verified');
    const found = this.ids.get(id);
    if (found === undefined || found.producerId !== producerId) throw unknown(id, producerId);
    if (found.epoch !== epoch) throw fenced(id, epoch, found.epoch);
    if (found.state === 'prepare-commit' || found.state === 'prepare-abort') {
      throw new ModelKafkaError('NOT_ENOUGH_REPLICAS', `the transaction of ${id} is being completed`);
    }
    if (!found.partitions.has(key)) {
      throw new ModelKafkaError('INVALID_TXN_STATE', `${key} was not added to the transaction of ${id}`);
    }
  }

  end(id: string, producerId: number, epoch: number, commit: boolean): void {
    const found = this.check(id, producerId, epoch);
    switch (found.state) {
      case 'ongoing':
        this.prepare(found, commit);
        return;
      case 'prepare-commit':
      case 'prepare-abort':
        // The completion is pending, which is looked at before the state is.
        throw busy(id);
      case 'complete-commit':
      case 'complete-abort':
        if ((found.state === 'complete-commit') === commit) return;
        throw wrongState(id, found.state);
      case 'empty':
        throw wrongState(id, found.state);
    }
  }

  stateOf(id: string): { state: TransactionState; producerId: number; epoch: number; open: readonly string[] } | null {
    const found = this.ids.get(id);
    if (found === undefined) return null;
    const { state, producerId, epoch, partitions } = found;
    return { state, producerId, epoch, open: [...partitions] };
  }

  /** Whether what this transaction committed here waits for a marker that nobody will write. */
  hasForgotten(id: string, key: string): boolean {
    return this.ids.get(id)?.forgotten.has(key) === true;
  }

  /** As after `transactional.id.expiration.ms` without a transaction. */
  expire(id: string): void {
    const state = this.ids.get(id)?.state;
    if (state === 'empty' || state === 'complete-commit' || state === 'complete-abort') this.ids.delete(id);
  }

  private check(id: string, producerId: number, epoch: number): TransactionalId {
    this.checkAvailable();
    const found = this.ids.get(id);
    if (found === undefined || found.producerId !== producerId) throw unknown(id, producerId);
    if (found.epoch !== epoch) throw fenced(id, epoch, found.epoch);
    return found;
  }

  private checkAvailable(): void {
    if (!this.isAvailable) throw new ModelKafkaError('NOT_COORDINATOR', 'the transaction coordinator is not ready');
  }

  /** prepareFenceProducerEpoch: the markers carry the raised epoch, which no client has. */
  private abortByCoordinator(found: TransactionalId): void {
    found.epoch++;
    this.prepare(found, false);
  }

  /** What is written to the transaction log decides; the answer goes out now, the markers follow. */
  private prepare(found: TransactionalId, commit: boolean): void {
    found.state = commit ? 'prepare-commit' : 'prepare-abort';
    const { producerId, epoch } = found;
    const complete = (): void => {
      if (found.partitions.size === 0) found.state = commit ? 'complete-commit' : 'complete-abort';
    };
    const send = (key: string, delayMs: number): void => {
      this.time.schedule(delayMs, () => {
        if (this.forgets(key)) {
          if (commit) found.forgotten.add(key);
          found.partitions.delete(key);
          complete();
          return;
        }
        try {
          this.target.write(key, producerId, epoch, commit);
          found.forgotten.delete(key);
        } catch (thrown) {
          if (thrown instanceof ModelKafkaError && thrown.broker === 'NOT_LEADER_OR_FOLLOWER') {
            send(key, MARKER_RETRY_MS);
            return;
          }
          if (!(thrown instanceof ModelKafkaError)) throw thrown;
        }
        found.partitions.delete(key);
        complete();
      });
    };
    for (const key of [...found.partitions]) send(key, this.target.delayMs(key));
    complete();
  }

  /** timedOutTransactions, abortTimedOutTransactions: looked for every 10 s only. */
  private watch(found: TransactionalId, epoch: number): void {
    const { startedMs } = found;
    const sinceStartMs = startedMs + found.timeoutMs + 1 - this.startedMs;
    const scanMs = this.startedMs + Math.ceil(sinceStartMs / SCAN_INTERVAL_MS) * SCAN_INTERVAL_MS;
    this.time.schedule(scanMs - this.time.nowMs(), () => {
      const same = found.state === 'ongoing' && found.epoch === epoch && found.startedMs === startedMs;
      if (same) this.abortByCoordinator(found);
    });
  }
}

const busy = (id: string): ModelKafkaError =>
  new ModelKafkaError('CONCURRENT_TRANSACTIONS', `a transaction of ${id} is being completed`);

const unknown = (id: string, producerId: number): ModelKafkaError =>
  new ModelKafkaError('INVALID_PRODUCER_ID_MAPPING', `producer ${producerId} is not that of ${id}`);

/** PRODUCER_FENCED, which clients of the old protocol get as this (KafkaApis). */
const fenced = (id: string, epoch: number, now: number): ModelKafkaError =>
  new ModelKafkaError('INVALID_PRODUCER_EPOCH', `epoch ${epoch} of ${id} is not ${now}`);

const wrongState = (id: string, state: string): ModelKafkaError =>
  new ModelKafkaError('INVALID_TXN_STATE', `no transaction of ${id} is open (${state})`);
