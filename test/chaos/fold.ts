import { loadBrain, makeEngine } from '../../src/app.ts';
import { createDecisionEncoder } from '../../src/codec/decision-encoder.ts';
import { createAvroTransactionDecoder } from '../../src/codec/transaction-decoder.ts';
import { memoryHistories } from '../../src/commands/embedded.ts';
import { loadSettings } from '../../src/config/load.ts';
import type { OutputRecord } from '../../src/transport/record.ts';
import { REPOSITORY } from '../servers/process.ts';
import type { Raw } from '../support/e2e-log.ts';
import { environmentOf } from '../support/e2e-process.ts';
import type { Settings } from '../support/e2e-run.ts';
import { readFileSync } from 'node:fs';

/** One sequential fold of an input partition, in memory, by nobody who could die: what must have been decided. */

const BATCH = 500;

export interface Fold {
  /** The outputs of a partition's records from its beginning, some at a time; `decision_time` is 0. */
  decide(partition: number, records: readonly Raw[]): AsyncGenerator<OutputRecord[]>;
  close(): Promise<void>;
}

export async function openFold(settings: Settings): Promise<Fold> {
  const loaded = loadSettings({
    command: 'run',
    argv: [],
    env: environmentOf(settings),
    cwd: REPOSITORY,
    packageRoot: REPOSITORY,
    nowMs: Date.now(),
    readFile: (path) => readFileSync(path, 'utf8'),
  });
  if (loaded.kind !== 'settings') throw new Error(`settings: ${JSON.stringify(loaded)}`);
  const brain = await loadBrain(loaded.settings);
  return {
    async *decide(partition, records) {
      const topic = loaded.settings['topics.transactions'];
      const { histories } = await memoryHistories(brain, { ...loaded.settings, 'state.cache-bytes': 2 ** 34 }, topic);
      const engine = makeEngine(brain, loaded.settings, {
        decoder: createAvroTransactionDecoder({
          recordBytesMax: loaded.settings['record.max-bytes'],
          cardNumberGuard: loaded.settings['guard.card-numbers'],
        }),
        encoder: createDecisionEncoder(),
        clock: { nowMs: () => 0, monotonicMs: () => 0 },
      });
      for (let from = 0; from < records.length; from += BATCH) {
        const batch = records.slice(from, from + BATCH).map(({ key, ...rest }) => ({
          ...rest,
          key: key === null ? null : Buffer.from(key),
        }));
        const { outputs } = await engine.decide({ topic, partition, records: batch, highWatermark: -1 }, histories);
        yield outputs;
      }
    },
    close: () => brain.scorer.close(),
  };
}
