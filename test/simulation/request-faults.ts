import type { Life } from './life.ts';
import type { RequestKind } from './model-kafka-network.ts';
import type { RedisFate } from './model-redis.ts';
import type { RequestFate } from './network.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Faults that hit single requests for a while. */

/** The broker may be asked twice only where it tells a copy from a new request. */
const REPEATABLE: ReadonlySet<RequestKind> = new Set([
  'Produce',
  'Fetch',
  'OffsetFetch',
  'ListOffsets',
  'Metadata',
  'Heartbeat',
]);
/** Who waits for others with these must not be left waiting for ever by a lost one. */
const COORDINATED: ReadonlySet<RequestKind> = new Set(['InitProducerId', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn', 'TxnOffsetCommit', 'OffsetFetch', 'Heartbeat']); // prettier-ignore

const INTERESTING: readonly RequestKind[] = ['InitProducerId', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'Produce', 'TxnOffsetCommit', 'EndTxn', 'EndTxn', 'OffsetFetch', 'Fetch', 'ListOffsets', 'Metadata', 'Heartbeat', 'JoinGroup']; // prettier-ignore

const REDIS_LABELS = ['flush whole', 'flush first', 'flush middle', 'flush last', 'load', 'state', 'drop', 'drop more', 'write attempt', 'read attempt'] as const; // prettier-ignore

/** For some seconds, a share of the requests fares like this. */
export function requestsFare(world: World, random: Random, fate: RequestFate): void {
  const untilMs = world.scheduler.elapsedMs + random.int(500, 4_000);
  const share = random.pick([0.05, 0.2, 0.6]);
  const only = random.chance(0.4) ? random.pick(INTERESTING) : null;
  const transient = (kind: RequestKind): boolean =>
    (fate !== 'twice' || REPEATABLE.has(kind)) && (fate !== 'refused' || COORDINATED.has(kind));
  world.requestFates.push((kind) => {
    if (world.scheduler.elapsedMs > untilMs || (only !== null && kind !== only) || !transient(kind)) return 'well';
    return random.chance(share) ? fate : 'well';
  });
}

export function commandsFare(world: World, random: Random, fate: RedisFate): void {
  const untilMs = world.scheduler.elapsedMs + random.int(500, 4_000);
  const share = random.pick([0.1, 0.4, 0.9]);
  const only = random.chance(0.5) ? random.pick(REDIS_LABELS) : '';
  world.redisFates.push((label) =>
    world.scheduler.elapsedMs <= untilMs && label.startsWith(only) && random.chance(share) ? fate : 'well',
  );
}

/** The master fails in the middle of a flush: of what it has acknowledged, the replica lacks the last. */
export function failoverInFlush(world: World, random: Random): void {
  let passes = random.int(0, 6);
  const wanted = random.pick(['flush', 'flush middle', 'flush last', 'drop more', 'drop']);
  let set = true;
  world.redisFates.push((label) => {
    if (!set || !label.startsWith(wanted) || passes-- > 0) return 'well';
    set = false;
    // Before this command arrives, or right after it.
    const delayMs = random.chance(0.6) ? 0 : random.int(1, 10);
    world.scheduler.schedule(delayMs, 'failover in a flush', () => world.redis.failover(random.int(1, 3), 0));
    return 'well';
  });
}

/** A commit is on its way for long, its sender dies, and the group gives its partitions away meanwhile. */
export function commitAtTakeover(world: World, random: Random, spring: (life: Life) => void): void {
  let set = true;
  let passes = random.int(0, 5);
  world.requestFates.push((kind, life) => {
    if (!set || kind !== 'EndTxn' || passes-- > 0) return 'well';
    set = false;
    world.scheduler.schedule(1, 'takeover while a commit is on its way', () => spring(life));
    return 'slow';
  });
}

/** The brokers die right behind the acknowledgement of a commit, or shortly before. */
export function commitAtKill(world: World, random: Random, spring: () => void): void {
  let set = true;
  let passes = random.int(0, 5);
  world.requestFates.push((kind) => {
    if (!set || kind !== 'EndTxn' || passes-- > 0) return 'well';
    set = false;
    world.scheduler.schedule(random.int(0, 25), 'the brokers are killed', spring);
    return 'well';
  });
}

/** All that these processes send, to Kafka, is lost. */
export function cutOff(world: World, life: Life, untilMs: number): void {
  world.requestFates.push((_kind, of) => (of === life && world.scheduler.elapsedMs < untilMs ? 'lost' : 'well'));
}

/**
 * Ends a process, or freezes it, at one of its next requests of some kind: before the request leaves, or when it is on its
 * way, so that it has its effect and nobody hears of it.
 */
export function trap(world: World, random: Random, spring: (life: Life | null, name: string) => void): string {
  let set = true;
  let passes = random.int(0, 3);
  const before = random.chance(0.4);
  const act = (life: Life | null, name: string): void => {
    set = false;
    if (before) spring(life, name);
    else world.scheduler.schedule(random.int(0, 40), `trap for ${name}`, () => spring(life, name));
  };
  if (random.chance(0.35)) {
    const wanted = random.pick(REDIS_LABELS);
    world.redisFates.push((label) => {
      if (!set || !label.startsWith(wanted) || passes-- > 0) return 'well';
      // flush last a-1/0
      const name = label.slice(label.lastIndexOf(' ') + 1).split('/')[0] as string;
      act(null, name);
      return before ? 'lost' : 'well';
    });
    return wanted;
  }
  const wanted = random.pick(INTERESTING);
  world.requestFates.push((kind, life) => {
    if (set && kind === wanted && passes-- <= 0) act(life, life.name);
    return 'well';
  });
  return wanted;
}
