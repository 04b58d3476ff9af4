import { CATEGORIES, categoryIndex } from './categories.ts';
import type { Criminal } from './criminal.ts';
import { CITIES } from './places.ts';
import { mobileNetwork, publicNetwork, type User } from './user.ts';
import type { Merchant } from './world.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const SMALL = ['5816', '8398', '5968', '5311'].map(categoryIndex);
const STREET_GOODS = ['5732', '5944', '5651', '5541', '6011', '5411', '5200'].map(categoryIndex);
const ODD = ['5968', '5816', '5311', '7995', '5499', '5814'].map(categoryIndex);
const MAXED = ['5732', '5944', '6011', '4511', '5651', '5311', '7995'].map(categoryIndex);

// One function per episode. Each has a careless and a careful variant: the careful one looks like somebody's honest day.

/** Many small online payments within minutes, to see which stolen numbers work; then sometimes a large one. */
export function testCard(criminal: Criminal, user: User, from: number): void {
  const { world, prng, deviceIds } = criminal;
  const careful = prng.chance(0.2);
  const merchants = Array.from({ length: prng.between(1, 3) }, () =>
    world.onlineMerchant(prng.pick(SMALL), prng.unit()),
  );
  const device = prng.chance(0.85) ? deviceIds.next() : null;
  const ip = criminal.hidingPlace(user);
  const euroCents = prng.pick([99, 150, 250, 499]);
  let at = from;
  for (let i = careful ? prng.between(4, 8) : prng.between(8, 24); i > 0; i--) {
    criminal.act(user, 'card-testing', {
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
      criminal.act(user, 'card-testing', {
        atMs: at,
        merchant: criminal.shopOnline(),
        online: true,
        euroCents: prng.between(6_000, 45_000),
        device,
        ip,
        declined: 0.15,
      });
      at += prng.range(1, 20) * MINUTE_MS;
    }
  }
  criminal.discover(user, at);
}

/** Somebody else is in the account: new device, new network, goods that can be sold, transfers. */
export function takeOver(criminal: Criminal, user: User, from: number): void {
  const { prng, deviceIds } = criminal;
  const abroad = prng.chance(0.75);
  const city = abroad ? prng.pick(CITIES) : CITIES[user.city];
  const device = prng.chance(0.96) ? deviceIds.next() : (user.devices[0] ?? null);
  const ip = abroad ? publicNetwork(city?.country ?? 'US', prng.next()) : criminal.hidingPlace(user);
  const factor = prng.range(1.6, 7);
  let at = from;
  for (let i = prng.between(3, 9); i > 0; i--) {
    const merchant = criminal.shopOnline();
    const median = CATEGORIES[merchant.category]?.medianEuroCents ?? 5_000;
    criminal.act(user, 'account-takeover', {
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
  criminal.discover(user, at);
}

/** The wallet is gone: the thief buys in the same town for a few hours. */
export function useStolenCard(criminal: Criminal, user: User, from: number): void {
  const { world, prng } = criminal;
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
    criminal.act(user, 'stolen-card', {
      atMs: at,
      merchant: world.shop(city, category, prng.unit()),
      online: false,
      euroCents,
      declined: cash ? 0.35 : 0.12,
      entryMode: contactlessOnly || (!cash && prng.chance(0.5)) ? 'contactless' : 'chip',
    });
    at += 3 * MINUTE_MS + prng.exponential(18 * MINUTE_MS);
  }
  criminal.discover(user, at);
}

/** A card copied at a terminal days ago, used far from its owner or online. */
export function useCopiedCard(criminal: Criminal, user: User, from: number): void {
  const { world, prng, deviceIds } = criminal;
  const online = prng.chance(0.4);
  const city = prng.chance(0.8) ? prng.below(CITIES.length) : user.city;
  const device = prng.chance(0.85) ? deviceIds.next() : null;
  const ip = criminal.hidingPlace(user);
  let at = from;
  for (let i = prng.between(3, 8); i > 0; i--) {
    const merchant = online ? criminal.shopOnline() : world.shop(city, prng.pick(STREET_GOODS), prng.unit());
    const median = CATEGORIES[merchant.category]?.medianEuroCents ?? 5_000;
    criminal.act(user, 'compromised-terminal', {
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
  criminal.discover(user, at);
}

/** A merchant in league: copied cards of several people run through one terminal. */
export function cashAtTerminal(
  criminal: Criminal,
  merchant: Merchant,
  victimAt: (atMs: number) => User | null,
  from: number,
): void {
  const { prng } = criminal;
  let at = from;
  for (let i = prng.between(4, 9); i > 0; i--) {
    const user = victimAt(at);
    at += prng.exponential(25 * MINUTE_MS);
    if (user === null) continue;
    const euroCents = (CATEGORIES[merchant.category]?.medianEuroCents ?? 5_000) * prng.logNormal(2.5, 0.6);
    for (let n = prng.between(1, 4); n > 0; n--) {
      criminal.act(user, 'compromised-terminal', {
        atMs: at,
        merchant,
        online: false,
        euroCents,
        declined: 0.15,
        entryMode: prng.chance(0.5) ? 'magstripe' : 'chip',
      });
      at += prng.range(1, 9) * MINUTE_MS;
    }
    criminal.discover(user, at);
  }
}

/** Modest amounts, now and then, at merchants that the owner never chose: below every threshold. */
export function skim(criminal: Criminal, user: User, from: number): void {
  const { world, prng, deviceIds } = criminal;
  const merchants = Array.from({ length: prng.between(1, 3) }, () => {
    const category = prng.pick(ODD);
    return CATEGORIES[category]?.online === 0
      ? world.shop(user.city, category, prng.unit())
      : world.obscureMerchant(category, prng.unit());
  });
  const device = prng.chance(0.85) ? deviceIds.next() : null;
  const ip = criminal.hidingPlace(user);
  const euroCents = prng.between(900, 3_800);
  let at = from;
  let days = 0;
  for (let i = prng.between(4, 12); i > 0 && days < 20; i--) {
    const merchant = prng.pick(merchants);
    const online = merchant.terminals.length === 0;
    criminal.act(user, 'slow-skimming', {
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
  criminal.discover(user, at);
}

/** The account's own user: spends more and more, then empties the credit line in one weekend. */
export function bustOut(criminal: Criminal, user: User, from: number): void {
  const { world, prng } = criminal;
  const factor = prng.range(3, 8);
  let at = from;
  for (let i = prng.between(8, 20); i > 0; i--) {
    const category = prng.pick(MAXED);
    const online = CATEGORIES[category]?.online !== 0 && (!world.hasShops(category) || prng.chance(0.4));
    const merchant = online
      ? world.onlineMerchant(category, prng.unit())
      : world.shop(user.city, category, prng.unit());
    const median = CATEGORIES[category]?.medianEuroCents ?? 5_000;
    criminal.act(user, 'bust-out', {
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
  criminal.discover(user, at);
}
