import { toFraudstreamError } from '../domain/errors.ts';
import type { InputLog } from '../transport/input-log.ts';
import type { InputBatch, OutputRecord } from '../transport/record.ts';
import type { Attempts } from './attempts.ts';
import type { BatchResult } from './engine.ts';
import { patiently } from './patience.ts';
import type { BatchReport } from './report.ts';
import type { StoreAbsence } from './store-absence.ts';
import type { WorkerOptions, WorkerPorts } from './worker-ports.ts';

/** What a batch came to; nothing of it is published yet. */
export interface Decided {
  readonly outputs: readonly OutputRecord[];
  readonly reports: readonly BatchReport[];
  /** offset; -1 = none of the records was decided */
  readonly lastDecision: number;
}

/** Decides batches: with patience while somebody is away, without history where the policy says so, noted where need be. */
export class Deciding {
  private readonly input: InputLog;
  private readonly ports: WorkerPorts;
  private readonly absence: StoreAbsence;
  private readonly attempts: Attempts;
  private readonly isStopped: boolean;

  constructor(input: InputLog, ports: WorkerPorts, options: WorkerOptions, absence: StoreAbsence, attempts: Attempts) {
    this.input = input;
    this.ports = ports;
    this.absence = absence;
    this.attempts = attempts;
    this.isStopped = options.onUnavailable === 'stop';
  }

  /** @param position the one that is committed. Rejects as `Engine.decide` does. */
  async decide(batch: InputBatch, position: number): Promise<Decided> {
    this.absence.check();
    if (this.attempts.care === 'whole') return merged([await this.one(batch, -1)]);
    const results: BatchResult[] = [];
    for (const record of batch.records) results.push(await this.one({ ...batch, records: [record] }, position));
    // Before it is published: whatever ends the process then, or while it waits for others, is not this record. Not waited for:
    // what is written to a socket outlives the process.
    this.attempts.outlived().catch(() => undefined);
    return merged(results);
  }

  /** @param noteAt committed position to note the record with; -1 = no note */
  private one(batch: InputBatch, noteAt: number): Promise<BatchResult> {
    const { engine, histories } = this.ports;
    return patiently(this.input, this.ports, async () => {
      if (this.absence.lasts) return engine.decide(batch, null);
      try {
        if (noteAt >= 0) await this.note(batch, noteAt);
        return await engine.decide(batch, histories);
      } catch (thrown) {
        if (toFraudstreamError(thrown).code !== 'FS_STATE_UNAVAILABLE' || this.isStopped) throw thrown;
        this.absence.begin();
        return engine.decide(batch, null);
      }
    });
  }

  /** One that is taken singly must be noted; of many, notes that are on their way are enough. */
  private async note(batch: InputBatch, position: number): Promise<void> {
    const noted = this.attempts.trying(batch.records[0]!.offset, position);
    if (this.attempts.care === 'single') await noted;
    else noted.catch(() => undefined);
  }
}

function merged(results: readonly BatchResult[]): Decided {
  return {
    outputs: results.length === 1 ? results[0]!.outputs : results.flatMap(({ outputs }) => outputs),
    reports: results.map(({ report }) => report),
    lastDecision: results.reduce((last, one) => Math.max(last, one.lastDecision), -1),
  };
}
