import { DEAD_LETTER_HEADERS } from '../../src/codec/dead-letter.ts';
import { SCHEMA_TYPES } from '../../src/codec/schemas.ts';
import type { Decision } from '../../src/domain/decision.ts';
import type { Logger } from '../../src/domain/logger.ts';
import type { Plan } from '../../src/features/plan.ts';
import type { EngineHooks } from './engine.ts';
import type { Life } from './life.ts';
import { headerText } from './fold.ts';
import { committedIn, LogArchive } from './log-reader.ts';
import { ModelKafka } from './model-kafka.ts';
import type { RequestKind } from './model-kafka-network.ts';
import { modelKeys, stateIn, type ModelKeys } from './model-redis-store.ts';
import { ModelRedis, type RedisFate } from './model-redis.ts';
import type { RequestFate } from './network.ts';
import { Payments } from './payments.ts';
import type { SeedPlan } from './plan.ts';
import { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { Upstream } from './upstream.ts';

export const APP = 'sim';
export const GROUP = 'sim';
export const LEDGER_GROUP = 'sim.ledger';
export const INPUT = 'transactions';
export const OUTPUTS = { decisions: 'decisions', flagged: 'flagged', 'dead-letter': 'dead-letter' } as const;

/** Positions of a partition: committed input offset, and watermark of its state. */
export interface Standing {
  readonly committed: number | null;
  readonly watermark: number | null;
}

interface PartitionNames {
  readonly state: ModelKeys;
  readonly transactionalId: string;
}

export function transactionalIdOf(partition: number): string {
  return `${APP}-${INPUT}-${partition}`;
}

/** All that is outside of the processes, and outlives them. */
export class World {
  readonly plan: SeedPlan;
  readonly features: Plan;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly kafka: ModelKafka;
  readonly redis: ModelRedis;
  readonly payments: Payments;
  readonly upstream: Upstream;
  readonly archives: LogArchive[];
  /** asked in turn until one says anything but `well` */
  readonly requestFates: ((kind: RequestKind, life: Life) => RequestFate)[] = [];
  readonly redisFates: ((label: string) => RedisFate)[] = [];
  private readonly keys: readonly PartitionNames[];
  private readonly lastOffsets = new Map<number, { end: number; stable: number; last: number }>();
  hooksOf: (life: Life) => EngineHooks;
  /** offset of a record that ends the process which decodes it, by partition */
  poison: { readonly partition: number; readonly offset: number } | null = null;
  /** of a partition, when an operator has done something wrong */
  moreEvents = 12;
  /** what must not have happened, noticed when it did */
  readonly violations: string[] = [];
  /** processes that began when the record was put aside already: it must not end them */
  readonly beganAfterPoison = new Set<string>();
  /** processes that were killed or left alone by the group */
  deaths = 0;
  onPoison: (life: Life) => void = () => {};
  /** partitions whose log retention has shortened */
  readonly retained = new Set<number>();
  /** decisions that differ from the fold's and say themselves that they are not exact */
  inexact = 0;

  constructor(plan: SeedPlan, features: Plan, hooksOf: (life: Life) => EngineHooks) {
    this.plan = plan;
    this.features = features;
    this.hooksOf = hooksOf;
    const random = new Random(plan.seed);
    this.random = random;
    const scheduler = new Scheduler(random.stream('scheduler'));
    this.scheduler = scheduler;
    const markers = random.stream('markers');
    this.kafka = new ModelKafka({
      time: {
        nowMs: () => scheduler.nowMs(),
        schedule: (delayMs, run) => void scheduler.schedule(delayMs, 'kafka', run),
      },
      markerDelayMs: () => markers.skewed(markers.chance(0.05) ? 800 : 15),
      brokers: 3,
    });
    this.kafka.createTopic(INPUT, plan.partitions);
    for (const name of Object.values(OUTPUTS)) this.kafka.createTopic(name, plan.partitions);
    this.redis = new ModelRedis(scheduler, random.stream('redis'));
    this.redis.fateOf = (label) => firstFate(this.redisFates, (fate) => fate(label));
    this.payments = new Payments(random.stream('payments'), plan.partitions);
    this.upstream = new Upstream(
      scheduler,
      random.stream('upstream'),
      this.payments,
      (partition) => this.kafka.log(INPUT, partition),
      { partitions: plan.partitions, events: plan.events, durationMs: plan.inputMs },
    );
    this.keys = Array.from({ length: plan.partitions }, (_, partition) => ({
      state: modelKeys(APP, { topic: INPUT, partition }),
      transactionalId: transactionalIdOf(partition),
    }));
    this.archives = Array.from({ length: plan.partitions }, (_, p) => new LogArchive(this.kafka.log(INPUT, p)));
  }

  /** Offset of the last record that a read-committed reader may see; -1 = none. */
  lastReadable(partition: number): number {
    const log = this.kafka.log(INPUT, partition);
    const known = this.lastOffsets.get(partition);
    if (known?.end === log.end && known.stable === log.lastStableOffset) return known.last;
    const last = log.committed().at(-1)?.offset ?? -1;
    this.lastOffsets.set(partition, { end: log.end, stable: log.lastStableOffset, last });
    return last;
  }

  /** Is the record that ends processes a dead letter by now, for that reason? */
  isPutAside(): boolean {
    if (this.poison === null) return false;
    const { partition, offset } = this.poison;
    return committedIn(this.kafka.log(OUTPUTS['dead-letter'], partition)).some(
      ({ headers }) =>
        headerText(headers, DEAD_LETTER_HEADERS.offset) === String(offset) &&
        headerText(headers, DEAD_LETTER_HEADERS.code) === 'FS_INPUT_POISON',
    );
  }

  /** Input offsets of the decisions and dead letters that can be read. */
  decidedInputs(partition: number): number[] {
    const decisions = committedIn(this.kafka.log(OUTPUTS.decisions, partition)).map(
      ({ value }) => (SCHEMA_TYPES.decision.fromBuffer(value as Buffer) as Decision).input_offset,
    );
    const letters = committedIn(this.kafka.log(OUTPUTS['dead-letter'], partition)).map(({ headers }) =>
      Number(headerText(headers, DEAD_LETTER_HEADERS.offset)),
    );
    return [...decisions, ...letters].sort((a, b) => a - b);
  }

  fateOfRequest(kind: RequestKind, life: Life): RequestFate {
    return firstFate(this.requestFates, (fate) => fate(kind, life));
  }

  standing(partition: number): Standing {
    const keys = this.keys[partition] as PartitionNames;
    const { transactions } = this.kafka;
    const offsets = this.kafka.offsetsOf(LEDGER_GROUP);
    const transaction = transactions.stateOf(keys.transactionalId);
    // Committed is what the coordinator has decided to commit: its markers follow, or were forgotten and will be written yet.
    const forgotten = transactions.hasForgotten(keys.transactionalId, this.kafka.offsetsKey(LEDGER_GROUP));
    const decided =
      transaction?.state === 'prepare-commit' || (transaction && forgotten)
        ? offsets.pendingOf(transaction.producerId, INPUT, partition)
        : null;
    const found = decided ?? offsets.read(INPUT, partition);
    const { watermark } = stateIn(this.redis.data, keys.state);
    return { committed: found === null ? null : found.offset, watermark };
  }

  loggerOf(name: string): Logger | null {
    const { scheduler } = this;
    if (scheduler.trace === null) return null;
    const say = (message: string, fields: object = {}): void =>
      scheduler.trace?.(`          ${name} says: ${message} ${JSON.stringify(fields)}`);
    return { debug: say, info: say, warn: say, error: say };
  }
}

function firstFate<F, T extends string>(fates: readonly F[], ask: (fate: F) => T): T {
  for (const fate of fates) {
    const said = ask(fate);
    if (said !== 'well') return said;
  }
  return 'well' as T;
}
