import { CATEGORIES } from './categories.ts';
import { CITIES, type Country, countryOf } from './places.ts';
import { cosDegrees, exp } from './portable-math.ts';
import { cumulate, type Prng } from './prng.ts';
import type { TokenFactory } from './tokens.ts';

/** A person with habits. Mutable: cards are replaced, phones bought, homes moved. */
export interface User {
  readonly index: number;
  readonly id: string;
  city: number;
  lat: number;
  lon: number;
  /** of the bank: does not change with a move */
  readonly country: Country;
  readonly cards: string[];
  readonly devices: string[];
  homeIp: string;
  readonly archetype: number;
  /** hours later (or earlier) than the average person */
  readonly shiftHours: number;
  /** payments a day, average */
  readonly paymentsPerDay: number;
  /** amounts relative to the average person */
  readonly means: number;
  /** share of online payments relative to the category's */
  readonly onlineFactor: number;
  /** short of money: declined more often before payday */
  readonly stretched: boolean;
  /** day of the month, 1 … 28 */
  readonly payday: number;
  /** probability of leaving on a journey, per day */
  readonly wanderlust: number;
  tripCity: number;
  tripFromMs: number;
  /** the traveller is under way from tripFromMs to tripThereMs, and then in tripCity */
  tripThereMs: number;
  tripToMs: number;
  /** no honest payments with cards[0] from cardLostAtMs on; from cardReplacedAtMs on there is a new one. Infinity = not planned */
  cardLostAtMs: number;
  cardReplacedAtMs: number;
  /** the victim of one crime at a time */
  victimUntilMs: number;
}

interface Archetype {
  readonly share: number;
  readonly payments: number;
  readonly means: number;
  readonly online: number;
  readonly travel: number;
  readonly shift: number;
  /** factors of category weights, by mcc */
  readonly taste: Readonly<Record<string, number>>;
}

const ARCHETYPES: readonly Archetype[] = [
  {
    share: 0.16,
    payments: 1.2,
    means: 0.55,
    online: 1.3,
    travel: 0.9,
    shift: 2,
    taste: { '5816': 2.5, '5813': 2, '5814': 1.8, '5541': 0.3 },
  },
  {
    share: 0.28,
    payments: 1.1,
    means: 1.05,
    online: 0.9,
    travel: 0.8,
    shift: -0.5,
    taste: { '5411': 1.4, '5541': 1.3, '5651': 1.3, '5813': 0.4 },
  },
  {
    share: 0.26,
    payments: 1,
    means: 1.1,
    online: 1,
    travel: 1,
    shift: 0,
    taste: { '4111': 2, '5499': 2, '5812': 1.3 },
  },
  {
    share: 0.16,
    payments: 0.6,
    means: 0.8,
    online: 0.4,
    travel: 0.6,
    shift: -1.5,
    taste: { '5912': 2.5, '6011': 2, '5816': 0.1, '7995': 0.5 },
  },
  {
    share: 0.07,
    payments: 1.2,
    means: 1.9,
    online: 1.1,
    travel: 5,
    shift: 0.5,
    taste: { '4511': 5, '7011': 6, '5812': 1.8 },
  },
  {
    share: 0.07,
    payments: 1.1,
    means: 1.3,
    online: 1.4,
    travel: 1,
    shift: 1,
    taste: { '5651': 2.5, '5732': 2.5, '5311': 1.8, '5944': 3 },
  },
];

const ARCHETYPE_SHARES = cumulate(ARCHETYPES.map((archetype) => archetype.share));
const CITY_SHARES = cumulate(CITIES.map((city) => city.weight));
const MEAN_PAYMENTS = ARCHETYPES.reduce((sum, archetype) => sum + archetype.share * archetype.payments, 0);
const HOME_SIGMA = 0.6;

/** Cumulated category weights by archetype and kind of day: weekday, weekend. */
export const CATEGORY_SHARES: readonly (readonly [readonly number[], readonly number[]])[] = ARCHETYPES.map(
  (archetype) => {
    const weights = CATEGORIES.map((category) => category.weight * (archetype.taste[category.mcc] ?? 1));
    const weekend = CATEGORIES.map((category, i) => (weights[i] ?? 0) * category.weekend);
    return [cumulate(weights), cumulate(weekend)] as const;
  },
);

export interface UserIds {
  readonly users: TokenFactory;
  readonly cards: TokenFactory;
  readonly devices: TokenFactory;
}

/** One user drawn from the population; `paymentsPerDay` is the mean over all users. */
export function createUser(index: number, prng: Prng, ids: UserIds, paymentsPerDay: number): User {
  const archetypeIndex = prng.weighted(ARCHETYPE_SHARES);
  const archetype = ARCHETYPES[archetypeIndex];
  const cityIndex = prng.weighted(CITY_SHARES);
  const city = CITIES[cityIndex];
  if (archetype === undefined || city === undefined) throw new RangeError('empty population tables');
  const activity = exp(HOME_SIGMA * prng.normal() - (HOME_SIGMA * HOME_SIGMA) / 2);
  const user: User = {
    index,
    id: ids.users.next(),
    city: cityIndex,
    lat: 0,
    lon: 0,
    country: countryOf(city.country),
    cards: [ids.cards.next()],
    devices: [ids.devices.next()],
    homeIp: '',
    archetype: archetypeIndex,
    shiftHours: archetype.shift + prng.normal(),
    paymentsPerDay: (paymentsPerDay * archetype.payments * activity) / MEAN_PAYMENTS,
    means: archetype.means * prng.logNormal(1, 0.35),
    onlineFactor: archetype.online * prng.range(0.6, 1.4),
    stretched: prng.chance(0.12 / archetype.means),
    payday: prng.chance(0.5) ? prng.between(25, 28) : prng.between(1, 15),
    wanderlust: archetype.travel * prng.range(0.002, 0.014),
    tripCity: -1,
    tripFromMs: 0,
    tripThereMs: 0,
    tripToMs: 0,
    cardLostAtMs: Infinity,
    cardReplacedAtMs: Infinity,
    victimUntilMs: 0,
  };
  if (prng.chance(0.35)) user.cards.push(ids.cards.next());
  if (prng.chance(0.4)) user.devices.push(ids.devices.next());
  settle(user, cityIndex, prng);
  return user;
}

/** A home in this city, with its network address. */
export function settle(user: User, cityIndex: number, prng: Prng): void {
  const city = CITIES[cityIndex];
  if (city === undefined) throw new RangeError('no such city');
  user.city = cityIndex;
  user.lat = city.lat + prng.normal() * 0.06;
  user.lon = city.lon + (prng.normal() * 0.06) / cosDegrees(city.lat);
  user.homeIp = homeNetwork(city.country, prng.next());
}

/**
 * Addresses of the private 10.0.0.0/8 block: no real person's. The second octet tells the country and kind of
 * network: 0–79 homes, 80–159 mobile, 160–239 hotels, offices, hosting.
 */
export function homeNetwork(country: string, random: number): string {
  return address(country, 0, random);
}

/** Mobile carriers share few addresses among many customers. */
export function mobileNetwork(country: string, random: number): string {
  return address(country, 80, random & 0x0f1f);
}

export function publicNetwork(country: string, random: number): string {
  return address(country, 160, random & 0x3f3f);
}

const COUNTRY_SLOT = new Map([...new Set(CITIES.map((city) => city.country))].map((code, slot) => [code, slot]));

function address(country: string, base: number, random: number): string {
  const slot = COUNTRY_SLOT.get(country) ?? 0;
  return `10.${base + slot * 5}.${(random >>> 8) & 255}.${random & 255}`;
}
