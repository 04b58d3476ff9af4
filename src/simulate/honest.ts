import type { Channel } from '../domain/transaction.ts';
import { CATEGORIES, type Category, categoryIndex } from './categories.ts';
import type { SimulatedEvent } from './event.ts';
import { type EntryMode, type PaymentPlan, price } from './payment.ts';
import { CITIES } from './places.ts';
import { hashInts, type Prng } from './prng.ts';
import { homeNetwork, mobileNetwork, publicNetwork, type User } from './user.ts';
import type { TokenFactory } from './tokens.ts';
import type { Merchant, World } from './world.ts';

const DAY_MS = 86_400_000;
const P2P = categoryIndex('4829');
const CASH = categoryIndex('6011');

/** What a script may fix of an otherwise ordinary payment. */
export interface Wish {
  readonly category?: number;
  readonly merchant?: Merchant;
  readonly online?: boolean;
  /** median amount in euro cents before the user's means, instead of the category's */
  readonly euroCents?: number;
  readonly ip?: string;
  readonly pattern?: SimulatedEvent['pattern'];
}

/** How people pay: their habits, in one place, for ordinary payments and for benign surprises. */
export class HonestPayer {
  private readonly world: World;
  private readonly prng: Prng;
  private readonly seed: number;
  private readonly cardIds: TokenFactory;

  constructor(world: World, prng: Prng, seed: number, cardIds: TokenFactory) {
    this.world = world;
    this.prng = prng;
    this.seed = seed | 0;
    this.cardIds = cardIds;
  }

  /** A payment of this user at this time; null when the user cannot or would not pay now. */
  plan(user: User, atMs: number, categoryId: number, wish: Wish = {}): PaymentPlan | null {
    const prng = this.prng;
    const category = CATEGORIES[categoryId];
    if (category === undefined) return null;
    if (atMs >= user.cardReplacedAtMs) {
      user.cards[0] = this.cardIds.next();
      user.cardReplacedAtMs = Infinity;
      user.cardLostAtMs = Infinity;
    }
    const travelling = atMs >= user.tripFromMs && atMs < user.tripToMs;
    const underWay = travelling && atMs < user.tripThereMs;
    const city = travelling && !underWay ? user.tripCity : user.city;
    const online =
      wish.online ??
      (underWay || prng.chance(Math.min(1, category.online * user.onlineFactor)) || category.online === 1);
    if (online && category.online === 0) return null;
    if (!online && !this.world.hasShops(categoryId)) return null;
    const card = user.cards.length > 1 && prng.chance(0.2) ? user.cards[1] : user.cards[0];
    if (card === undefined || (card === user.cards[0] && atMs >= user.cardLostAtMs)) return null;
    const merchant = wish.merchant ?? this.merchant(user, city, categoryId, category, online, travelling);
    const median = wish.euroCents ?? category.medianEuroCents;
    const means = category.prices === 'cash' || median > 2_000 ? user.means : 1 + (user.means - 1) * 0.4;
    const amountMinor = price(
      prng,
      user,
      prng.logNormal(median, category.sigma) * means * (travelling ? 1.2 : 1),
      category.prices,
    );
    const channel = channelOf(categoryId, online, merchant, prng);
    const countryCode = CITIES[city]?.country ?? user.country.code;
    const usesPhone = !online && channel === 'POS' && prng.chance(0.18);
    const knowsDevice = online ? channel !== 'MOTO' && !prng.chance(0.04) : usesPhone;
    return {
      user,
      atMs,
      merchant,
      channel,
      amountMinor,
      card,
      device: knowsDevice ? this.device(user) : null,
      ip:
        online && channel !== 'MOTO' && !prng.chance(0.02)
          ? (wish.ip ?? this.network(user, countryCode, travelling, atMs))
          : null,
      place: online && prng.chance(0.25) ? this.place(user, city, travelling) : null,
      approved: !this.declined(user, atMs, amountMinor, online),
      entryMode: this.entryMode(merchant, channel, category, usesPhone),
      isFraud: false,
      pattern: wish.pattern ?? (travelling && !underWay ? 'trip' : 'ordinary'),
    };
  }

  private merchant(
    user: User,
    city: number,
    id: number,
    category: Category,
    online: boolean,
    travelling: boolean,
  ): Merchant {
    const prng = this.prng;
    const habit = online || !travelling;
    let u = prng.unit();
    if (habit && u < category.loyalty) {
      // The user's usual merchants: fixed by a hash, so that no list of favourites must be kept.
      const favourite = prng.chance(0.6) ? 0 : prng.between(1, 3);
      u = hashInts(this.seed ^ user.index, id, favourite, online ? 99 : city) / 4294967296;
    } else {
      u = prng.unit();
    }
    return online ? this.world.onlineMerchant(id, u) : this.world.shop(city, id, u);
  }

  private device(user: User): string | null {
    const second = user.devices[1];
    return second !== undefined && this.prng.chance(0.2) ? second : (user.devices[0] ?? null);
  }

  private network(user: User, countryCode: string, travelling: boolean, atMs: number): string {
    const kind = this.prng.unit();
    if (!travelling && kind < 0.62) return user.homeIp;
    const day = Math.floor(atMs / DAY_MS);
    if (kind < 0.95) return mobileNetwork(countryCode, hashInts(this.seed, user.index, day, 7));
    return kind < 0.99 ? publicNetwork(countryCode, this.prng.next()) : homeNetwork(countryCode, this.prng.next());
  }

  private place(user: User, city: number, travelling: boolean): { lat: number; lon: number } {
    const where = travelling ? CITIES[city] : undefined;
    return where === undefined ? user : where;
  }

  private entryMode(merchant: Merchant, channel: Channel, category: Category, usesPhone: boolean): EntryMode {
    const prng = this.prng;
    switch (channel) {
      case 'MOTO':
        return 'manual';
      case 'POS':
        if (usesPhone) return 'contactless';
        if (merchant.magstripe && prng.chance(0.5)) return 'magstripe';
        return prng.chance(0.7) ? 'contactless' : 'chip';
      case 'ATM':
        return merchant.magstripe && prng.chance(0.3) ? 'magstripe' : 'chip';
      default:
        return prng.chance(category.loyalty * 0.7) ? 'stored' : 'ecom';
    }
  }

  private declined(user: User, atMs: number, amountMinor: number, online: boolean): boolean {
    const prng = this.prng;
    let probability = online ? 0.02 : 0.009;
    if (user.stretched) probability += daysToPayday(user, atMs) < 10 ? 0.09 : 0.03;
    const euroCents = amountMinor / user.country.minorPerEuroCent;
    if (euroCents > 40_000 * user.means) probability += 0.06;
    return prng.chance(probability);
  }
}

function channelOf(category: number, online: boolean, merchant: Merchant, prng: Prng): Channel {
  if (category === CASH) return 'ATM';
  if (!online) return 'POS';
  if (category === P2P) return 'P2P';
  return merchant.lax && prng.chance(0.12) ? 'MOTO' : 'ECOM';
}

/** Days until the next payday, 0 … 30, on a calendar of 30.44-day months: close enough for a rhythm. */
export function daysToPayday(user: User, atMs: number): number {
  const dayOfMonth = new Date(atMs).getUTCDate();
  return (user.payday - dayOfMonth + 30) % 30;
}
