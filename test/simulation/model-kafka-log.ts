import type { AbortedTransaction } from '../../src/transport/kafka/read-committed.ts';
import type { InputRecord } from '../../src/transport/record.ts';
import type { RecordToProduce } from '../../src/transport/transactions.ts';
import { ModelKafkaError } from './model-kafka-errors.ts';
import { ProducerStates, type ProducerBatch } from './model-kafka-producers.ts';

/** A record batch, or a control batch with one marker. */
export interface ModelBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** −1: not idempotent */
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly transactional: boolean;
  readonly marker: 'commit' | 'abort' | null;
  readonly records: readonly InputRecord[];
  /** what became of it: the truth that a reader must find out from markers and lists */
  fate: 'decided' | 'open' | 'aborted';
}

/** An answer to a fetch of one partition, as a broker gives it. */
export interface ModelFetch {
  readonly offset: number;
  readonly batches: readonly ModelBatch[];
  /** in the order in which they ended */
  readonly aborted: readonly AbortedTransaction[];
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
}

/** An entry of the transaction index (TransactionIndex.java, AbortedTxn.java). */
interface AbortedEntry extends AbortedTransaction {
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

/** The log of a partition at its leader. What is appended is replicated at once: the high watermark is the end. */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  readonly producers = new ProducerStates();
  start = 0;
  end = 0;
  /** false: no leader answers for it */
  available = true;
  private batches: ModelBatch[] = [];
  private aborted: AbortedEntry[] = [];

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  /** UnifiedLog.lastStableOffset, maybeIncrementFirstUnstableOffset */
  get lastStableOffset(): number {
    const open = this.producers.firstOpen();
    return open < 0 ? this.end : Math.max(open, this.start);
  }

  /** Appends, or takes the batch for a copy of an earlier one. @returns its base offset */
  append(batch: ProducerBatch | null, records: readonly RecordToProduce[]): number {
    this.checkAvailable();
    if (batch !== null) {
      const duplicate = this.producers.duplicate(batch);
      if (duplicate >= 0) return duplicate;
      this.producers.append(batch, this.end);
    }
    const baseOffset = this.end;
    const { topic, partition } = this;
    this.batches.push({
      baseOffset,
      lastOffset: baseOffset + records.length - 1,
      producerId: batch?.producerId ?? -1,
      epoch: batch?.epoch ?? -1,
      sequence: batch?.sequence ?? -1,
      transactional: batch?.transactional ?? false,
      marker: null,
      records: records.map(({ key, value, headers, timestampMs }, i) => ({
        topic,
        partition,
        offset: baseOffset + i,
        timestampMs,
        key,
        value,
        headers,
      })),
      fate: batch?.transactional === true ? 'open' : 'decided',
    });
    this.end = baseOffset + records.length;
    return baseOffset;
  }

  /** Throws INVALID_PRODUCER_EPOCH. A marker takes an offset, also when the transaction wrote nothing here. */
  appendMarker(producerId: number, epoch: number, commit: boolean): void {
    const firstOffset = this.producers.end(producerId, epoch);
    const offset = this.end++;
    if (firstOffset >= 0) this.decide(producerId, firstOffset, offset, commit);
    this.batches.push({
      baseOffset: offset,
      lastOffset: offset,
      producerId,
      epoch,
      sequence: -1,
      transactional: true,
      marker: commit ? 'commit' : 'abort',
      records: [],
      fate: 'decided',
    });
  }

  private decide(producerId: number, firstOffset: number, offset: number, commit: boolean): void {
    for (let i = this.batches.length - 1; i >= 0; i--) {
      const batch = this.batches[i] as ModelBatch;
      if (batch.lastOffset < firstOffset) break;
      if (batch.producerId === producerId && batch.fate === 'open') batch.fate = commit ? 'decided' : 'aborted';
    }
    if (commit) return;
    // In completion order, as the broker appends to its index.
    const open = this.producers.firstOpen();
    this.aborted.push({ producerId, firstOffset, lastOffset: offset, lastStableOffset: open < 0 ? offset + 1 : open });
  }

