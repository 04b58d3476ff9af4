import type { CommittedOffset } from '../../src/transport/ledger.ts';
import { ModelKafkaError } from './model-kafka-errors.ts';
import { ProducerStates } from './model-kafka-producers.ts';

/**
 * The committed offsets of one group, and the partition of __consumer_offsets that holds them. After Kafka's
 * OffsetMetadataManager.java: what a transaction commits is pending, by producer id, until its marker reaches this partition.
 */

interface Stored extends CommittedOffset {
  /** where its record stands in the offsets partition */
  readonly at: number;
  readonly committedMs: number;
}

export interface OffsetToStore {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;

export class GroupOffsetsModel {
  readonly producers = new ProducerStates();
  private readonly stored = new Map<string, Stored>();
  private readonly pending = new Map<number, Map<string, Stored>>();
  /** every change, oldest first, so that a lost suffix can be taken back */
  private readonly history: { readonly key: string; readonly before: Stored | undefined }[] = [];
  private next = 0;

  /** OffsetFetch without `require_stable`: pending offsets are not seen, nor is it said that there are any. */
  read(topic: string, partition: number): CommittedOffset | null {
    const stored = this.stored.get(keyOf(topic, partition));
    return stored === undefined ? null : { offset: stored.offset, metadata: stored.metadata };
  }

  /** For the oracle: what this producer's transaction will store when its marker comes. */
  pendingOf(producerId: number, topic: string, partition: number): CommittedOffset | null {
    return this.pending.get(producerId)?.get(keyOf(topic, partition)) ?? null;
  }

  /** What a non-transactional OffsetCommit stores. */
  store({ topic, partition, offset, metadata }: OffsetToStore, nowMs: number): void {
    this.put(keyOf(topic, partition), { offset, metadata, at: this.next++, committedMs: nowMs });
  }

  /** Throws INVALID_PRODUCER_EPOCH. The coordinator of transactions has been asked before. */
  storePending(producerId: number, epoch: number, position: OffsetToStore, nowMs: number): void {
    this.producers.append({ producerId, epoch, sequence: -1, count: 1, transactional: true }, this.next);
    let pending = this.pending.get(producerId);
    if (pending === undefined) this.pending.set(producerId, (pending = new Map<string, Stored>()));
    const { topic, partition, offset, metadata } = position;
    pending.set(keyOf(topic, partition), { offset, metadata, at: this.next++, committedMs: nowMs });
  }

  /** Throws INVALID_PRODUCER_EPOCH. */
  appendMarker(producerId: number, epoch: number, commit: boolean): void {
    this.producers.end(producerId, epoch);
    this.next++;
    const pending = this.pending.get(producerId);
    this.pending.delete(producerId);
    if (pending === undefined || !commit) return;
    for (const [key, offset] of pending) {
      // The later record wins: an operator's reset is not undone by a transaction that stored its offset before.
      if (offset.at > (this.stored.get(key)?.at ?? -1)) this.put(key, offset);
    }
  }

  /** A tombstone: what is pending goes too. */
  remove(topic: string, partition: number): void {
    const key = keyOf(topic, partition);
    this.put(key, undefined);
    for (const pending of this.pending.values()) pending.delete(key);
  }

  removeTopic(topic: string, partitions: number): void {
    for (let partition = 0; partition < partitions; partition++) this.remove(topic, partition);
  }

  removeAll(): void {
    for (const key of [...this.stored.keys()]) this.put(key, undefined);
    for (const pending of this.pending.values()) pending.clear();
  }

  /** `offsets.retention.minutes` for a group without members: from each commit on; not while another is pending. */
  expire(committedBeforeMs: number): void {
    for (const [key, { committedMs }] of this.stored) {
      const waits = [...this.pending.values()].some((pending) => pending.has(key));
      if (committedMs < committedBeforeMs && !waits) this.put(key, undefined);
    }
  }

  /** The offsets partition loses its last changes (an unclean election): the group is back where it was. */
  lose(changes: number): void {
    for (let i = 0; i < changes; i++) {
      const change = this.history.pop();
      if (change === undefined) return;
      if (change.before === undefined) this.stored.delete(change.key);
      else this.stored.set(change.key, change.before);
    }
  }

  private put(key: string, value: Stored | undefined): void {
    this.history.push({ key, before: this.stored.get(key) });
    if (value === undefined) this.stored.delete(key);
    else this.stored.set(key, value);
  }
}

export function refuseNonEmpty(group: string): never {
  throw new ModelKafkaError('NON_EMPTY_GROUP', `group ${group} has members`);
}
