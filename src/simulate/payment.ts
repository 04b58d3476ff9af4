import type { Channel, Transaction } from '../domain/transaction.ts';
import { CATEGORIES, type PriceStyle } from './categories.ts';
import type { SimulatedEvent } from './event.ts';
import type { Prng } from './prng.ts';
import type { TokenFactory } from './tokens.ts';
import type { User } from './user.ts';
import { type Merchant, round5 } from './world.ts';

export type EntryMode = 'chip' | 'contactless' | 'magstripe' | 'manual' | 'ecom' | 'stored';

/** All that distinguishes one payment from another; the writer adds ids, arrival and noise. */
export interface PaymentPlan {
  readonly user: User;
  readonly atMs: number;
  readonly merchant: Merchant;
  readonly channel: Channel;
  readonly amountMinor: number;
  readonly card: string;
  readonly device: string | null;
  readonly ip: string | null;
  /** where the payer's device says it is; null = unknown. A shop's terminal has the shop's place. */
  readonly place: { readonly lat: number; readonly lon: number } | null;
  readonly approved: boolean;
  readonly entryMode: EntryMode;
  readonly isFraud: boolean;
  readonly pattern: SimulatedEvent['pattern'];
}

/** Interned: a few combinations serve all payments. */
const ATTRIBUTES = new Map<string, Readonly<Record<string, string>>>();

function attributes(approved: boolean, entryMode: EntryMode): Record<string, string> {
  const key = approved ? entryMode : `-${entryMode}`;
  let found = ATTRIBUTES.get(key);
  if (found === undefined) {
    found = Object.freeze({ auth_result: approved ? 'approved' : 'declined', entry_mode: entryMode });
    ATTRIBUTES.set(key, found);
  }
  return found;
}

/** Turns plans into events. Everything here is drawn alike for honest payments and fraud. */
export class PaymentWriter {
  private readonly prng: Prng;
  private readonly ids: TokenFactory;

  constructor(prng: Prng, ids: TokenFactory) {
    this.prng = prng;
    this.ids = ids;
  }

  write(plan: PaymentPlan): SimulatedEvent {
    const prng = this.prng;
    const merchant = plan.merchant;
    const atTerminal = plan.channel === 'POS' || plan.channel === 'ATM';
    const terminals = merchant.terminals;
    let lat: number | null = null;
    let lon: number | null = null;
    if (atTerminal && !prng.chance(0.03)) {
      lat = merchant.lat;
      lon = merchant.lon;
    } else if (!atTerminal && plan.place !== null) {
      lat = round5(plan.place.lat + prng.normal() * 0.01);
      lon = round5(plan.place.lon + prng.normal() * 0.01);
    }
    const transaction: Transaction = {
      transaction_id: this.ids.next(),
      user_id: plan.user.id,
      event_time: plan.atMs,
      amount_minor: plan.amountMinor,
      currency: plan.user.country.currency,
      card_id: plan.card,
      merchant_id: merchant.id,
      mcc: CATEGORIES[merchant.category]?.mcc ?? '5999',
      terminal_id: atTerminal && !prng.chance(0.005) ? (terminals[prng.below(terminals.length)] ?? null) : null,
      device_id: plan.device,
      ip: plan.ip,
      country: merchant.country,
      channel: plan.channel,
      lat,
      lon,
      attributes: attributes(plan.approved, plan.entryMode),
    };
    return {
      transaction,
      arrivalMs: plan.atMs + this.delayMs(),
      isFraud: plan.isFraud,
      pattern: plan.pattern,
      isResend: false,
    };
  }

  /** The same transaction once more, as a sender does that saw no answer. */
  resend(event: SimulatedEvent): SimulatedEvent {
    return { ...event, arrivalMs: event.arrivalMs + this.prng.between(800, 60_000), isResend: true };
  }

  private delayMs(): number {
    const prng = this.prng;
    const kind = prng.unit();
    if (kind < 0.985) return prng.between(40, 900);
    if (kind < 0.999) return prng.between(2_000, 300_000);
    return prng.between(1_200_000, 21_600_000);
  }
}

/** A price as it stands on a receipt, in minor units, from an amount in euro cents. */
export function price(prng: Prng, user: User, euroCents: number, style: PriceStyle): number {
  const unit = user.country.minorPerUnit;
  const exact = Math.max(unit === 1 ? 10 : 20, euroCents * user.country.minorPerEuroCent);
  switch (style) {
    case 'any':
      return Math.round(exact);
    case 'retail': {
      const whole = Math.max(1, Math.round(exact / unit)) * unit;
      if (unit === 1) return whole;
      const end = prng.unit();
      if (end < 0.55) return whole - 1;
      if (end < 0.75) return whole - 5;
      return end < 0.85 ? whole : Math.round(exact);
    }
    case 'round': {
      const step = unit === 1 ? 10 : unit * user.country.minorPerEuroCent > 1_000 ? 500 : 10;
      return Math.max(step, Math.round(exact / step) * step);
    }
    case 'cash': {
      const note = unit * (user.country.minorPerEuroCent > 3 ? 100 : 10) * (unit === 1 ? 100 : 1);
      return Math.max(note, Math.round(exact / note) * note);
    }
  }
}
