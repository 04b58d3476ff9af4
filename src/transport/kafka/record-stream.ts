import { FraudstreamError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { InputRecord } from '../record.ts';
import { decompress } from './compression.ts';
import type { FetchedPartition } from './fetch-protocol.ts';
import { legacyEnd, readLegacyRecords } from './legacy-message-set.ts';
import { AbortedTransactions } from './read-committed.ts';
import {
  BATCH_HEADER_BYTES,
  crcMatches,
  type FetchedRecord,
  readBatchFrame,
  readControlMarker,
  RecordCursor,
  type BatchHeader,
} from './record-batch-decode.ts';

/**
 * One partition from fetched bytes to records: keeps what was fetched as it is, and decodes only as much as is taken.
 * A batch that cannot be read comes out in its place, as one piece, so that it can be kept and passed.
 */

/** what a dead letter can carry beside its headers, within the default message.max.bytes */
const BAD_BATCH_BYTES_MAX = 900_000;

export interface RecordsTaken {
  readonly kind: 'records';
  /** may be empty when nothing but markers and aborted data was passed */
  readonly records: readonly FetchedRecord[];
  readonly nextOffset: number;
}

/** A record batch that is corrupt or expands too far. It counts as one record. */
export interface BadBatch {
  readonly kind: 'bad';
  readonly topic: string;
  readonly partition: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly nextOffset: number;
  readonly timestampMs: number;
  /** FS_BATCH_EXPANSION or FS_BATCH_CORRUPT, with its place */
  readonly error: FraudstreamError;
  /** the batch as it is in the log, still compressed; cut at 900,000 bytes */
  readonly bytes: Buffer;
  readonly truncated: boolean;
}

/** A batch that cannot be read is one record, whose value is its bytes. */
export function badBatchRecord(bad: BadBatch): InputRecord {
  const { topic, partition, firstOffset: offset, timestampMs, bytes: value, error: failure } = bad;
  return { topic, partition, offset, timestampMs, key: null, value, headers: null, failure };
}

/** The checksum was wrong: fetch it once more before the log is blamed. */
export interface FetchAgain {
  readonly kind: 'fetch-again';
}

export type Taken = RecordsTaken | BadBatch | FetchAgain | null;

interface Chunk {
  readonly bytes: Buffer;
  readonly aborted: AbortedTransactions;
  at: number;
}

export interface RecordStreamOptions {
  readonly readCommitted: boolean;
  /** one take gives at most so many records, and stops at so many bytes of values */
  readonly recordsMax: number;
  readonly bytesMax: number;
  /** default LIMITS.batchBytesMax; smaller in tests */
  readonly batchBytesMax?: number;
}

export class RecordStream {
  readonly topic: string;
  readonly partition: number;
  /** the next offset to be taken */
  position: number;
  /** the next offset to be fetched */
  fetchOffset: number;
  queuedBytes = 0;
  highWatermark = -1;
  private readonly options: RecordStreamOptions;
  private readonly chunks: Chunk[] = [];
  private open: { cursor: RecordCursor; header: BatchHeader; chunk: Chunk } | null = null;
  /** base offset of the batch whose checksum was wrong once */
  private suspect = -1;

  constructor(topic: string, partition: number, offset: number, options: RecordStreamOptions) {
    this.topic = topic;
    this.partition = partition;
    this.position = offset;
    this.fetchOffset = offset;
    this.options = options;
  }

  /** Takes over what was fetched at `fetchOffset`. */
  push(fetched: Pick<FetchedPartition, 'records' | 'aborted' | 'highWatermark'>): void {
    const { records } = fetched;
    let at = 0;
    for (;;) {
      const frame = readBatchFrame(records, at);
      if (frame.kind === 'legacy') {
        this.fetchOffset = Math.max(this.fetchOffset, legacyEnd(records, at));
        at = records.length;
        break;
      }
      if (frame.kind === 'broken') at = records.length;
      if (frame.kind !== 'batch') break;
      const { baseOffset, lastOffset } = frame.header;
      // A corrupt header may claim anything: what follows it, and the end of the log, bound its claim.
      this.fetchOffset = Math.max(baseOffset + 1, Math.min(lastOffset + 1, fetched.highWatermark));
      at = frame.header.end;
    }
    this.fetchOffset = Math.max(this.fetchOffset, this.position);
    this.highWatermark = fetched.highWatermark;
    if (at === 0) return;
    const bytes = records.subarray(0, at);
    this.chunks.push({ bytes, aborted: new AbortedTransactions(fetched.aborted), at: 0 });
    this.queuedBytes += bytes.length;
  }

  get empty(): boolean {
    return this.chunks.length === 0 && this.open === null;
  }

  /** The next records, or a bad batch, in offset order; null when more must be fetched. Throws when the log is unreadable. */
  async take(): Promise<Taken> {
    const records: FetchedRecord[] = [];
    const before = this.position;
    let bytes = 0;
    const result = (): Taken =>
      records.length > 0 || this.position > before ? { kind: 'records', records, nextOffset: this.position } : null;
    for (;;) {
      if (this.open !== null) {
        const { cursor, header, chunk } = this.open;
        try {
          for (;;) {
            if (records.length >= this.options.recordsMax || bytes >= this.options.bytesMax) return result();
            const record = cursor.next();
            if (record === null) break;
            if (record.offset < this.position) continue;
            bytes += record.value?.length ?? 0;
            records.push(record);
            this.position = record.offset + 1;
          }
        } catch (error) {
          if (records.length > 0) {
            // What was read before is good; the cursor fails again at the next take.
            this.open = { cursor: failedCursor(error), header, chunk };
            return result();
          }
          return this.bad(header, chunk, error);
        }
        this.pass(header, chunk);
        continue;
      }
      const chunk = this.chunks[0];
      if (chunk === undefined) return result();
      const frame = readBatchFrame(chunk.bytes, chunk.at);
      if (frame.kind === 'legacy') {
        if (records.length > 0) return result();
        return this.takeLegacy(chunk);
      }
      if (frame.kind !== 'batch') {
        if (frame.kind === 'broken') {
          if (records.length > 0) return result();
          throw this.unreadable(frame.baseOffset);
        }
        this.drop(chunk);
        continue;
      }
      const { header } = frame;
      if (header.lastOffset < this.position) {
        // It was taken before; what its marker says still counts.
        if (header.control) chunk.aborted.marker(header, readControlMarker(chunk.bytes, header));
        this.pass(header, chunk);
        continue;
      }
      if (!crcMatches(chunk.bytes, header)) {
        if (records.length > 0) return result();
        if (this.suspect !== header.baseOffset) {
          this.suspect = header.baseOffset;
          this.reset();
          return { kind: 'fetch-again' };
        }
        return this.bad(header, chunk, new FraudstreamError('FS_BATCH_CORRUPT', 'the checksum is wrong'));
      }
      if (header.control) {
        chunk.aborted.marker(header, readControlMarker(chunk.bytes, header));
        this.pass(header, chunk);
        continue;
      }
      if (this.options.readCommitted && chunk.aborted.isAborted(header)) {
        this.pass(header, chunk);
        continue;
      }
      try {
        this.open = { cursor: this.openBatch(header, chunk), header, chunk };
      } catch (error) {
        if (records.length > 0) return result();
        return this.bad(header, chunk, error);
      }
    }
  }

  private openBatch(header: BatchHeader, chunk: Chunk): RecordCursor {
    const from = header.start + BATCH_HEADER_BYTES;
    const { topic, partition } = this;
    if (header.codec === 0) return new RecordCursor(chunk.bytes, from, header.end, header, topic, partition);
    const bytesMax = this.options.batchBytesMax ?? LIMITS.batchBytesMax;
    const bytes = decompress(header.codec, chunk.bytes.subarray(from, header.end), bytesMax);
    return new RecordCursor(bytes, 0, bytes.length, header, topic, partition);
  }

  /** Forgets all that is fetched and not taken. */
  private reset(): void {
    this.chunks.length = 0;
    this.open = null;
    this.queuedBytes = 0;
    this.fetchOffset = this.position;
  }

  private pass(header: BatchHeader, chunk: Chunk): void {
    this.open = null;
    this.position = Math.max(this.position, header.lastOffset + 1);
    chunk.at = header.end;
    if (chunk.at >= chunk.bytes.length) this.drop(chunk);
  }

  private drop(chunk: Chunk): void {
    this.chunks.shift();
    this.queuedBytes -= chunk.bytes.length;
  }

  private bad(header: BatchHeader, chunk: Chunk, thrown: unknown): BadBatch {
    const { topic, partition } = this;
    const firstOffset = Math.max(this.position, header.baseOffset);
    const lastOffset = this.lastOffsetOf(header, chunk);
    const cause =
      thrown instanceof FraudstreamError ? thrown : new FraudstreamError('FS_BATCH_CORRUPT', String(thrown));
    const detail = `${topic}/${partition}, offsets ${firstOffset} to ${lastOffset}: ${cause.message}`;
    const raw = chunk.bytes.subarray(header.start, header.end);
    const truncated = raw.length > BAD_BATCH_BYTES_MAX;
    this.pass({ ...header, lastOffset }, chunk);
    this.fetchOffset = Math.max(this.fetchOffset, this.position);
    return {
      kind: 'bad',
      topic,
      partition,
      firstOffset,
      lastOffset,
      nextOffset: this.position,
      timestampMs: header.timestampMsMax,
      error: new FraudstreamError(cause.code, detail, { topic, partition, offset: firstOffset }, { cause }),
      bytes: truncated ? raw.subarray(0, BAD_BATCH_BYTES_MAX) : raw,
      truncated,
    };
  }

  /** The end of a batch whose header may be corrupt: never beyond where the next batch begins. */
  private lastOffsetOf(header: BatchHeader, chunk: Chunk): number {
    const next = readBatchFrame(chunk.bytes, header.end);
    const claimed = Math.max(header.baseOffset, Math.min(header.lastOffset, this.highWatermark - 1));
    if (next.kind === 'batch' && next.header.baseOffset > header.baseOffset) {
      return Math.min(claimed, next.header.baseOffset - 1);
    }
    return claimed;
  }

  private unreadable(offset: number): FraudstreamError {
    const { topic, partition } = this;
    const detail = `${topic}/${partition} near offset ${offset}: the frame of a batch makes no sense; check the broker's log files`;
    return new FraudstreamError('FS_BATCH_CORRUPT', detail, { topic, partition, offset });
  }

  private async takeLegacy(chunk: Chunk): Promise<Taken> {
    const records = await readLegacyRecords(chunk.bytes.subarray(chunk.at), this.topic, this.partition, this.position);
    this.position = Math.max(this.position, legacyEnd(chunk.bytes, chunk.at));
    this.drop(chunk);
    return { kind: 'records', records, nextOffset: this.position };
  }
}

/** A cursor that already knows its error. */
function failedCursor(error: unknown): RecordCursor {
  const next = (): never => {
    throw error;
  };
  return { next } as unknown as RecordCursor;
}
