import type { InputRecord } from '../../src/transport/record.ts';
import type { ModelBatch, PartitionLog } from './model-kafka-log.ts';

/**
 * The oracle's own reading of a log: by markers alone, from the first batch that ever was. It shares nothing with the filter
 * of the program, nor with what the model's brokers say of aborted transactions.
 */
export class LogArchive {
  private readonly log: PartitionLog;
  private readonly batches: ModelBatch[] = [];

  constructor(log: PartitionLog) {
    this.log = log;
  }

  /** Before retention or an accident takes batches away. */
  absorb(): void {
    const last = this.batches.at(-1)?.baseOffset ?? -1;
    for (const batch of wholeLog(this.log)) if (batch.baseOffset > last) this.batches.push(batch);
  }

  committed(): InputRecord[] {
    this.absorb();
    return committedOf(this.batches);
  }
}

export function committedIn(log: PartitionLog): InputRecord[] {
  return committedOf(wholeLog(log));
}

function wholeLog(log: PartitionLog): readonly ModelBatch[] {
  const { available } = log;
  log.available = true;
  try {
    return log.fetch(log.start, false, Number.POSITIVE_INFINITY).batches;
  } finally {
    log.available = available;
  }
}

function committedOf(batches: readonly ModelBatch[]): InputRecord[] {
  const open = new Map<number, ModelBatch[]>();
  const kept = new Set<ModelBatch>();
  for (const batch of batches) {
    if (batch.marker === null && !batch.transactional) kept.add(batch);
    else if (batch.marker === null) {
      const pending = open.get(batch.producerId) ?? [];
      pending.push(batch);
      open.set(batch.producerId, pending);
    } else {
      if (batch.marker === 'commit') for (const one of open.get(batch.producerId) ?? []) kept.add(one);
      open.delete(batch.producerId);
    }
  }
  let stable = Number.POSITIVE_INFINITY;
  for (const pending of open.values()) stable = Math.min(stable, (pending[0] as ModelBatch).baseOffset);
  const records: InputRecord[] = [];
  for (const batch of batches) if (kept.has(batch) && batch.baseOffset < stable) records.push(...batch.records);
  return records;
}
