import type { AbortedTransaction } from './read-committed.ts';
import { readInt64 } from './record-batch-decode.ts';

/** The Fetch request, version 11: https://kafka.apache.org/protocol#The_Messages_Fetch. Pure. */

export const FETCH_API = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' } as const;

export interface FetchPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface FetchOptions {
  /** how long the broker may wait for bytesMin */
  readonly waitMsMax: number;
  readonly bytesMin: number;
  readonly bytesMax: number;
  readonly partitionBytesMax: number;
  readonly readCommitted: boolean;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** record batches, the last one possibly cut off; a view of the response */
  readonly records: Buffer;
}

export interface FetchResponse {
  readonly throttleMs: number;
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

/** Positions in the order in which the broker shall fill the response: the caller rotates them, so none starves. */
export function encodeFetch(positions: readonly FetchPosition[], options: FetchOptions): Buffer {
  const names = positions.map(({ topic }) => Buffer.from(topic, 'utf8'));
  // consecutive positions of one topic share its entry
  const starts = positions.map(({ topic }, i) => i === 0 || positions[i - 1]?.topic !== topic);
  let size = 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4 + 4 + 2;
  positions.forEach((_, i) => {
    size += 28 + (starts[i] === true ? 6 + (names[i] as Buffer).length : 0);
  });
  const bytes = Buffer.allocUnsafe(size);
  let at = bytes.writeInt32BE(-1, 0);
  at = bytes.writeInt32BE(options.waitMsMax, at);
  at = bytes.writeInt32BE(options.bytesMin, at);
  at = bytes.writeInt32BE(options.bytesMax, at);
  at = bytes.writeInt8(options.readCommitted ? 1 : 0, at);
  at = bytes.writeInt32BE(0, at); // no session
  at = bytes.writeInt32BE(-1, at);
  at = bytes.writeInt32BE(starts.filter(Boolean).length, at);
  for (let i = 0; i < positions.length;) {
    const name = names[i] as Buffer;
    let end = i + 1;
    while (end < positions.length && starts[end] !== true) end++;
    at = bytes.writeInt16BE(name.length, at);
    at += name.copy(bytes, at);
    at = bytes.writeInt32BE(end - i, at);
    for (; i < end; i++) {
      const { partition, offset } = positions[i] as FetchPosition;
      at = bytes.writeInt32BE(partition, at);
      at = bytes.writeInt32BE(-1, at); // leader epoch: unknown
      at = bytes.writeBigInt64BE(BigInt(offset), at);
      at = bytes.writeBigInt64BE(-1n, at); // log start offset: we are no follower
      at = bytes.writeInt32BE(options.partitionBytesMax, at);
    }
  }
  at = bytes.writeInt32BE(0, at); // forgotten topics
  bytes.writeInt16BE(0, at); // no rack
  return bytes;
}

/** Throws a RangeError when the response is shorter than it says. */
export function decodeFetch(bytes: Buffer): FetchResponse {
  const throttleMs = bytes.readInt32BE(0);
  const errorCode = bytes.readInt16BE(4);
  const partitions: FetchedPartition[] = [];
  const topics = bytes.readInt32BE(10);
  let at = 14;
  for (let t = 0; t < topics; t++) {
    const nameLength = bytes.readInt16BE(at);
    const topic = bytes.toString('utf8', at + 2, at + 2 + nameLength);
    at += 2 + nameLength;
    const count = bytes.readInt32BE(at);
    at += 4;
    for (let p = 0; p < count; p++) {
      const head = at;
      const abortedCount = bytes.readInt32BE(head + 30);
      at = head + 34;
      const aborted: AbortedTransaction[] = [];
      for (let a = 0; a < abortedCount; a++) {
        aborted.push({ producerId: readInt64(bytes, at), firstOffset: readInt64(bytes, at + 8) });
        at += 16;
      }
      const recordsLength = Math.max(0, bytes.readInt32BE(at + 4)); // behind the preferred replica, which we never ask for
      at += 8;
      if (at + recordsLength > bytes.length) throw new RangeError('the fetch response ends early');
      partitions.push({
        topic,
        partition: bytes.readInt32BE(head),
        errorCode: bytes.readInt16BE(head + 4),
        highWatermark: readInt64(bytes, head + 6),
        lastStableOffset: readInt64(bytes, head + 14),
        logStartOffset: readInt64(bytes, head + 22),
        aborted,
        records: bytes.subarray(at, at + recordsLength),
      });
      at += recordsLength;
    }
  }
  return { throttleMs, errorCode, partitions };
}
