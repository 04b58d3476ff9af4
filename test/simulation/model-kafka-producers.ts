import { ModelKafkaError } from './model-kafka-errors.ts';

/**
 * What a partition's leader knows of the producers that write to it. After Kafka's ProducerAppendInfo.java,
 * ProducerStateEntry.java and VerificationStateEntry.java.
 */

/** ProducerStateEntry.NUM_BATCHES_TO_RETAIN */
const BATCHES_RETAINED = 5;
const NO_EPOCH = -1;
const NO_SEQUENCE = -1;
const SEQUENCE_LAST = 2_147_483_647;

interface Retained {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
}

interface ProducerEntry {
  epoch: number;
  /** the last five of this epoch. A marker of the same epoch keeps them: hence a batch of the next transaction can be taken for one of them */
  retained: Retained[];
  /** first offset of its open transaction here; −1 = none */
  openFrom: number;
}

/** Of a producer that has no open transaction here, while its first batch waits to be appended. */
interface Verification {
  epoch: number;
  lowestSequence: number;
}

export interface ProducerBatch {
  readonly producerId: number;
  readonly epoch: number;
  /** of the first record; −1 for offsets, which have none */
  readonly sequence: number;
  readonly count: number;
  readonly transactional: boolean;
}

export class ProducerStates {
  private readonly entries = new Map<number, ProducerEntry>();
  private readonly verifications = new Map<number, Verification>();

  hasOpen(producerId: number): boolean {
    return (this.entries.get(producerId)?.openFrom ?? -1) >= 0;
  }

  /** Smallest first offset of an open transaction, or −1. */
  firstOpen(): number {
    let first = -1;
    for (const { openFrom } of this.entries.values()) {
      if (openFrom >= 0 && (first < 0 || openFrom < first)) first = openFrom;
    }
    return first;
  }

  /** UnifiedLog.maybeStartTransactionVerification: to be called before the coordinator is asked. */
  startVerification({ producerId, epoch, sequence }: ProducerBatch): void {
    const found = this.verifications.get(producerId);
    if (found === undefined) this.verifications.set(producerId, { epoch, lowestSequence: sequence });
    else if (epoch > found.epoch) {
      found.epoch = epoch;
      found.lowestSequence = sequence;
    } else if (epoch === found.epoch && sequence < found.lowestSequence) found.lowestSequence = sequence;
  }

  /** The offset of a batch with this epoch, first and last sequence among the last five, or −1 (ProducerStateEntry.findDuplicateBatch). */
  duplicate({ producerId, epoch, sequence, count }: ProducerBatch): number {
    const entry = this.entries.get(producerId);
    if (entry === undefined || entry.epoch !== epoch) return -1;
    const last = lastSequenceOf(sequence, count);
    const found = entry.retained.find((one) => one.firstSequence === sequence && one.lastSequence === last);
    return found === undefined ? -1 : found.baseOffset;
  }

  /** Checks and takes note (ProducerAppendInfo.appendDataBatch). Throws without effect. */
  append(batch: ProducerBatch, baseOffset: number): void {
    const { producerId, transactional } = batch;
    const entry = this.entries.get(producerId);
    if (entry !== undefined) this.check(batch, entry);
    else this.checkVerified(batch);
    if (entry !== undefined && entry.openFrom >= 0 && !transactional) {
      throw new ModelKafkaError('INVALID_TXN_STATE', `producer ${producerId} has a transaction open`);
    }
    this.restore(batch, baseOffset);
  }

  /** Takes note of a batch that the log holds already: what was before it may be gone. */
  restore(batch: ProducerBatch, baseOffset: number): void {
    const { producerId, epoch, sequence, count, transactional } = batch;
    const entry = this.entries.get(producerId);
    const kept = entry ?? { epoch, retained: [], openFrom: -1 };
    if (entry === undefined) this.entries.set(producerId, kept);
    this.enter(kept, epoch);
    if (sequence >= 0) {
      if (kept.retained.length === BATCHES_RETAINED) kept.retained.shift();
      kept.retained.push({ firstSequence: sequence, lastSequence: lastSequenceOf(sequence, count), baseOffset });
    }
    if (transactional) {
      if (kept.openFrom < 0) kept.openFrom = baseOffset;
      this.verifications.delete(producerId);
    }
  }

  /**
   * An end marker (ProducerAppendInfo.appendEndTxnMarker). @returns the first offset of the transaction that it ends
   * here, or −1 when that wrote nothing. Throws INVALID_PRODUCER_EPOCH.
   */
  end(producerId: number, epoch: number): number {
    const entry = this.entries.get(producerId);
    if (entry !== undefined) checkEpoch(producerId, epoch, entry.epoch);
    const kept = entry ?? { epoch, retained: [], openFrom: -1 };
    if (entry === undefined) this.entries.set(producerId, kept);
    const { openFrom } = kept;
    this.enter(kept, epoch);
    kept.openFrom = -1;
    this.verifications.delete(producerId);
    return openFrom;
  }

  /** Forgets all of them, as after `producer.id.expiration.ms`; those with an open transaction stay. */
  expire(): void {
    for (const [producerId, { openFrom }] of this.entries) if (openFrom < 0) this.entries.delete(producerId);
  }

  clear(): void {
    this.entries.clear();
  }

  private enter(entry: ProducerEntry, epoch: number): void {
    if (entry.epoch === epoch) return;
    entry.epoch = epoch;
    entry.retained = [];
  }

  private check(batch: ProducerBatch, entry: ProducerEntry): void {
    const { producerId, epoch, sequence } = batch;
    checkEpoch(producerId, epoch, entry.epoch);
    if (sequence < 0) return;
    this.checkVerified(batch);
    if (epoch !== entry.epoch) {
      if (sequence !== 0 && entry.epoch !== NO_EPOCH) throw outOfOrder(producerId, sequence, NO_SEQUENCE);
      return;
    }
    const last = entry.retained.at(-1)?.lastSequence ?? NO_SEQUENCE;
    if (sequence !== last + 1 && !(sequence === 0 && last === SEQUENCE_LAST)) {
      throw outOfOrder(producerId, sequence, last);
    }
  }

  private checkVerified({ producerId, sequence, transactional }: ProducerBatch): void {
    const verification = this.verifications.get(producerId);
    if (transactional && sequence >= 0 && verification !== undefined && sequence > verification.lowestSequence) {
      throw outOfOrder(producerId, sequence, verification.lowestSequence - 1);
    }
  }
}

function lastSequenceOf(sequence: number, count: number): number {
  const last = sequence + count - 1;
  return last > SEQUENCE_LAST ? last - SEQUENCE_LAST - 1 : last;
}

function checkEpoch(producerId: number, epoch: number, known: number): void {
  if (epoch >= known) return;
  const detail = `epoch ${epoch} of producer ${producerId} is older than ${known}`;
  throw new ModelKafkaError('INVALID_PRODUCER_EPOCH', detail);
}

function outOfOrder(producerId: number, sequence: number, last: number): ModelKafkaError {
  const detail = `sequence ${sequence} of producer ${producerId} does not follow ${last}`;
  return new ModelKafkaError('OUT_OF_ORDER_SEQUENCE_NUMBER', detail);
}
