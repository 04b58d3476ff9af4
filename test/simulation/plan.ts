import type { Delivery } from '../../src/domain/log-mark.ts';
import type { Random } from './random.ts';

/** What happens to a history besides its input. The first group is what a protocol must bear, the second what it must refuse. */
export const FAULTS = [
  'kill',
  'kill at a request',
  'freeze',
  'stop',
  'join',
  'rebalance',
  'requests lost',
  'answers lost',
  'requests late',
  'requests twice',
  'requests slow',
  'requests refused',
  'coordinator away',
  'leader away',
  'broker killed',
  'cut off',
  'upstream hangs',
  'redis failover',
  'redis failover in a flush',
  'redis split',
  'redis away',
  'redis restart',
  'redis commands lost',
  'redis answers lost',
  'redis commands late',
  'redis commands twice',
  'redis scripts half',
  'decoding fails',
  'scoring stalls',
  'stale batches',
] as const;

/** These take away what state is rebuilt from, or state: rebuilding and retention do not go together in one history. */
export const LOSSES = ['redis restart empty', 'redis wiped', 'redis keys lost'] as const;
export const RETENTION = ['retention'] as const;

export type FaultKind = (typeof FAULTS)[number] | (typeof LOSSES)[number] | (typeof RETENTION)[number] | 'poison';

export const OPERATOR_ERRORS = [
  'offset reset forward',
  'offset reset back',
  'committed by a newer version',
  'position of another partition copied',
  'offset moved, metadata kept',
  'ledger deleted',
  'ledger and state deleted',
  'ledger went back',
  'state ahead',
  'log truncated',
  'log truncated and written on',
  'topic made anew',
  'topic made anew, ledger kept',
  'topic restored under another id',
  'partitions added',
  'another cluster',
  'delivery flipped',
  'output made anew',
  'output truncated',
  'records deleted before they were decided',
  'input compacted',
] as const;

export type OperatorError = (typeof OPERATOR_ERRORS)[number];

export interface PlannedFault {
  readonly kind: FaultKind;
  readonly atMs: number;
}

/** All that a seed decides before its history begins. */
export interface SeedPlan {
  readonly seed: number;
  readonly delivery: Delivery;
  readonly partitions: number;
  readonly instances: number;
  /** readable ones, at least */
  readonly events: number;
  readonly inputMs: number;
  readonly faults: readonly PlannedFault[];
  readonly faultsUntilMs: number;
  /** made when the faults are over; null in most histories */
  readonly operatorError: OperatorError | null;
  readonly batchRecordsMax: number;
  readonly fetchRecordsMax: number;
  readonly flushRecordsMax: number;
  readonly flushIntervalMs: number;
  readonly cacheBytes: number;
  readonly sliceKeys: number;
  readonly onUnavailable: 'stop' | 'decide-without-history';
}

const FAULTS_MIN = 6;
const FAULTS_MAX = 12;
const LONG_AGO_MS = 100;
/** until a record has ended three processes, each followed by another when its session is over */
const POISON_MS = 18_000;

export function planOf(seed: number, random: Random): SeedPlan {
  const inputMs = random.int(8_000, 20_000);
  let faultsUntilMs = inputMs + random.int(0, 6_000);
  const kinds: FaultKind[] = [...FAULTS];
  const unit = random.unit();
  if (unit < 0.35) kinds.push(...LOSSES, ...LOSSES);
  else if (unit < 0.6) kinds.push(...RETENTION, ...RETENTION);
  const faults: PlannedFault[] = Array.from({ length: random.int(FAULTS_MIN, FAULTS_MAX) }, () => ({
    kind: random.pick(kinds),
    atMs: random.int(LONG_AGO_MS, faultsUntilMs),
  }));
  if (random.chance(0.06)) {
    faults.push({ kind: 'poison', atMs: random.int(LONG_AGO_MS, Math.floor(inputMs / 4)) });
    // What was put aside must stay aside when the state is made anew.
    if (random.chance(0.7)) {
      faultsUntilMs += POISON_MS;
      faults.push({ kind: 'redis wiped', atMs: faultsUntilMs - 1 });
    }
  }
  faults.sort((a, b) => a.atMs - b.atMs);
  return {
    seed,
    delivery: random.chance(0.2) ? 'at-least-once' : 'exactly-once',
    partitions: random.int(1, 3),
    instances: random.int(1, 4),
    events: random.int(305, 380),
    inputMs,
    faults,
    faultsUntilMs,
    operatorError: random.chance(0.2) ? random.pick(OPERATOR_ERRORS) : null,
    batchRecordsMax: random.pick([1, 4, 10, 25]),
    fetchRecordsMax: random.pick([5, 20, 60]),
    flushRecordsMax: random.pick([3, 10, 40]),
    flushIntervalMs: random.pick([100, 500, 2_000]),
    cacheBytes: random.pick([1, 6_000, 1_000_000]),
    sliceKeys: random.pick([1, 2, 3, 100]),
    onUnavailable: random.chance(0.12) ? 'decide-without-history' : 'stop',
  };
}
