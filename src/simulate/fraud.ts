import type { Channel } from '../domain/transaction.ts';
import { CATEGORIES, categoryIndex } from './categories.ts';
import { FRAUD_PATTERNS, type FraudPattern } from './event.ts';
import { type EntryMode, type PaymentPlan, price } from './payment.ts';
import { CITIES } from './places.ts';
import { cumulate, type Prng } from './prng.ts';
import type { TokenFactory } from './tokens.ts';
import { homeNetwork, mobileNetwork, publicNetwork, type User } from './user.ts';
import type { Merchant, World } from './world.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Relative number of episodes, in the order of FRAUD_PATTERNS; an episode of each has a different number of payments. */
const EPISODES = cumulate([2.2, 4.5, 3.2, 4.2, 1.2, 1]);

const SMALL = ['5816', '8398', '5968', '5311'].map(categoryIndex);
const GOODS = ['5732', '5311', '5651', '5816', '4829', '4511'].map(categoryIndex);
const STREET_GOODS = ['5732', '5944', '5651', '5541', '6011', '5411', '5200'].map(categoryIndex);
const ODD = ['5968', '5816', '5311', '7995', '5499', '5814'].map(categoryIndex);
const MAXED = ['5732', '5944', '6011', '4511', '5651', '5311', '7995'].map(categoryIndex);
const SKIMMABLE = ['5541', '6011', '5812', '5813', '5411'].map(categoryIndex);
const VICTIMS_MAX = 500;

interface Act {
  readonly atMs: number;
  readonly merchant: Merchant;
  readonly online: boolean;
  readonly euroCents: number;
  readonly device?: string | null;
  readonly ip?: string | null;
  readonly place?: { lat: number; lon: number } | null;
  readonly declined: number;
  readonly entryMode?: EntryMode;
  readonly card?: string;
}

export interface FraudTools {
  readonly users: readonly User[];
  readonly world: World;
  readonly prng: Prng;
  readonly deviceIds: TokenFactory;
  readonly emit: (plan: PaymentPlan) => void;
}

/** The criminals. Each pattern has a careless and a careful variant: the careful one looks like somebody's honest day. */
export class Fraudsters {
  private readonly tools: FraudTools;
  private readonly prng: Prng;
  private readonly endMs: number;
  /** merchants whose terminals copy cards now */
  private readonly compromised: Merchant[] = [];
  private readonly compromisedIds = new Set<string>();
  private readonly victims: User[] = [];
  private spent = 0;

  constructor(tools: FraudTools, endMs: number) {
    this.tools = tools;
    this.prng = tools.prng;
    this.endMs = endMs;
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
    this.spent = 0;
    if (this.prng.chance(0.3)) this.compromise(this.prng.below(this.compromised.length));
    for (let attempts = 0; this.spent < budget && attempts < 10_000 + budget * 4; attempts++) {
      const pattern = FRAUD_PATTERNS[this.prng.weighted(EPISODES)] ?? 'stolen-card';
      this.episode(pattern, dayMs);
    }
    return this.spent;
  }

  private episode(pattern: FraudPattern, dayMs: number): void {
    const prng = this.prng;
    const hour = prng.chance(0.4) ? prng.range(0, 24) : prng.range(8, 22);
    const at = dayMs + hour * HOUR_MS;
    const user = this.victim(pattern, at);
    if (user === null) return;
    switch (pattern) {
      case 'card-testing':
        return this.testCard(user, at);
      case 'account-takeover':
        return this.takeOver(user, at);
      case 'stolen-card':
        return this.useStolenCard(user, at);
      case 'compromised-terminal':
        return prng.chance(0.35) ? this.cashAtTerminal(at) : this.useCopiedCard(user, at);
      case 'slow-skimming':
        return this.skim(user, at);
      case 'bust-out':
        return this.bustOut(user, at);
    }
  }

