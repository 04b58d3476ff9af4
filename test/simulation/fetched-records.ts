import { AbortedTransactions } from '../../src/transport/kafka/read-committed.ts';
import type { InputRecord } from '../../src/transport/record.ts';
import type { ModelBatch, ModelFetch } from './model-kafka-log.ts';

interface Chunk {
  readonly batches: readonly ModelBatch[];
  readonly aborted: AbortedTransactions;
  at: number;
}

export interface RecordsTaken {
  readonly records: readonly InputRecord[];
  readonly nextOffset: number;
}

/**
 * From fetched batches to the records of one partition, as `RecordStream` does with bytes: with the adapter's own filter of
 * aborted transactions, so many records at a time.
 */
export class FetchedRecords {
  /** the next offset to be taken */
  position: number;
  /** the next offset to be fetched */
  fetchOffset: number;
  highWatermark = -1;
  private readonly recordsMax: number;
  private readonly chunks: Chunk[] = [];

  constructor(offset: number, recordsMax: number) {
    this.position = offset;
    this.fetchOffset = offset;
    this.recordsMax = recordsMax;
  }

  get empty(): boolean {
    return this.chunks.length === 0;
  }

  push({ batches, aborted, highWatermark }: ModelFetch): void {
    this.highWatermark = highWatermark;
    const last = batches.at(-1);
    if (last === undefined) return;
    this.fetchOffset = Math.max(this.fetchOffset, last.lastOffset + 1);
    this.chunks.push({ batches, aborted: new AbortedTransactions(aborted), at: 0 });
  }

  /** The next records, perhaps none when only markers and aborted data was passed; null when more must be fetched. */
  take(): RecordsTaken | null {
    const before = this.position;
    const records: InputRecord[] = [];
    while (records.length < this.recordsMax) {
      const chunk = this.chunks[0];
      const batch = chunk?.batches[chunk.at];
      if (chunk === undefined || batch === undefined) {
        if (chunk === undefined) break;
        this.chunks.shift();
        continue;
      }
      if (batch.marker !== null) chunk.aborted.marker(batch, batch.marker === 'commit');
      else if (batch.lastOffset >= this.position && !chunk.aborted.isAborted(batch)) {
        const wanted = batch.records.filter((record) => record.offset >= this.position);
        const taken = wanted.slice(0, this.recordsMax - records.length);
        records.push(...taken);
        if (taken.length < wanted.length) {
          this.position = (taken.at(-1) as InputRecord).offset + 1;
          break;
        }
      }
      this.position = Math.max(this.position, batch.lastOffset + 1);
      chunk.at++;
    }
    return this.position > before ? { records, nextOffset: this.position } : null;
  }
}
