import { planAcquisition, type Acquisition } from '../delivery/acquisition.ts';
import { gatherFacts } from '../delivery/facts.ts';
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
  const start = await look();
  for (const warning of start.warnings) log.warn(warning, place);
  if (start.watermark !== null) return start;
  if (start.rebuilt !== '') log.warn('state is rebuilt', { ...place, reason: start.rebuilt });
  // Also where there seems to be none: a removal that was cut short leaves histories without a watermark.
  await store.drop();
  return start.rebuilt !== '' && (await restore?.(start.position)) ? look() : start;
}