  private victim(pattern: FraudPattern, at: number): User | null {
    const users = this.tools.users;
    const copied = pattern === 'compromised-terminal' && this.victims.length > 0;
    const user = copied
      ? this.victims.splice(this.prng.below(this.victims.length), 1)[0]
      : users[this.prng.below(users.length)];
    if (user === undefined || user.victimUntilMs > at || user.cardLostAtMs !== Infinity) return null;
    return user;
  }

  /** Many small online payments within minutes, to see which stolen numbers work; then sometimes a large one. */
  private testCard(user: User, from: number): void {
    const { world, prng, deviceIds } = this.tools;
    const careful = prng.chance(0.2);
    const merchants = Array.from({ length: prng.between(1, 3) }, () =>
      world.onlineMerchant(prng.pick(SMALL), prng.unit()),
    );
    const device = prng.chance(0.85) ? deviceIds.next() : null;
    const ip = this.hidingPlace(user);
    const euroCents = prng.pick([99, 150, 250, 499]);
    let at = from;
    for (let i = careful ? prng.between(4, 8) : prng.between(8, 24); i > 0; i--) {
      this.act(user, 'card-testing', {
        atMs: at,
        merchant: prng.pick(merchants),
        online: true,
        euroCents,
        device,
        ip,
        declined: careful ? 0.2 : 0.4,
      });
      at += 3_000 + prng.exponential(careful ? 25 * MINUTE_MS : 40_000);
    }
    if (prng.chance(0.45)) {
      at += prng.range(0.2, 6) * HOUR_MS;
      for (let i = prng.between(1, 2); i > 0; i--) {
        this.act(user, 'card-testing', {
          atMs: at,
          merchant: this.shopOnline(),
          online: true,
          euroCents: prng.between(6_000, 45_000),
          device,
          ip,
          declined: 0.15,
        });
        at += prng.range(1, 20) * MINUTE_MS;
      }
    }
    this.discover(user, at);
  }

  /** Somebody else is in the account: new device, new network, goods that can be sold, transfers. */
  private takeOver(user: User, from: number): void {
    const { prng, deviceIds } = this.tools;
    const abroad = prng.chance(0.75);
    const city = abroad ? prng.pick(CITIES) : CITIES[user.city];
    const device = prng.chance(0.96) ? deviceIds.next() : (user.devices[0] ?? null);
    const ip = abroad ? publicNetwork(city?.country ?? 'US', prng.next()) : this.hidingPlace(user);
    const factor = prng.range(1.6, 7);
    let at = from;
    for (let i = prng.between(3, 9); i > 0; i--) {
      const merchant = this.shopOnline();
      const median = CATEGORIES[merchant.category]?.medianEuroCents ?? 5_000;
      this.act(user, 'account-takeover', {
        atMs: at,
        merchant,
        online: true,
        euroCents: median * factor * prng.logNormal(1, 0.6) * user.means,
        device,
        ip,
        place: city !== undefined && prng.chance(0.25) ? city : null,
        declined: 0.12,
      });
      at += 2 * MINUTE_MS + prng.exponential(20 * MINUTE_MS);
    }
    this.discover(user, at);
  }

  /** The wallet is gone: the thief buys in the same town for a few hours. */
  private useStolenCard(user: User, from: number): void {
    const { world, prng } = this.tools;
    const away = from >= user.tripThereMs && from < user.tripToMs;
    const city = away ? user.tripCity : user.city;
    const contactlessOnly = prng.chance(0.15);
    user.cardLostAtMs = from;
    let at = from;
    for (let i = prng.between(4, 12); i > 0; i--) {
      const category = prng.pick(STREET_GOODS);
      const cash = CATEGORIES[category]?.prices === 'cash';
      if (cash && contactlessOnly) continue;
      const euroCents = contactlessOnly ? prng.between(900, 4_990) : prng.logNormal(30_000, 0.7);
      this.act(user, 'stolen-card', {
        atMs: at,
        merchant: world.shop(city, category, prng.unit()),
        online: false,
        euroCents,
        declined: cash ? 0.35 : 0.12,
        entryMode: contactlessOnly || (!cash && prng.chance(0.5)) ? 'contactless' : 'chip',
      });
      at += 3 * MINUTE_MS + prng.exponential(18 * MINUTE_MS);
    }
    this.discover(user, at);
  }

