import { toFraudstreamError } from '../domain/errors.ts';
import type { InputLog } from '../transport/input-log.ts';
import type { InputBatch } from '../transport/record.ts';
import type { BatchResult } from './engine.ts';
import { patiently } from './patience.ts';
import type { StoreAbsence } from './store-absence.ts';
import type { WorkerOptions, WorkerPorts } from './worker-ports.ts';

/** Decides batches: with patience while somebody is away, and without history where the policy says so. Publishes nothing. */
export class Deciding {
  private readonly input: InputLog;
  private readonly ports: WorkerPorts;
  private readonly absence: StoreAbsence;
  private readonly isStopped: boolean;

  constructor(input: InputLog, ports: WorkerPorts, options: WorkerOptions, absence: StoreAbsence) {
    this.input = input;
    this.ports = ports;
    this.absence = absence;
    this.isStopped = options.onUnavailable === 'stop';
  }

  /** Rejects as `Engine.decide` does, and with FS_STATE_CONFLICT when a store that was away is back. */
  async decide(batch: InputBatch): Promise<BatchResult> {
    const { engine, histories } = this.ports;
    this.absence.check();
    return patiently(this.input, this.ports, async () => {
      if (this.absence.lasts) return engine.decide(batch, null);
      try {
        return await engine.decide(batch, histories);
      } catch (thrown) {
        if (toFraudstreamError(thrown).code !== 'FS_STATE_UNAVAILABLE' || this.isStopped) throw thrown;
        this.absence.begin();
        return engine.decide(batch, null);
      }
    });
  }
}
