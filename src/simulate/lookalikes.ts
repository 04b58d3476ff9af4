import { categoryIndex } from './categories.ts';
import type { BenignPattern } from './event.ts';
import type { HonestPayer, Wish } from './honest.ts';
import type { PaymentPlan } from './payment.ts';
import { CITIES } from './places.ts';
import { roughKm } from './portable-math.ts';
import { cumulate, type Prng } from './prng.ts';
import type { TokenFactory } from './tokens.ts';
import { publicNetwork, settle, type User } from './user.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Probability per user and day. Together they outnumber fraud, as in life. */
const DAILY = {
  smallBurst: 0.0045,
  spree: 0.003,
  bigPurchase: 0.005,
  newDevice: 0.0015,
  moved: 0.0003,
  foreignNetwork: 0.0025,
} as const;
const ANY = Object.values(DAILY).reduce((sum, p) => sum + p, 0);
const KINDS = cumulate(Object.values(DAILY));

const GAMES = categoryIndex('5816');
const STREET = ['5499', '5814', '5813', '4111'].map(categoryIndex);
const MALL = ['5651', '5732', '5651', '5944', '5812', '5200'].map(categoryIndex);
const BIG = ['5732', '4511', '5944', '5200', '5651', '7011'].map(categoryIndex);
const WEB = ['5311', '5732', '4511', '5651', '7011'].map(categoryIndex);

/** Honest surprises that look like fraud: trips, new phones, festivals, big purchases, moves, foreign networks. */
export class Lookalikes {
  private readonly payer: HonestPayer;
  private readonly prng: Prng;
  private readonly deviceIds: TokenFactory;
  private readonly emit: (plan: PaymentPlan) => void;

  constructor(payer: HonestPayer, prng: Prng, deviceIds: TokenFactory, emit: (plan: PaymentPlan) => void) {
    this.payer = payer;
    this.prng = prng;
    this.deviceIds = deviceIds;
    this.emit = emit;
  }

  /** Decides what this day holds for a user beyond the ordinary. Once per user and day. */
  surprise(user: User, dayMs: number): void {
    const prng = this.prng;
    const dice = prng.unit();
    if (dice < ANY) this.happen(prng.weighted(KINDS), user, dayMs);
    else if (dice < ANY + user.wanderlust && user.tripToMs < dayMs) this.travel(user, dayMs);
  }

  private happen(kind: number, user: User, dayMs: number): void {
    const prng = this.prng;
    const at = dayMs + prng.range(9, 22) * HOUR_MS - user.country.utcOffsetHours * HOUR_MS;
    switch (kind) {
      case 0:
        if (prng.chance(0.55)) this.gaming(user, at);
        else
          this.series(user, at, prng.between(6, 15), 90 * MINUTE_MS, STREET, 'small-burst', {
            euroCents: 450,
            online: false,
          });
        return;
      case 1:
        this.series(user, at, prng.between(4, 9), 70 * MINUTE_MS, MALL, 'shopping-spree', {
          euroCents: 11_000,
          online: false,
        });
        return;
      case 2:
        this.series(user, at, 1, 0, BIG, 'big-purchase', { euroCents: prng.between(40_000, 180_000) });
        return;
      case 3:
        // A new phone: the next payments come from it, at once or after a look around.
        user.devices[0] = this.deviceIds.next();
        this.series(user, at, prng.between(1, 4), 90 * MINUTE_MS, WEB, 'new-device', { online: true });
        return;
      case 4:
        settle(user, prng.below(CITIES.length), prng);
        this.series(user, at, prng.between(2, 6), 4 * HOUR_MS, MALL, 'moved-home', { euroCents: 9_000 });
        return;
      default:
        this.foreignNetwork(user, at);
    }
  }

  private gaming(user: User, at: number): void {
    const tablet = this.prng.chance(0.3) ? this.deviceIds.next() : null;
    const cents = this.prng.pick([99, 199, 499, 299]);
    this.series(
      user,
      at,
      this.prng.between(5, 18),
      5 * MINUTE_MS,
      [GAMES],
      'small-burst',
      { euroCents: cents, online: true },
      tablet,
    );
  }

  private foreignNetwork(user: User, at: number): void {
    const prng = this.prng;
    const country = prng.pick(CITIES).country;
    const device = prng.chance(0.2) ? this.deviceIds.next() : null;
    const wish = { online: true, ip: publicNetwork(country, prng.next()), euroCents: prng.between(3_000, 25_000) };
    this.series(user, at, prng.between(1, 5), 40 * MINUTE_MS, WEB, 'foreign-network', wish, device);
  }

  /** Payments one after the other; `gapMs` is the mean time between two. */
  private series(
    user: User,
    fromMs: number,
    count: number,
    gapMs: number,
    categories: readonly number[],
    pattern: BenignPattern,
    wish: Wish,
    device: string | null = null,
  ): void {
    const prng = this.prng;
    const favourite = prng.pick(categories);
    let at = fromMs;
    for (let i = 0; i < count; i++) {
      const category = prng.chance(0.5) ? favourite : prng.pick(categories);
      const plan = this.payer.plan(user, Math.round(at), category, { ...wish, pattern });
      if (plan !== null) this.emit(device !== null && plan.device !== null ? { ...plan, device } : plan);
      at += 5_000 + prng.exponential(gapMs);
    }
  }

  private travel(user: User, dayMs: number): void {
    const prng = this.prng;
    const city = prng.below(CITIES.length);
    const home = CITIES[user.city];
    const there = CITIES[city];
    if (city === user.city || home === undefined || there === undefined) return;
    const journeyHours = 2 + roughKm(home.lat, home.lon, there.lat, there.lon) / 700;
    user.tripCity = city;
    user.tripFromMs = dayMs + prng.range(4, 18) * HOUR_MS;
    user.tripThereMs = user.tripFromMs + journeyHours * HOUR_MS;
    user.tripToMs = user.tripThereMs + prng.range(1, 14) * DAY_MS;
  }
}
