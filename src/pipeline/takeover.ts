import { planAcquisition, type Acquisition } from '../delivery/acquisition.ts';
import { gatherFacts } from '../delivery/facts.ts';
import type { Publisher } from '../delivery/publisher.ts';
import { FraudstreamError, type ErrorCode } from '../domain/errors.ts';
import type { InputLog } from '../transport/input-log.ts';
import type { WorkerOptions, WorkerPorts } from './worker-ports.ts';

/**
 * Becomes the owner of a partition: fences the owners before, then finds out where ledger, output, state and log stand. An empty
 * or useless store is emptied, and filled from a snapshot when there is one. Throws as `planAcquisition` and the ports do;
 * nothing is decided then, and it may be tried again.
 */
export async function takeOver(input: InputLog, ports: WorkerPorts, options: WorkerOptions): Promise<Acquisition> {
  const { publisher, store, engine, log, restore } = ports;
  const place = { topic: input.topic, partition: input.partition };
  await input.confirm();
  await publisher.fence(input.signal);
  // The group may have moved on meanwhile, and our fence have hit the right owner: then it is for us to give way.
  await input.confirm();
  const look = async (): Promise<Acquisition> =>
    planAcquisition(await gatherFacts({ ...ports, input }), {
      ...options,
      fingerprint: engine.plan.layout.fingerprint,
    });
  const start = await lookBehind(look, publisher, input);
  for (const warning of start.warnings) log.warn(warning, place);
  if (start.watermark !== null) return start;
  if (start.rebuilt !== '') log.warn('state is rebuilt', { ...place, reason: start.rebuilt });
  // Also where there seems to be none: a removal that was cut short leaves histories without a watermark.
  await store.drop();
  return start.rebuilt !== '' && (await restore?.(start.position)) ? look() : start;
}

/** State or output know of a commit that the ledger, or the output, does not show. */
const COMMIT_IS_MISSING: readonly ErrorCode[] = ['FS_POSITION_LOST', 'FS_OUTPUT_MISMATCH', 'FS_STATE_AHEAD'];

/**
 * The fence settles what earlier owners left open, but for a transaction whose markers the coordinator forgot. When something
 * shows that it was committed, it is committed to its end: state is written only behind an acknowledged commit, and of output
 * and position readers see none before its marker. Else nobody has seen anything of it, and it is aborted, before a
 * transaction of ours would take it along.
 */
async function lookBehind(
  look: () => Promise<Acquisition>,
  publisher: Publisher,
  input: InputLog,
): Promise<Acquisition> {
  const { signal } = input;
  let start: Acquisition;
  try {
    start = await look();
  } catch (thrown) {
    if (!(thrown instanceof FraudstreamError) || !COMMIT_IS_MISSING.includes(thrown.code)) throw thrown;
    await publisher.settle(true, signal);
    // The answer comes before the markers; the fence waits for them.
    await publisher.fence(signal);
    await input.confirm();
    start = await look();
  }
  await publisher.settle(false, signal);
  return start;
}
