import { AbortedTransactions } from '../../src/transport/kafka/read-committed.ts';
import type { InputRecord } from '../../src/transport/record.ts';
import type { ModelFetch } from './model-kafka-log.ts';

export interface Read {
  readonly records: readonly InputRecord[];
  /** markers and aborted records may lie between the last record and it */
  readonly nextOffset: number;
}

/**
 * From a fetch to the records that a read-committed consumer hands over, with the filter of the real consumer: what
 * RecordStream does on bytes.
 * @param to records from here on are left out; default: all
 */
export function readFetched(fetched: ModelFetch, to = Number.POSITIVE_INFINITY): Read {
  const aborted = new AbortedTransactions(fetched.aborted);
  const records: InputRecord[] = [];
  let nextOffset = fetched.offset;
  for (const batch of fetched.batches) {
    if (batch.marker !== null) aborted.marker(batch, batch.marker === 'commit');
    else if (!aborted.isAborted(batch)) {
      for (const record of batch.records) {
        if (record.offset >= fetched.offset && record.offset < to) records.push(record);
      }
    }
    nextOffset = Math.max(nextOffset, batch.lastOffset + 1);
  }
  return { records, nextOffset };
}
