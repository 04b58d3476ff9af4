import type { CacheBudget } from '../state/cache.ts';
import type { PartitionHistories } from '../state/partition-histories.ts';
import type { Sink } from '../transport/sink.ts';
import type { Source } from '../transport/source.ts';
import type { Engine } from './engine.ts';
import type { Observer } from './report.ts';

export interface FileRunnerPorts {
  readonly source: Source;
  readonly sink: Sink;
  readonly engine: Engine;
  readonly histories: PartitionHistories;
  readonly budget: CacheBudget;
  readonly observer: Observer;
  readonly progress: (done: number, records: number) => void;
  readonly signal: AbortSignal;
}

/**
 * The embedded run: one source from end to end, one batch after the other, the same engine as over Kafka. State is
 * written to the store only to make room in the cache.
 * @returns number of records
 */
export async function runFile(ports: FileRunnerPorts): Promise<number> {
  const { source, sink, engine, histories, budget, observer, progress, signal } = ports;
  let records = 0;
  for (;;) {
    if (signal.aborted) break;
    const next = await source.read();
    if (next === null) break;
    const { outputs, report } = await engine.decide(next.batch, histories);
    await sink.write(outputs);
    records += next.batch.records.length;
    observer.batch(report);
    progress(next.progress, records);
    await makeRoom(histories, budget);
  }
  return records;
}

/** Between batches: flushes when much is dirty, and evicts. */
export async function makeRoom(histories: PartitionHistories, budget: CacheBudget): Promise<void> {
  if (budget.bytes <= budget.bytesMax) return;
  await histories.flush();
  histories.trim();
}
