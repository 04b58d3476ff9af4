import { CATEGORIES } from './categories.ts';
import { CITIES } from './places.ts';
import { cosDegrees, exp, ln } from './portable-math.ts';
import { Prng } from './prng.ts';
import type { TokenFactory } from './tokens.ts';

export interface Merchant {
  readonly id: string;
  readonly category: number;
  readonly country: string;
  /** degrees; null for a merchant that is only online */
  readonly lat: number | null;
  readonly lon: number | null;
  readonly terminals: readonly string[];
  /** its terminals still read the magnetic stripe */
  readonly magstripe: boolean;
  /** takes cards without strong authentication, or by mail and telephone */
  readonly lax: boolean;
}

const ONLINE_COUNTRIES = ['DE', 'NL', 'GB', 'US', 'FR', 'SE', 'PL', 'ES', 'IT', 'CH', 'TR', 'TH'] as const;
const ONLINE_SHARES = [0.2, 0.36, 0.5, 0.68, 0.76, 0.8, 0.86, 0.91, 0.95, 0.97, 0.99, 1] as const;

/** Merchants and their terminals, by city and category; made once per simulation. */
export class World {
  /** by city, then category */
  private readonly shops: Merchant[][][] = [];
  /** by category */
  private readonly online: Merchant[][] = [];

  constructor(seed: number, users: number, merchantIds: TokenFactory, terminalIds: TokenFactory) {
    const prng = new Prng(seed, 1);
    const totalWeight = CITIES.reduce((sum, city) => sum + city.weight, 0);
    for (const city of CITIES) {
      const cityUsers = (users * city.weight) / totalWeight;
      this.shops.push(
        CATEGORIES.map((category, index) => {
          if (category.online === 1) return [];
          const count = Math.max(4, Math.round((cityUsers * category.density) / 1_000));
          return Array.from({ length: count }, () => ({
            id: merchantIds.next(),
            category: index,
            country: city.country,
            lat: round5(city.lat + prng.normal() * 0.05),
            lon: round5(city.lon + (prng.normal() * 0.05) / cosDegrees(city.lat)),
            terminals: Array.from({ length: prng.between(1, category.terminalsMax) }, () => terminalIds.next()),
            magstripe: prng.chance(city.country === 'US' || city.country === 'TH' ? 0.35 : 0.06),
            lax: prng.chance(0.05),
          }));
        }),
      );
    }
    for (const [index, category] of CATEGORIES.entries()) {
      const count = category.online === 0 ? 0 : Math.max(12, Math.round((users * category.density) / 3_000));
      this.online.push(
        Array.from({ length: count }, () => ({
          id: merchantIds.next(),
          category: index,
          country: ONLINE_COUNTRIES[prng.weighted(ONLINE_SHARES)] ?? 'DE',
          lat: null,
          lon: null,
          terminals: [],
          magstripe: false,
          lax: prng.chance(0.3),
        })),
      );
    }
  }

  /** A shop of a city, popular ones more often (Zipf with exponent 1: rank = n^u). `u` is uniform, 0 ≤ u < 1. */
  shop(city: number, category: number, u: number): Merchant {
    return zipf(this.shops[city]?.[category], u);
  }

  /** An online merchant, popular ones more often. */
  onlineMerchant(category: number, u: number): Merchant {
    return zipf(this.online[category], u);
  }

  /** An online merchant that few people know. */
  obscureMerchant(category: number, u: number): Merchant {
    const list = this.online[category];
    const merchant = list?.[Math.floor(list.length * (0.3 + 0.7 * u))];
    if (merchant === undefined) throw new RangeError('no online merchant in this category');
    return merchant;
  }

  hasShops(category: number): boolean {
    return (this.shops[0]?.[category]?.length ?? 0) > 0;
  }
}

function zipf(list: readonly Merchant[] | undefined, u: number): Merchant {
  const n = list?.length ?? 0;
  const merchant = list?.[Math.min(n - 1, Math.floor(exp(u * ln(n + 1))) - 1)];
  if (merchant === undefined) throw new RangeError('no merchant in this category');
  return merchant;
}

export function round5(x: number): number {
  return Math.round(x * 100_000) / 100_000;
}
