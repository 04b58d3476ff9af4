import { readInt64 } from './record-batch-decode.ts';

/** The Produce request, version 7: https://kafka.apache.org/protocol#The_Messages_Produce. Pure. */

export const PRODUCE_API = { apiKey: 0, apiVersion: 7, apiName: 'Produce' } as const;

export interface ProducePartition {
  readonly topic: string;
  readonly partition: number;
  /** one sealed record batch */
  readonly batch: Buffer;
}

export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
}

/** The body in parts: the batches are not copied. Partitions of one topic must follow one another. */
export function encodeProduce(
  partitions: readonly ProducePartition[],
  acks: number,
  timeoutMs: number,
  transactionalId: string | null = null,
): Buffer[] {
  const id = Buffer.from(transactionalId ?? '', 'utf8');
  const head = Buffer.allocUnsafe(12 + id.length);
  head.writeInt16BE(transactionalId === null ? -1 : id.length, 0);
  head.set(id, 2);
  head.writeInt16BE(acks, 2 + id.length);
  head.writeInt32BE(timeoutMs, 4 + id.length);
  const parts: Buffer[] = [head];
  let topics = 0;
  for (let i = 0; i < partitions.length;) {
    const { topic } = partitions[i] as ProducePartition;
    let end = i + 1;
    while (end < partitions.length && partitions[end]?.topic === topic) end++;
    const name = Buffer.from(topic, 'utf8');
    const entry = Buffer.allocUnsafe(6 + name.length);
    entry.writeInt16BE(name.length, 0);
    entry.set(name, 2);
    entry.writeInt32BE(end - i, 2 + name.length);
    parts.push(entry);
    topics++;
    for (; i < end; i++) {
      const { partition, batch } = partitions[i] as ProducePartition;
      const place = Buffer.allocUnsafe(8);
      place.writeInt32BE(partition, 0);
      place.writeInt32BE(batch.length, 4);
      parts.push(place, batch);
    }
  }
  head.writeInt32BE(topics, 8 + id.length);
  return parts;
}

/** Throws a RangeError when the response is shorter than it says. */
export function decodeProduce(bytes: Buffer): ProducedPartition[] {
  const produced: ProducedPartition[] = [];
  const topics = bytes.readInt32BE(0);
  let at = 4;
  for (let t = 0; t < topics; t++) {
    const nameLength = bytes.readInt16BE(at);
    const topic = bytes.toString('utf8', at + 2, at + 2 + nameLength);
    at += 2 + nameLength;
    const count = bytes.readInt32BE(at);
    at += 4;
    for (let p = 0; p < count; p++) {
      produced.push({
        topic,
        partition: bytes.readInt32BE(at),
        errorCode: bytes.readInt16BE(at + 4),
        baseOffset: readInt64(bytes, at + 6),
      });
      at += 30; // with log append time and log start offset
    }
  }
  return produced;
}
