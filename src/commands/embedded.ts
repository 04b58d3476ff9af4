import { createAvroTransactionDecoder } from '../codec/transaction-decoder.ts';
import { createDecisionEncoder } from '../codec/decision-encoder.ts';
import { makeEngine, type Brain } from '../app.ts';
import type { Clock } from '../domain/clock.ts';
import type { Settings } from '../config/options.ts';
import type { LabelFeed } from '../pipeline/label-feed.ts';
import { runFile } from '../pipeline/file-runner.ts';
import { CacheBudget } from '../state/cache.ts';
import { MemoryStateStore } from '../state/memory-store.ts';
import { PartitionHistories } from '../state/partition-histories.ts';
import { openFileSink } from '../transport/file/file-sink.ts';
import { openTransactionFiles } from '../transport/file/file-source.ts';
import type { MappedInput } from '../transport/file/mapped-rows.ts';
import type { ReplayTally } from './replay-tally.ts';

/** Files are read as fast as they can be: room saves writing histories that come back at once. */
const CACHE_BYTES = 1_073_741_824;

/** Fresh state in memory, as `run` keeps it in Redis. */
export async function memoryHistories(
  brain: Pick<Brain, 'plan'>,
  settings: Settings,
  topic: string,
): Promise<{ histories: PartitionHistories; budget: CacheBudget }> {
  const store = await new MemoryStateStore().open({ topic, partition: 0 });
  const budget = new CacheBudget(settings['state.cache-bytes'] ?? CACHE_BYTES);
  const histories = new PartitionHistories(brain.plan.layout, store, budget);
  histories.restart(null);
  return { histories, budget };
}

/** The bare Avro decoder that files need, whatever the wire format of Kafka is. */
export function fileDecoder(settings: Settings): ReturnType<typeof createAvroTransactionDecoder> {
  return createAvroTransactionDecoder({
    recordBytesMax: settings['record.max-bytes'],
    cardNumberGuard: settings['guard.card-numbers'],
  });
}

/** Decides the payments of files, and writes the outputs to a folder. */
export async function replayFiles(
  brain: Brain,
  settings: Settings,
  options: {
    readonly paths: readonly string[];
    readonly mapped: MappedInput | null;
    readonly out: string;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly tally: ReplayTally;
    /** verdicts for features over them */
    readonly labels: LabelFeed | null;
    readonly progress: (done: number, records: number) => void;
  },
): Promise<void> {
  const topic = settings['topics.transactions'];
  const source = await openTransactionFiles({
    paths: options.paths,
    topic,
    batchSize: settings['batch.records-max'],
    ...(options.mapped === null ? {} : { mapped: options.mapped }),
  });
  try {
    const sink = await openFileSink({ folder: options.out });
    try {
      const { histories, budget } = await memoryHistories(brain, settings, topic);
      const engine = makeEngine(brain, settings, {
        decoder: fileDecoder(settings),
        encoder: createDecisionEncoder(),
        clock: options.clock,
        labels: options.labels,
        watch: options.tally.decided,
      });
      const { signal, progress } = options;
      await runFile({ source, sink, engine, histories, budget, observer: options.tally, signal, progress });
    } finally {
      await sink.close();
    }
  } finally {
    await source.close();
  }
}
