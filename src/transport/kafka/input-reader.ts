import type { InputRecord } from '../record.ts';
import type { LogReader } from './log-reader.ts';

/** most records are smaller, and a fetch brings one batch at least */
const BYTES_FIRST = 4_096;

/**
 * The first committed record at or after `offset`; null when there is none before the last stable offset. Markers and
 * aborted records are passed over, however many. One that cannot be read has `failure`, as the consumer hands it over.
 * Throws FS_KAFKA_UNAVAILABLE (also at the reader's deadline), FS_KAFKA_TOPIC_MISSING, FS_KAFKA_REFUSED.
 */
export async function readRecord(
  reader: LogReader,
  topic: string,
  partition: number,
  offset: number,
): Promise<InputRecord | null> {
  let found: InputRecord | null = null;
  const stretch = { topic, partition, from: offset, to: Number.POSITIVE_INFINITY, recordsMax: 1 };
  await reader.read({ ...stretch, bytesFirst: BYTES_FIRST }, ([first]) => {
    found = first ?? null;
    return found === null;
  });
  return found;
}