  /** A card copied at a terminal days ago, used far from its owner or online. */
  private useCopiedCard(user: User, from: number): void {
    const { world, prng, deviceIds } = this.tools;
    const online = prng.chance(0.4);
    const city = prng.chance(0.8) ? prng.below(CITIES.length) : user.city;
    const device = prng.chance(0.85) ? deviceIds.next() : null;
    const ip = this.hidingPlace(user);
    let at = from;
    for (let i = prng.between(3, 8); i > 0; i--) {
      const merchant = online ? this.shopOnline() : world.shop(city, prng.pick(STREET_GOODS), prng.unit());
      const median = CATEGORIES[merchant.category]?.medianEuroCents ?? 5_000;
      this.act(user, 'compromised-terminal', {
        atMs: at,
        merchant,
        online,
        euroCents: median * prng.logNormal(2.8, 0.7),
        device: online ? device : null,
        ip: online ? ip : null,
        declined: 0.18,
        ...(online ? {} : { entryMode: prng.chance(0.6) ? 'magstripe' : 'chip' }),
      });
      at += 5 * MINUTE_MS + prng.exponential(40 * MINUTE_MS);
    }
    this.discover(user, at);
  }

  /** A merchant in league: copied cards of several people run through one terminal. */
  private cashAtTerminal(from: number): void {
    const { prng } = this.tools;
    const merchant = prng.pick(this.compromised);
    let at = from;
    for (let i = prng.between(4, 9); i > 0; i--) {
      const user = this.victim('compromised-terminal', at);
      at += prng.exponential(25 * MINUTE_MS);
      if (user === null) continue;
      const euroCents = (CATEGORIES[merchant.category]?.medianEuroCents ?? 5_000) * prng.logNormal(2.5, 0.6);
      for (let n = prng.between(1, 4); n > 0; n--) {
        this.act(user, 'compromised-terminal', {
          atMs: at,
          merchant,
          online: false,
          euroCents,
          declined: 0.15,
          entryMode: prng.chance(0.5) ? 'magstripe' : 'chip',
        });
        at += prng.range(1, 9) * MINUTE_MS;
      }
      this.discover(user, at);
    }
  }

  /** Modest amounts, now and then, at merchants that the owner never chose: below every threshold. */
  private skim(user: User, from: number): void {
    const { world, prng, deviceIds } = this.tools;
    const merchants = Array.from({ length: prng.between(1, 3) }, () => {
      const category = prng.pick(ODD);
      return CATEGORIES[category]?.online === 0
        ? world.shop(user.city, category, prng.unit())
        : world.obscureMerchant(category, prng.unit());
    });
    const device = prng.chance(0.85) ? deviceIds.next() : null;
    const ip = this.hidingPlace(user);
    const euroCents = prng.between(900, 3_800);
    let at = from;
    let days = 0;
    for (let i = prng.between(4, 12); i > 0 && days < 20; i--) {
      const merchant = prng.pick(merchants);
      const online = merchant.terminals.length === 0;
      this.act(user, 'slow-skimming', {
        atMs: at,
        merchant,
        online,
        euroCents: euroCents * prng.range(0.8, 1.25),
        device: online ? device : null,
        ip: online ? ip : null,
        declined: 0.04,
      });
      const pause = prng.range(0.2, 2.4) * DAY_MS;
      at += pause;
      days += pause / DAY_MS;
    }
    this.discover(user, at);
  }

