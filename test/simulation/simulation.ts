import { FraudstreamError } from '../../src/domain/errors.ts';
import type { Plan } from '../../src/features/plan.ts';
import { smallPlan } from '../support/pipeline-engine.ts';
import type { EngineHooks } from './engine.ts';
import { FaultInjector } from './faults.ts';
import { Fleet } from './fleet.ts';
import type { Life } from './life.ts';
import { Monitor } from './monitor.ts';
import { makeOperatorError } from './operator.ts';
import { checkOutput, checkState, readableInput, snapshotOf } from './oracle.ts';
import { planOf, type FaultKind, type OperatorError, type SeedPlan } from './plan.ts';
import { Random } from './random.ts';
import { INPUT, World } from './world.ts';

/** What one seed has come to. */
export interface SeedResult {
  readonly seed: number;
  /** empty = as it must be */
  readonly faults: readonly string[];
  readonly traceHash: string;
  readonly steps: number;
  /** readable input records */
  readonly events: number;
  readonly injected: ReadonlyMap<FaultKind | OperatorError, number>;
  readonly elapsedMs: number;
}

const CATCH_UP_MS = 150_000;
const NUDGE_MS = 4_000;
const NUDGES_MAX = 20;
const SETTLE_MS = 2_000;
const features: Plan = smallPlan();

/** A whole history: faults, then healing, then the oracle; and in some, what an operator does wrong. */
export async function simulate(
  seed: number,
  options: { readonly trace?: (line: string) => void; readonly change?: Partial<SeedPlan> } = {},
): Promise<SeedResult> {
  const plan = { ...planOf(seed, new Random(seed)), ...options.change };
  let injector: FaultInjector | null = null;
  const world: World = new World(plan, features, (life) => hooksOf(world, life, () => injector as FaultInjector));
  const { scheduler } = world;
  scheduler.trace = options.trace ?? null;
  const fleet = new Fleet(world);
  injector = new FaultInjector(world, fleet);
  const monitor = new Monitor(world);
  const faults: string[] = [];
  world.upstream.start();
  fleet.start(plan.instances);
  injector.plan(plan.faults);
  const watched = (): boolean => monitor.look().length > 0;
  await scheduler.runUntil(plan.faultsUntilMs, watched);
  injector.end();
  nudge(world, monitor, NUDGES_MAX);
  const caughtUp = (): boolean => watched() || (world.upstream.done && monitor.isCaughtUp());
  const untilMs = scheduler.elapsedMs + CATCH_UP_MS;
  do {
    await scheduler.runUntil(untilMs, caughtUp);
    // Markers of the last transaction are still on their way, and perhaps a late removal of state: then it is made anew.
    await scheduler.runUntil(scheduler.elapsedMs + SETTLE_MS, watched);
  } while (!caughtUp() && scheduler.elapsedMs < untilMs);
  faults.push(...monitor.faults, ...world.violations);
  const healthy = faults.length === 0;
  if (healthy && !monitor.isCaughtUp()) faults.push(`does not catch up: ${monitor.standings()}`);
  for (let partition = 0; partition < plan.partitions; partition++) {
    faults.push(...(await checkOutput(world, partition, Number.POSITIVE_INFINITY)));
    const last = snapshotOf(world, partition);
    const snapshots = last === null ? monitor.snapshots(partition) : [...monitor.snapshots(partition), last];
    faults.push(...(await checkState(world, partition, snapshots)));
  }
  const injected = new Map<FaultKind | OperatorError, number>(injector.counts);
  if (faults.length === 0 && plan.operatorError !== null) {
    const made = await makeOperatorError(world, fleet, plan.operatorError);
    faults.push(...made.faults);
    if (made.happened) injected.set(plan.operatorError, 1);
  }
  for (const { life } of fleet.instances) life.kill();
  let events = 0;
  for (let partition = 0; partition < plan.partitions; partition++) events += readableInput(world, partition).length;
  return {
    seed,
    faults,
    traceHash: scheduler.hash,
    steps: scheduler.steps,
    events,
    injected,
    elapsedMs: scheduler.elapsedMs,
  };
}

/**
 * A store that lost its last writes while nobody wrote is behind, and nobody knows until the next record: so there is one
 * more, where the position has arrived and the state has not.
 */
function nudge(world: World, monitor: Monitor, left: number): void {
  if (left === 0) return;
  world.scheduler.schedule(NUDGE_MS, 'nudge', () => {
    for (const partition of monitor.onlyStateIsBehind()) {
      world.kafka.log(INPUT, partition).append(null, [world.payments.next(partition)]);
    }
    nudge(world, monitor, left - 1);
  });
}

function hooksOf(world: World, life: Life, injectorOf: () => FaultInjector): EngineHooks {
  return {
    prepare: async () => {
      if (await injectorOf().prepare(life))
        throw new FraudstreamError('FS_REGISTRY_UNAVAILABLE', 'the registry is away');
    },
    decode: ({ topic, partition, offset, failure }) => {
      if (injectorOf().decodingFails()) {
        throw new FraudstreamError('FS_REGISTRY_UNAVAILABLE', 'the registry is away');
      }
      if (topic !== INPUT || failure || world.poison === null) return;
      if (world.poison.partition === partition && world.poison.offset === offset) world.onPoison(life);
    },
    score: () => injectorOf().score(life),
  };
}
