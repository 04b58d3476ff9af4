import { toFraudstreamError } from '../domain/errors.ts';
import type { InputLog } from '../transport/input-log.ts';
import type { WorkerPorts } from './worker-ports.ts';

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5_000;

/** Others are retriable too, but only by acquiring the partition anew. */
const PATIENT: ReadonlySet<string> = new Set(['FS_STATE_UNAVAILABLE', 'FS_REGISTRY_UNAVAILABLE']);

/** Waits and tries again while somebody we need is away, until the partition is taken away; nothing has changed in between. */
export async function patiently<T>(
  { topic, partition, signal }: InputLog,
  { observer, log, pause }: Pick<WorkerPorts, 'observer' | 'log' | 'pause'>,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(RETRY_MS_MAX, waitMs * 2)) {
    try {
      return await attempt();
    } catch (thrown) {
      const error = toFraudstreamError(thrown);
      observer.failed(error.code);
      if (!PATIENT.has(error.code) || signal.aborted) throw error;
      log.warn('waiting', { topic, partition, code: error.code, reason: error.message, retry_in_ms: waitMs });
      await pause(waitMs, signal);
      if (signal.aborted) throw error;
    }
  }
}
