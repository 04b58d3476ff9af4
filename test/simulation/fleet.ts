import type { Delivery } from '../../src/domain/log-mark.ts';
import { Instance } from './instance.ts';
import type { Life } from './life.ts';
import type { Random } from './random.ts';
import { GROUP, type World } from './world.ts';

const INSTANCES_MAX = 4;

/** The processes of the application: each slot has one life after another. */
export class Fleet {
  delivery: Delivery;
  /** until then, a batch may come once more, ms */
  staleUntilMs = -1;
  /** how many lives there were */
  lives = 0;
  private readonly world: World;
  private readonly slots: (Instance | null)[] = [];
  private healed = false;
  private readonly stale: Random;

  constructor(world: World) {
    this.world = world;
    this.stale = world.random.stream('stale');
    this.delivery = world.plan.delivery;
  }

  get instances(): readonly Instance[] {
    return this.slots.filter((one): one is Instance => one !== null && !one.life.dead);
  }

  start(count: number): void {
    for (let k = 0; k < count; k++) this.begin(this.slots.length);
  }

  some(random: Random): Life | null {
    const running = this.instances.filter(({ life }) => !life.frozen);
    return running.length === 0 ? null : random.pick(running).life;
  }

  named(name: string): Life | null {
    return this.instances.find(({ life }) => life.name === name)?.life ?? null;
  }

  /** kill −9; what replaces it knows nothing */
  kill(life: Life | null, restartAfterMs: number): void {
    if (life === null || life.dead) return;
    const slot = this.slots.findIndex((one) => one?.life === life);
    life.kill();
    this.world.deaths++;
    this.world.scheduler.note(`${life.name} is killed`);
    this.restart(slot, restartAfterMs);
  }

  freeze(life: Life | null, ms: number): void {
    if (life === null || life.dead) return;
    life.freeze();
    this.world.deaths++;
    this.world.scheduler.note(`${life.name} is frozen for ${ms} ms`);
    this.world.scheduler.schedule(ms, `${life.name} is to thaw`, () => life.thaw());
  }

  /** SIGTERM; it may take its time. */
  stop(random: Random, restartAfterMs: number): void {
    const life = this.some(random);
    if (life === null) return;
    const slot = this.slots.findIndex((one) => one?.life === life);
    const instance = this.slots[slot] as Instance;
    this.world.scheduler.note(`${life.name} is stopped`);
    void instance.stop().then(() => {
      if (this.slots[slot] === instance) this.restart(slot, restartAfterMs);
    });
  }

  /** One more, if there is room: a rebalance. */
  join(): void {
    if (this.instances.length < INSTANCES_MAX) this.begin(this.slots.length);
  }

  /** The group forgets a member, who learns of it later. */
  expel(random: Random): void {
    const group = this.world.kafka.group(GROUP);
    if (group.memberIds.length > 0) group.expel(random.pick(group.memberIds));
  }

  expelAll(): void {
    const group = this.world.kafka.group(GROUP);
    for (const id of [...group.memberIds]) group.expel(id);
  }

  /** All run again from now on. */
  heal(): void {
    this.healed = true;
    for (const [slot, instance] of this.slots.entries()) {
      instance?.life.thaw();
      if (instance === null || instance.life.dead) this.begin(slot);
    }
  }

  /** All end, at once or in order. */
  async endAll(): Promise<void> {
    this.healed = false;
    const { scheduler } = this.world;
    const stopping = this.instances.map((instance) => instance.stop());
    let stopped = false;
    void Promise.all(stopping).then(() => (stopped = true));
    await scheduler.runUntil(scheduler.elapsedMs + 30_000, () => stopped);
    for (const { life } of this.instances) life.kill();
    // The group forgets those who did not say goodbye.
    for (const id of this.world.kafka.group(GROUP).memberIds) this.world.kafka.group(GROUP).expel(id);
    this.slots.length = 0;
  }

  private restart(slot: number, afterMs: number): void {
    this.world.scheduler.schedule(this.healed ? 0 : afterMs, `slot ${slot} starts again`, () => {
      const now = this.slots[slot];
      if (now !== undefined && (now === null || now.life.dead)) this.begin(slot);
    });
  }

  private begin(slot: number): void {
    const name = `${'abcdefgh'[slot % 8]}${slot >= 8 ? slot : ''}-${this.lives++}`;
    const { scheduler } = this.world;
    scheduler.note(`${name} starts`);
    if (this.world.isPutAside()) this.world.beganAfterPoison.add(name);
    this.slots[slot] = new Instance(
      name,
      this.world,
      this.delivery,
      () => scheduler.elapsedMs < this.staleUntilMs && this.stale.chance(0.15),
    );
  }
}
