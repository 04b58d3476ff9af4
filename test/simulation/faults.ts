import type { Fleet } from './fleet.ts';
import type { Life } from './life.ts';
import type { FaultKind, PlannedFault } from './plan.ts';
import type { Random } from './random.ts';
import {
  commandsFare,
  commitAtKill,
  commitAtTakeover,
  cutOff,
  failoverInFlush,
  requestsFare,
  trap,
} from './request-faults.ts';
import { INPUT, OUTPUTS, type World } from './world.ts';

/** shorter than the session of a member */
const BROKER_AWAY_MS_MAX = 2_000;
/** until its partitions are taken over */
const QUIET_MS = 6_000;

/** Lets the faults of a plan happen, and ends them all when their time is over. */
export class FaultInjector {
  /** how often each kind has happened */
  readonly counts = new Map<FaultKind, number>();
  /** registry-like: nothing is decoded until then, ms */
  decodingFailsUntilMs = -1;
  scoringStallsUntilMs = -1;
  private readonly world: World;
  private readonly fleet: Fleet;
  private readonly random: Random;
  private over = false;
  /** no fault begins before, ms */
  private quietUntilMs = -1;

  constructor(world: World, fleet: Fleet) {
    this.world = world;
    this.fleet = fleet;
    this.random = world.random.stream('faults');
  }

  plan(faults: readonly PlannedFault[]): void {
    for (const { kind, atMs } of faults) {
      this.world.scheduler.schedule(atMs, `fault: ${kind}`, () => {
        if (this.over) return;
        this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
        if (this.world.scheduler.elapsedMs >= this.quietUntilMs) this.happen(kind);
      });
    }
  }

  /** The end of all that is wrong; what is on its way arrives yet. */
  end(): void {
    const { world } = this;
    this.over = true;
    world.requestFates.length = 0;
    world.redisFates.length = 0;
    this.decodingFailsUntilMs = -1;
    this.scoringStallsUntilMs = -1;
    world.kafka.transactions.available = true;
    world.kafka.groupsAvailable = true;
    world.kafka.transactions.forgets = () => false;
    for (const name of world.kafka.topicNames()) {
      for (const log of world.kafka.topic(name).partitions) log.available = true;
    }
    world.upstream.finish();
    this.fleet.staleUntilMs = -1;
    this.fleet.heal();
  }

  private happen(kind: FaultKind): void {
    const { world, fleet, random } = this;
    const { redis, kafka, scheduler } = world;
    switch (kind) {
      case 'kill':
        return fleet.kill(fleet.some(random), random.int(0, 3_000));
      case 'kill at a request': {
        const freezes = random.chance(0.3);
        const what = trap(world, random, (life, name) => {
          if (this.over) return;
          if (freezes) fleet.freeze(life ?? fleet.named(name), random.int(1_000, 12_000));
          else fleet.kill(life ?? fleet.named(name), random.int(0, 3_000));
        });
        return scheduler.note(`trap at ${what}`);
      }
      case 'freeze':
        return fleet.freeze(fleet.some(random), random.int(500, 12_000));
      case 'stop':
        return fleet.stop(random, random.int(0, 3_000));
      case 'join':
        return fleet.join();
      case 'rebalance':
        return fleet.expel(random);
      case 'requests lost':
        return requestsFare(world, random, 'lost');
      case 'answers lost':
        return requestsFare(world, random, 'answer lost');
      case 'requests late':
        return requestsFare(world, random, 'late');
      case 'requests twice':
        return requestsFare(world, random, 'twice');
      case 'requests slow':
        if (random.chance(0.4)) return requestsFare(world, random, 'slow');
        return commitAtTakeover(world, random, (life) => {
          fleet.kill(life, random.int(0, 2_000));
          fleet.expelAll();
        });
      case 'requests refused':
        return requestsFare(world, random, 'refused');
      case 'coordinator away':
        if (random.chance(0.6)) this.for(500, 5_000, (away) => (kafka.transactions.available = !away));
        else this.for(500, 5_000, (away) => (kafka.groupsAvailable = !away));
        return;
      case 'leader away': {
        const topic = random.pick([INPUT, ...Object.values(OUTPUTS)]);
        const log = kafka.log(topic, random.int(0, world.plan.partitions - 1));
        return this.for(300, 4_000, (away) => (log.available = !away));
      }
      case 'broker killed':
        return commitAtKill(world, random, () => this.restartBroker());
      case 'cut off': {
        const life = fleet.some(random);
        if (life !== null) cutOff(world, life, scheduler.elapsedMs + random.int(1_000, 10_000));
        return;
      }
      case 'upstream hangs':
        world.upstream.hangsUntilMs = scheduler.elapsedMs + random.int(1_000, 6_000);
        return;
      case 'redis failover':
        return redis.failover(random.int(0, 12), 0);
      case 'redis failover in a flush':
        return failoverInFlush(world, random);
      case 'redis split':
        return redis.failover(random.int(0, 12), random.int(200, 3_000));
      case 'redis away':
        return redis.away(random.int(300, 6_000));
      case 'redis restart':
        return redis.restart(random.int(100, 2_000), { lostCommands: random.int(0, 20) });
      case 'redis restart empty':
        return redis.restart(random.int(100, 2_000), 'nothing');
      case 'redis wiped':
        return redis.wipe();
      case 'redis keys lost':
        return redis.forget((key) => key.endsWith('w') || random.chance(0.5));
      case 'redis commands lost':
        return commandsFare(world, random, 'lost');
      case 'redis answers lost':
        return commandsFare(world, random, 'answer lost');
      case 'redis commands late':
        return commandsFare(world, random, 'late');
      case 'redis commands twice':
        return commandsFare(world, random, 'twice');
      case 'redis scripts half':
        return commandsFare(world, random, 'half');
      case 'decoding fails':
        this.decodingFailsUntilMs = scheduler.elapsedMs + random.int(300, 4_000);
        return;
      case 'scoring stalls':
        this.scoringStallsUntilMs = scheduler.elapsedMs + random.int(300, 3_000);
        return;
      case 'retention':
        return this.retain();
      case 'stale batches':
        this.fleet.staleUntilMs = scheduler.elapsedMs + random.int(2_000, 10_000);
        return;
      case 'poison':
        return this.poison();
    }
  }

