import { decodeLegacyMessageSet } from './kafkajs-internals.ts';
import { FetchedRecord } from './record-batch-decode.ts';

/** Message sets of formats 0 and 1, which a log from before Kafka 0.11 may still hold. */

/** Those from `fromOffset` on. A message that the fetch limit cut off is left out. */
export async function readLegacyRecords(
  bytes: Buffer,
  topic: string,
  partition: number,
  fromOffset: number,
): Promise<FetchedRecord[]> {
  const records: FetchedRecord[] = [];
  for (const message of await decodeLegacyMessageSet(bytes)) {
    const offset = Number(message.offset);
    if (offset < fromOffset) continue;
    const timestampMs = message.timestamp === undefined ? -1 : Number(message.timestamp);
    records.push(new FetchedRecord(topic, partition, offset, timestampMs, message.key, message.value, bytes, -1));
  }
  return records;
}

/** The offset behind the last complete message of a message set. */
export function legacyEnd(bytes: Buffer, from: number): number {
  let end = 0;
  let at = from;
  while (at + 12 <= bytes.length) {
    const size = bytes.readInt32BE(at + 8);
    if (size <= 0 || at + 12 + size > bytes.length) break;
    end = Number(bytes.readBigInt64BE(at)) + 1;
    at += 12 + size;
  }
  return end;
}
