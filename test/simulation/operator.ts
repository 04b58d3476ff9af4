import type { ErrorCode } from '../../src/domain/errors.ts';
import type { Fleet } from './fleet.ts';
import type { OperatorError } from './plan.ts';
import { applyOperatorError } from './operator-errors.ts';
import type { World } from './world.ts';

/** How long the processes may go on in the wrong world, ms. */
const PATIENCE_MS = 25_000;

/**
 * All is well and everything is stopped; then somebody does something wrong, and the processes start again, with more input
 * before them. What is concerned must halt, with an error that says so, before anything is decided.
 */
export async function makeOperatorError(
  world: World,
  fleet: Fleet,
  error: OperatorError,
): Promise<{ readonly happened: boolean; readonly faults: readonly string[] }> {
  const { scheduler } = world;
  await fleet.endAll();
  // A last commit may be on its way yet, and its markers.
  await scheduler.runUntil(scheduler.elapsedMs + 15_000);
  scheduler.note(`operator: ${error}`);
  const made = applyOperatorError(world, fleet, error);
  if (made === null) return { happened: false, faults: [] };
  const { partitions, codes } = made;
  const before = partitions.map((partition) => world.decidedInputs(partition).length);
  fleet.start(world.plan.instances);
  const halted = (partition: number): ErrorCode | null =>
    fleet.instances.map((instance) => instance.halted.get(partition)?.code).find((code) => code !== undefined) ?? null;
  await scheduler.runUntil(scheduler.elapsedMs + PATIENCE_MS, () =>
    partitions.every((partition) => codes.includes(halted(partition) as ErrorCode)),
  );
  const faults: string[] = [];
  for (const [k, partition] of partitions.entries()) {
    const code = halted(partition);
    if (code === null || !codes.includes(code)) {
      faults.push(
        `${error}: partition ${partition} must halt with ${codes.join(' or ')}, it has ${code ?? 'not halted'}`,
      );
    }
    if (world.decidedInputs(partition).length !== before[k])
      faults.push(`${error}: partition ${partition} decides in a wrong world`);
  }
  return { happened: true, faults };
}