  /**
   * All that is there is away for a while. Of the markers on their way, some are written; the others are forgotten. Nothing else
   * happens until they are written after all: a takeover that is killed between the requests of its own end marker has the
   * coordinator write another one, and what Kafka has lost by then nobody brings back.
   */
  private restartBroker(): void {
    const { kafka, scheduler } = this.world;
    if (this.over || scheduler.elapsedMs < this.quietUntilMs) return;
    this.quietUntilMs = scheduler.elapsedMs + BROKER_AWAY_MS_MAX + QUIET_MS;
    this.world.requestFates.length = 0;
    this.world.redisFates.length = 0;
    const logs = kafka.topicNames().flatMap((name) => kafka.topic(name).partitions);
    this.for(300, BROKER_AWAY_MS_MAX, (away) => {
      kafka.transactions.forgets = () => away && this.random.chance(0.7);
      kafka.transactions.available = !away;
      kafka.groupsAvailable = !away;
      for (const log of logs) log.available = !away;
    });
  }

  /** One of the next records ends each process that decodes it. Nobody has seen it yet: else it would have ended somebody. */
  private poison(): void {
    const { world, fleet, random } = this;
    const partition = random.int(0, world.plan.partitions - 1);
    world.poison = { partition, offset: world.kafka.log(INPUT, partition).end + random.int(0, 3) };
    world.onPoison = (life) => {
      if (world.beganAfterPoison.has(life.name))
        world.violations.push(`${life.name} ends by a record that was put aside`);
      fleet.kill(life, random.int(0, 1_000));
    };
  }

  /** Retention takes what was decided; what was folded only too, or not yet. */
  private retain(): void {
    const { world, random } = this;
    const partition = random.int(0, world.plan.partitions - 1);
    const { committed } = world.standing(partition);
    const log = world.kafka.log(INPUT, partition);
    if (committed === null || committed <= log.start) return;
    world.archives[partition]!.absorb();
    world.retained.add(partition);
    world.kafka.deleteRecords(INPUT, partition, random.int(log.start, committed));
  }

  private for(fromMs: number, toMs: number, set: (on: boolean) => unknown): void {
    set(true);
    this.world.scheduler.schedule(this.random.int(fromMs, toMs), 'fault ends', () => set(false));
  }

  /** What a process may meet in its engine. */
  async prepare(life: Life): Promise<boolean> {
    await life.pause(this.random.skewed(4));
    return this.world.scheduler.elapsedMs < this.decodingFailsUntilMs && this.random.chance(0.7);
  }

  /** Also one record at a time. */
  decodingFails(): boolean {
    return this.world.scheduler.elapsedMs < this.decodingFailsUntilMs && this.random.chance(0.2);
  }

  async score(life: Life): Promise<void> {
    const stalls = this.world.scheduler.elapsedMs < this.scoringStallsUntilMs;
    await life.pause(stalls ? this.random.int(200, 2_500) : this.random.skewed(6));
  }
}
