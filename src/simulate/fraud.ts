import { categoryIndex } from './categories.ts';
import { Criminal, type CriminalTools } from './criminal.ts';
import { FRAUD_PATTERNS, type FraudPattern } from './event.ts';
import { bustOut, cashAtTerminal, skim, takeOver, testCard, useCopiedCard, useStolenCard } from './fraud-patterns.ts';
import type { PaymentPlan } from './payment.ts';
import { cumulate, type Prng } from './prng.ts';
import type { User } from './user.ts';
import type { Merchant, World } from './world.ts';

const HOUR_MS = 3_600_000;

/** Relative number of episodes, in the order of FRAUD_PATTERNS; an episode of each has a different number of payments. */
const EPISODES = cumulate([2.2, 4.5, 3.2, 4.2, 1.2, 1]);

const SKIMMABLE = ['5541', '6011', '5812', '5813', '5411'].map(categoryIndex);
const VICTIMS_MAX = 500;

interface FraudTools extends CriminalTools {
  readonly users: readonly User[];
}

/** Decides which fraud happens when and to whom; the patterns themselves are in fraud-patterns.ts. */
export class Fraudsters {
  private readonly criminal: Criminal;
  private readonly users: readonly User[];
  private readonly world: World;
  private readonly prng: Prng;
  /** merchants whose terminals copy cards now */
  private readonly compromised: Merchant[] = [];
  private readonly compromisedIds = new Set<string>();
  private readonly victims: User[] = [];

  constructor(tools: FraudTools, endMs: number) {
    this.criminal = new Criminal(tools, endMs);
    this.users = tools.users;
    this.world = tools.world;
    this.prng = tools.prng;
    const count = Math.max(2, Math.round(tools.users.length / 2_500));
    for (let i = 0; i < count; i++) this.compromise(i);
  }

  /** Honest visitors of a compromised terminal lose their card's data there. */
  observe(plan: PaymentPlan): void {
    if (!this.compromisedIds.has(plan.merchant.id) || plan.isFraud || plan.merchant.terminals.length === 0) return;
    if (this.victims.length < VICTIMS_MAX) this.victims.push(plan.user);
    else this.victims[this.prng.below(VICTIMS_MAX)] = plan.user;
  }

  /** Starts episodes on this day until `budget` payments are planned. Returns how many were. */
  strike(dayMs: number, budget: number): number {
    const before = this.criminal.payments;
    const spent = (): number => this.criminal.payments - before;
    if (this.prng.chance(0.3)) this.compromise(this.prng.below(this.compromised.length));
    for (let attempts = 0; spent() < budget && attempts < 10_000 + budget * 4; attempts++) {
      const pattern = FRAUD_PATTERNS[this.prng.weighted(EPISODES)] ?? 'stolen-card';
      this.episode(pattern, dayMs);
    }
    return spent();
  }

  private episode(pattern: FraudPattern, dayMs: number): void {
    const { criminal, prng } = this;
    const hour = prng.chance(0.4) ? prng.range(0, 24) : prng.range(8, 22);
    const at = dayMs + hour * HOUR_MS;
    const user = this.victim(pattern, at);
    if (user === null) return;
    switch (pattern) {
      case 'card-testing':
        return testCard(criminal, user, at);
      case 'account-takeover':
        return takeOver(criminal, user, at);
      case 'stolen-card':
        return useStolenCard(criminal, user, at);
      case 'compromised-terminal':
        return prng.chance(0.35)
          ? cashAtTerminal(criminal, prng.pick(this.compromised), (atMs) => this.victim(pattern, atMs), at)
          : useCopiedCard(criminal, user, at);
      case 'slow-skimming':
        return skim(criminal, user, at);
      case 'bust-out':
        return bustOut(criminal, user, at);
    }
  }

  private victim(pattern: FraudPattern, at: number): User | null {
    const copied = pattern === 'compromised-terminal' && this.victims.length > 0;
    const user = copied
      ? this.victims.splice(this.prng.below(this.victims.length), 1)[0]
      : this.users[this.prng.below(this.users.length)];
    if (user === undefined || user.victimUntilMs > at || user.cardLostAtMs !== Infinity) return null;
    return user;
  }

  private compromise(slot: number): void {
    const old = this.compromised[slot];
    if (old !== undefined) this.compromisedIds.delete(old.id);
    const city = this.users[this.prng.below(this.users.length)]?.city ?? 0;
    const merchant = this.world.shop(city, this.prng.pick(SKIMMABLE), this.prng.unit());
    this.compromised[slot] = merchant;
    this.compromisedIds.add(merchant.id);
  }
}
