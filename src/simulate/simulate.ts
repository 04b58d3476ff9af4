import { CATEGORIES } from './categories.ts';
import type { SimulatedEvent } from './event.ts';
import { Fraudsters } from './fraud.ts';
import { daysToPayday, HonestPayer } from './honest.ts';
import { Lookalikes } from './lookalikes.ts';
import { completeOptions, type SimulateOptions } from './options.ts';
import { type PaymentPlan, PaymentWriter } from './payment.ts';
import { hashInts, Prng } from './prng.ts';
import { TimeHeap } from './time-heap.ts';
import { TokenFactory } from './tokens.ts';
import { CATEGORY_SHARES, createUser, type User } from './user.ts';
import { World } from './world.ts';

const DAY_MS = 86_400_000;
/** payments a day, at most: a time and a slot share one exact integer */
const SLOTS = 0x200_0000;
const HOUR_MS = 3_600_000;
/** Monday … Sunday, mean 1 */
const WEEK = [0.93, 0.94, 0.96, 1.02, 1.16, 1.17, 0.82] as const;
const RESEND_PROBABILITY = 0.0006;
/** extra payments that the benign surprises add: the ordinary rate is lowered by it, to keep the total as asked */
const SURPRISE_SHARE = 0.035;

/**
 * Card payments of a population with habits, in arrival order. Pure: the same options give the same events on every
 * machine. Memory: the users and merchants, one day's payment times, and payments that were planned but have not yet
 * arrived.
 *
 * Throws FS_CONFIG_INVALID for options out of range.
 */
export function* simulate(partial: Partial<SimulateOptions> = {}): Generator<SimulatedEvent, void, undefined> {
  const options = completeOptions(partial);
  const fromMs = options.startMs - options.historyDays * DAY_MS;
  const endMs = options.startMs + Math.round(options.days * DAY_MS);
  const town = new Town(options, fromMs, endMs);
  for (let dayMs = fromMs - (fromMs % DAY_MS); dayMs < endMs; dayMs += DAY_MS) yield* town.day(dayMs);
  yield* town.rest();
}

/** Everything that lives through the days of one simulation. */
class Town {
  private readonly options: SimulateOptions;
  private readonly fromMs: number;
  private readonly endMs: number;
  private readonly queue = new TimeHeap<SimulatedEvent>();
  private readonly habits: Prng;
  private readonly luck: Prng;
  private readonly users: User[];
  private readonly writer: PaymentWriter;
  private readonly payer: HonestPayer;
  private readonly lookalikes: Lookalikes;
  private readonly fraudsters: Fraudsters;
  private readonly perUser: number;
  private fraudOwed = 0;
  /** user and category of the day's payments, by slot */
  private planned = new Uint32Array(1_024);

  constructor(options: SimulateOptions, fromMs: number, endMs: number) {
    const tokenSeed = hashInts(options.seed % 0x1_0000_0000, Math.floor(options.seed / 0x1_0000_0000));
    const token = (prefix: string): TokenFactory => new TokenFactory(prefix, tokenSeed);
    const stream = (n: number): Prng => new Prng(options.seed, n);
    const cards = token('c_');
    const devices = token('d_');
    this.options = options;
    this.fromMs = fromMs;
    this.endMs = endMs;
    this.perUser = (options.paymentsPerDay / options.users) * (1 - SURPRISE_SHARE);
    const world = new World(options.seed, options.users, token('m_'), token('p_'));
    const people = stream(2);
    const ids = { users: token('u_'), cards, devices };
    this.users = Array.from({ length: options.users }, (_, i) => createUser(i, people, ids, this.perUser));
    this.habits = stream(3);
    this.luck = stream(4);
    this.writer = new PaymentWriter(stream(5), token('t_'));
    this.payer = new HonestPayer(world, stream(6), tokenSeed, cards);
    const emit = (plan: PaymentPlan): void => this.emit(plan);
    this.lookalikes = new Lookalikes(this.payer, stream(7), devices, emit);
    this.fraudsters = new Fraudsters({ users: this.users, world, prng: stream(8), deviceIds: devices, emit }, endMs);
  }

  /** Plans a day, then makes its payments in the order of their times, yielding what has arrived meanwhile. */
  *day(dayMs: number): Generator<SimulatedEvent, void, undefined> {
    const weekday = (Math.floor(dayMs / DAY_MS) + 3) % 7;
    const times = this.planDay(dayMs, weekday);
    this.fraudOwed += this.options.paymentsPerDay * (WEEK[weekday] ?? 1) * this.options.fraudShare;
    if (this.fraudOwed >= 1) this.fraudOwed -= this.fraudsters.strike(dayMs, this.fraudOwed);
    for (const packed of times) {
      if (dayMs + packed / SLOTS >= this.endMs) break;
      const time = Math.floor(packed / SLOTS);
      const slot = packed - time * SLOTS;
      const code = this.planned[slot] ?? 0;
      const user = this.users[Math.floor(code / 32)];
      const atMs = dayMs + time;
      while (this.queue.nextMs <= atMs) {
        const event = this.queue.pop();
        if (event !== null) yield event;
      }
      if (user === undefined) continue;
      const plan = this.payer.plan(user, atMs, code % 32);
      if (plan !== null) this.pay(plan);
    }
  }

  /** What is still on its way when the last day ends. */
  *rest(): Generator<SimulatedEvent, void, undefined> {
    for (let event = this.queue.pop(); event !== null; event = this.queue.pop()) yield event;
  }

  private planDay(dayMs: number, weekday: number): Float64Array {
    const habits = this.habits;
    const weekend = weekday >= 5 ? 1 : 0;
    const factor = WEEK[weekday] ?? 1;
    const packed: number[] = [];
    for (const user of this.users) {
      this.lookalikes.surprise(user, dayMs);
      const rich = daysToPayday(user, dayMs + DAY_MS) >= 27 ? 1.3 : 0.98;
      const shares = CATEGORY_SHARES[user.archetype]?.[weekend] ?? [];
      for (let n = habits.poisson(user.paymentsPerDay * factor * rich); n > 0; n--) {
        const category = habits.weighted(shares);
        const hour = habits.weighted(CATEGORIES[category]?.hours ?? []) + habits.unit();
        const shift = user.shiftHours - user.country.utcOffsetHours;
        const time = Math.floor((((hour + shift) % 24) + 24) * HOUR_MS) % DAY_MS;
        const slot = packed.length;
        if (slot >= this.planned.length) this.grow();
        this.planned[slot] = user.index * 32 + category;
        packed.push(time * SLOTS + slot);
      }
    }
    return Float64Array.from(packed).sort();
  }

  private grow(): void {
    const larger = new Uint32Array(this.planned.length * 2);
    larger.set(this.planned);
    this.planned = larger;
  }

  /** An ordinary payment; a declined one is tried again soon, as people do. */
  private pay(plan: PaymentPlan): void {
    this.emit(plan);
    this.fraudsters.observe(plan);
    if (plan.approved || !this.luck.chance(0.6)) return;
    const atMs = plan.atMs + this.luck.between(8_000, 150_000);
    this.emit({ ...plan, atMs, approved: this.luck.chance(0.75), pattern: 'retry' });
  }

  private emit(plan: PaymentPlan): void {
    if (plan.atMs < this.fromMs || plan.atMs >= this.endMs) return;
    const event = this.writer.write(plan);
    this.queue.push(event.arrivalMs, event);
    if (!this.luck.chance(RESEND_PROBABILITY)) return;
    const again = this.writer.resend(event);
    this.queue.push(again.arrivalMs, again);
  }
}