  /**
   * Whole batches, the first of which may begin before `offset`, up to about so many records. Throws OFFSET_OUT_OF_RANGE.
   */
  fetch(offset: number, readCommitted: boolean, recordsMax: number): ModelFetch {
    this.checkAvailable();
    if (offset < this.start || offset > this.end) {
      const { topic, partition, start, end } = this;
      const detail = `offset ${offset} is not within ${start} to ${end}`;
      throw new ModelKafkaError('OFFSET_OUT_OF_RANGE', detail, { topic, partition, offset });
    }
    const lastStableOffset = this.lastStableOffset;
    const bound = readCommitted ? lastStableOffset : this.end;
    const batches: ModelBatch[] = [];
    let count = 0;
    for (let i = this.indexOf(offset); i < this.batches.length && (count === 0 || count < recordsMax); i++) {
      const batch = this.batches[i] as ModelBatch;
      if (batch.baseOffset >= bound) break;
      batches.push(batch);
      count += Math.max(1, batch.records.length);
    }
    return {
      offset,
      batches,
      // The broker looks for a bound in its sparse index, and takes the end of the log where that says nothing: so the list
      // also holds transactions from behind what was fetched (LocalLog.addAbortedTransactions).
      aborted: readCommitted && batches.length > 0 ? this.abortedBetween(offset, this.end) : [],
      highWatermark: this.end,
      lastStableOffset,
      logStartOffset: this.start,
    };
  }

  /** TransactionIndex.collectAbortedTxns */
  private abortedBetween(offset: number, upper: number): AbortedTransaction[] {
    const found: AbortedTransaction[] = [];
    for (const entry of this.aborted) {
      if (entry.lastOffset >= offset && entry.firstOffset < upper) {
        found.push({ producerId: entry.producerId, firstOffset: entry.firstOffset });
      }
      if (entry.lastStableOffset >= upper) break;
    }
    return found;
  }

  /** All that a correct reader of committed records may see now, by what became of each batch and not by any filter. */
  committed(from = this.start): InputRecord[] {
    const bound = this.lastStableOffset;
    const records: InputRecord[] = [];
    for (let i = this.indexOf(from); i < this.batches.length; i++) {
      const batch = this.batches[i] as ModelBatch;
      if (batch.baseOffset >= bound) break;
      if (batch.fate !== 'decided') continue;
      for (const record of batch.records)
        if (record.offset >= from && record.offset >= this.start) records.push(record);
    }
    return records;
  }

  /** Retention, or DeleteRecords. Throws OFFSET_OUT_OF_RANGE beyond the end. */
  deleteBefore(offset: number): void {
    if (offset > this.end) throw new ModelKafkaError('OFFSET_OUT_OF_RANGE', `cannot delete up to ${offset}`);
    if (offset <= this.start) return;
    this.start = offset;
    const kept = this.indexOf(offset);
    if (kept > 0) this.batches.splice(0, kept);
    this.aborted = this.aborted.filter(({ lastOffset }) => lastOffset >= offset);
  }

  /** An unclean election: the new leader's log ends here, or at the begin of the batch that holds this offset. */
  truncate(offset: number): void {
    if (offset >= this.end) return;
    const from = this.indexOf(offset);
    const cut = this.batches[from];
    this.end = Math.max(0, cut === undefined ? offset : Math.min(offset, cut.baseOffset));
    this.batches.length = Math.min(this.batches.length, from);
    this.start = Math.min(this.start, this.end);
    this.rebuild();
  }

  /** What is known of producers comes from the log alone: a marker that is gone leaves its transaction open. */
  private rebuild(): void {
    const { batches, end } = this;
    this.producers.clear();
    this.batches = [];
    this.aborted = [];
    for (const batch of batches) {
      this.end = batch.baseOffset;
      if (batch.marker !== null) this.appendMarker(batch.producerId, batch.epoch, batch.marker === 'commit');
      else {
        const { producerId, epoch, sequence, records, transactional, baseOffset } = batch;
        if (producerId >= 0) {
          this.producers.restore({ producerId, epoch, sequence, count: records.length, transactional }, baseOffset);
        }
        this.batches.push({ ...batch, fate: transactional ? 'open' : 'decided' });
      }
    }
    this.end = end;
  }

  checkAvailable(): void {
    const { topic, partition } = this;
    if (!this.available) throw new ModelKafkaError('NOT_LEADER_OR_FOLLOWER', 'no leader', { topic, partition });
  }

  /** Index of the batch that holds this offset, or of the first behind it. */
  private indexOf(offset: number): number {
    let low = 0;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.batches[middle] as ModelBatch).lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
