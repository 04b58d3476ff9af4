import type { Channel } from '../domain/transaction.ts';
import { CATEGORIES, categoryIndex } from './categories.ts';
import type { FraudPattern } from './event.ts';
import { type EntryMode, type PaymentPlan, price } from './payment.ts';
import { CITIES } from './places.ts';
import type { Prng } from './prng.ts';
import type { TokenFactory } from './tokens.ts';
import { homeNetwork, mobileNetwork, publicNetwork, type User } from './user.ts';
import type { Merchant, World } from './world.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const GOODS = ['5732', '5311', '5651', '5816', '4829', '4511'].map(categoryIndex);

interface Act {
  readonly atMs: number;
  readonly merchant: Merchant;
  readonly online: boolean;
  readonly euroCents: number;
  readonly device?: string | null;
  readonly ip?: string | null;
  readonly place?: { lat: number; lon: number } | null;
  /** probability */
  readonly declined: number;
  readonly entryMode?: EntryMode;
}

export interface CriminalTools {
  readonly world: World;
  readonly prng: Prng;
  readonly deviceIds: TokenFactory;
  readonly emit: (plan: PaymentPlan) => void;
}

/** What every fraud pattern does: pay with what is another's, hide, and be found out. */
export class Criminal {
  readonly world: World;
  readonly prng: Prng;
  readonly deviceIds: TokenFactory;
  /** planned so far */
  payments = 0;
  private readonly emit: (plan: PaymentPlan) => void;
  private readonly endMs: number;

  constructor(tools: CriminalTools, endMs: number) {
    this.world = tools.world;
    this.prng = tools.prng;
    this.deviceIds = tools.deviceIds;
    this.emit = tools.emit;
    this.endMs = endMs;
  }

  /** Plans one payment, unless it would be after the end. */
  act(user: User, pattern: FraudPattern, act: Act): void {
    const { prng } = this;
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
    this.emit({
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
    this.payments++;
  }

  /** The bank or the owner notices some time later; then a new card comes. */
  discover(user: User, at: number): void {
    user.victimUntilMs = at + DAY_MS;
    user.cardReplacedAtMs = at + this.prng.range(2, 72) * HOUR_MS;
    user.cardLostAtMs = Math.min(user.cardLostAtMs, at + this.prng.range(0.5, 24) * HOUR_MS);
  }

  /** Where goods are bought that can be sold. */
  shopOnline(): Merchant {
    const { world, prng } = this;
    const category = prng.pick(GOODS);
    return prng.chance(0.7)
      ? world.onlineMerchant(category, prng.unit())
      : world.obscureMerchant(category, prng.unit());
  }

  /** An IP address that is not the criminal's own. */
  hidingPlace(user: User): string {
    const prng = this.prng;
    const country = prng.chance(0.5) ? user.country.code : prng.pick(CITIES).country;
    const kind = prng.unit();
    if (kind < 0.35) return mobileNetwork(country, prng.next());
    return kind < 0.6 ? homeNetwork(country, prng.next()) : publicNetwork(country, prng.next());
  }
}
