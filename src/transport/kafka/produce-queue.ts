import { FraudstreamError } from '../../domain/errors.ts';
import type { RecordHeaders } from '../record.ts';
import { encodeBatch, recordBytesMax, sealBatch, type Compressor, type EncodedBatch } from './record-batch-encode.ts';

/** What waits to be produced to one partition, in order, with the producer identity and sequence that it has there. */

export interface ProducerRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders | null;
  /** ms; below 0: now */
  readonly timestampMs: number;
}

/** One call of `send`: it settles when all its batches have. */
export interface Write {
  left: number;
  failed: boolean;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: FraudstreamError) => void;
}

export interface Pending {
  readonly records: readonly ProducerRecord[];
  readonly encoded: EncodedBatch;
  readonly write: Write;
  /** sequence under which it was first sent, or −1 */
  sequence: number;
  /** some try ended without an answer: the batch may be in the log */
  unknown: boolean;
  lastError: FraudstreamError | null;
}

/** A producer id is good for one partition's order: a partition whose batch has an unknown end gets a new one. */
export interface Identity {
  readonly producerId: bigint;
  readonly epoch: number;
}

/** Sequences wrap at 2^31 in a way that brokers and clients see differently: a new identity comes long before. */
const SEQUENCE_MAX = 2 ** 30;

export class ProduceQueue {
  readonly topic: string;
  readonly partition: number;
  readonly pending: Pending[] = [];
  inFlight = false;
  attempts = 0;
  notBeforeMs = 0;
  identity: Identity | null = null;
  private nextSequence = 0;
  private lastProducerId = -1n;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  /** Splits records by size and encodes them at once, so that their buffers are free for reuse when the write settles. */
  add(
    records: readonly ProducerRecord[],
    write: Write,
    options: { bytesMax: number; nowMs: number; codec: number; compress: Compressor | null },
  ): void {
    let from = 0;
    let bytes = 0;
    for (let i = 0; i <= records.length; i++) {
      const size = i < records.length ? recordBytesMax(records[i] as ProducerRecord) : 0;
      if (i === records.length || (bytes + size > options.bytesMax && i > from)) {
        const part = from === 0 && i === records.length ? records : records.slice(from, i);
        if (part.length > 0) this.pending.push(this.encode(part, write, options));
        from = i;
        bytes = 0;
      }
      bytes += size;
    }
  }

  private encode(
    records: readonly ProducerRecord[],
    write: Write,
    options: { nowMs: number; codec: number; compress: Compressor | null },
  ): Pending {
    write.left++;
    const encoded = encodeBatch(records, options.nowMs, options.codec, options.compress);
    return { records, encoded, write, sequence: -1, unknown: false, lastError: null };
  }

  /** The first batch, ready to be sent. It keeps its sequence when it is sent again, which is what makes a retry safe. */
  seal(): Pending {
    const first = this.pending[0] as Pending;
    const identity = this.identity as Identity;
    if (first.sequence < 0) {
      first.sequence = this.nextSequence;
      sealBatch(first.encoded.bytes, identity.producerId, identity.epoch, first.sequence);
    }
    return first;
  }

  get wantsIdentity(): boolean {
    return this.identity === null || this.nextSequence > SEQUENCE_MAX;
  }

  /**
   * Begins at sequence 0 under a new id. False when it is the id that this partition had: under that one, the broker
   * could take what comes for a copy of what was. What waits with an unknown end may then be written twice, never lost.
   */
  renew(identity: Identity): boolean {
    if (identity.producerId === this.lastProducerId) return false;
    this.identity = identity;
    this.lastProducerId = identity.producerId;
    this.nextSequence = 0;
    for (const pending of this.pending) pending.sequence = -1;
    return true;
  }

  /** The first batch is in the log. */
  succeeded(): void {
    const first = this.pending.shift() as Pending;
    this.attempts = 0;
    this.nextSequence = first.sequence + first.records.length;
    const { write } = first;
    if (--write.left === 0 && !write.failed) write.resolve();
  }

  /** Gives up the first batch, and with it the rest of its write, whose order would be broken. */
  fail(error: FraudstreamError): void {
    const first = this.pending[0] as Pending;
    const { write } = first;
    this.attempts = 0;
    // What may be in the log has used its sequence numbers, or not: nobody knows.
    if (first.unknown) this.identity = null;
    const kept = this.pending.filter((pending) => pending.write !== write);
    write.left -= this.pending.length - kept.length;
    this.pending.splice(0, this.pending.length, ...kept);
    if (!write.failed) {
      write.failed = true;
      write.reject(error);
    }
  }

  /** Gives up what waits at the front beyond its deadline, or for a write that has failed. */
  expire(nowMs: number, deliveryTimeoutMs: number): void {
    for (;;) {
      const first = this.pending[0];
      if (first === undefined || (!first.write.failed && nowMs <= first.write.deadlineMs)) return;
      const { topic, partition } = this;
      const last = first.lastError;
      const why = last?.message ?? 'no try ended';
      const code = last?.code === 'FS_KAFKA_TOPIC_MISSING' ? last.code : 'FS_KAFKA_UNAVAILABLE';
      const detail = `${topic}/${partition} took no records within ${deliveryTimeoutMs} ms; last: ${why}`;
      this.fail(new FraudstreamError(code, detail, { topic, partition }, { cause: last }));
    }
  }

  /** The topic allows less than we thought: two halves in place of the first batch. False when it is one record. */
  split(options: { nowMs: number; codec: number; compress: Compressor | null }): boolean {
    const first = this.pending[0] as Pending;
    if (first.records.length < 2) return false;
    const middle = first.records.length >> 1;
    const halves = [first.records.slice(0, middle), first.records.slice(middle)];
    this.pending.splice(0, 1, ...halves.map((half) => this.encode(half, first.write, options)));
    first.write.left--;
    return true;
  }
}