  /** The account's own user: spends more and more, then empties the credit line in one weekend. */
  private bustOut(user: User, from: number): void {
    const { world, prng } = this.tools;
    const factor = prng.range(3, 8);
    let at = from;
    for (let i = prng.between(8, 20); i > 0; i--) {
      const category = prng.pick(MAXED);
      const online = CATEGORIES[category]?.online !== 0 && (!world.hasShops(category) || prng.chance(0.4));
      const merchant = online
        ? world.onlineMerchant(category, prng.unit())
        : world.shop(user.city, category, prng.unit());
      const median = CATEGORIES[category]?.medianEuroCents ?? 5_000;
      this.act(user, 'bust-out', {
        atMs: at,
        merchant,
        online,
        euroCents: median * factor * prng.logNormal(1, 0.5) * user.means,
        device: online ? (user.devices[0] ?? null) : null,
        ip: online ? (prng.chance(0.6) ? user.homeIp : mobileNetwork(user.country.code, prng.next())) : null,
        declined: 0.14,
      });
      at += 10 * MINUTE_MS + prng.exponential(1.6 * HOUR_MS);
    }
    this.discover(user, at);
  }

  private act(user: User, pattern: FraudPattern, act: Act): void {
    const { prng, emit } = this.tools;
    const category = CATEGORIES[act.merchant.category];
    const card = user.cards[0];
    const atMs = Math.round(act.atMs);
    if (category === undefined || card === undefined || atMs >= this.endMs) return;
    const channel: Channel = !act.online
      ? category.prices === 'cash'
        ? 'ATM'
        : 'POS'
      : category.mcc === '4829'
        ? 'P2P'
        : act.merchant.lax && prng.chance(0.15)
          ? 'MOTO'
          : 'ECOM';
    const mail = channel === 'MOTO';
    emit({
      user,
      atMs,
      merchant: act.merchant,
      channel,
      amountMinor: price(prng, user, act.euroCents, category.prices),
      card,
      device: mail ? null : (act.device ?? null),
      ip: mail ? null : (act.ip ?? null),
      place: act.place ?? null,
      approved: !prng.chance(act.declined),
      entryMode: mail
        ? 'manual'
        : (act.entryMode ??
          (act.online ? (prng.chance(0.25) ? 'stored' : 'ecom') : prng.chance(0.6) ? 'contactless' : 'chip')),
      isFraud: true,
      pattern,
    });
    this.spent++;
  }

  /** The bank or the owner notices some time later; then a new card comes. */
  private discover(user: User, at: number): void {
    user.victimUntilMs = at + DAY_MS;
    user.cardReplacedAtMs = at + this.prng.range(2, 72) * HOUR_MS;
    user.cardLostAtMs = Math.min(user.cardLostAtMs, at + this.prng.range(0.5, 24) * HOUR_MS);
  }

  private shopOnline(): Merchant {
    const { world, prng } = this.tools;
    const category = prng.pick(GOODS);
    return prng.chance(0.7)
      ? world.onlineMerchant(category, prng.unit())
      : world.obscureMerchant(category, prng.unit());
  }

  private hidingPlace(user: User): string {
    const prng = this.prng;
    const country = prng.chance(0.5) ? user.country.code : prng.pick(CITIES).country;
    const kind = prng.unit();
    if (kind < 0.35) return mobileNetwork(country, prng.next());
    return kind < 0.6 ? homeNetwork(country, prng.next()) : publicNetwork(country, prng.next());
  }

  private compromise(slot: number): void {
    const { world, prng } = this.tools;
    const old = this.compromised[slot];
    if (old !== undefined) this.compromisedIds.delete(old.id);
    const city = this.tools.users[prng.below(this.tools.users.length)]?.city ?? 0;
    const merchant = world.shop(city, prng.pick(SKIMMABLE), prng.unit());
    this.compromised[slot] = merchant;
    this.compromisedIds.add(merchant.id);
  }
}
