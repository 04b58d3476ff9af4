import { cumulate } from './prng.ts';

export type PriceStyle = 'any' | 'retail' | 'round' | 'cash';

/** What people pay for. Amounts are euro cents before the user's means and currency. */
export interface Category {
  readonly mcc: string;
  /** share of all payments of an average user */
  readonly weight: number;
  readonly medianEuroCents: number;
  /** deviation of the logarithm */
  readonly sigma: number;
  readonly prices: PriceStyle;
  /** share of payments made online (or from account to account for P2P) */
  readonly online: number;
  /** shops per 1,000 users of a city, and online merchants per 10,000 users of the world */
  readonly density: number;
  /** terminals of a shop, at most */
  readonly terminalsMax: number;
  /** share of payments that go to one of the user's usual merchants */
  readonly loyalty: number;
  /** relative payments by local hour, cumulated */
  readonly hours: readonly number[];
  /** payments on Saturday and Sunday relative to a weekday */
  readonly weekend: number;
}

/** A day's profile from its peaks: [hour, height, width in hours]. Triangles: no transcendental functions needed. */
function hours(...peaks: readonly (readonly [number, number, number])[]): readonly number[] {
  const weights = Array.from({ length: 24 }, (_, hour) => {
    let weight = 0.01;
    for (const [at, height, width] of peaks) {
      const distance = Math.min(Math.abs(hour - at), 24 - Math.abs(hour - at));
      weight += Math.max(0, height * (1 - distance / width));
    }
    return weight;
  });
  return cumulate(weights);
}

const SHOPS = hours([11, 1, 5], [17.5, 1.4, 5]);
const MEALS = hours([12.5, 1.6, 2.5], [19.5, 1.5, 3.5]);
const EVENING = hours([21, 1.5, 5], [17, 0.5, 4]);
const ONLINE = hours([10, 0.5, 4], [14, 0.6, 6], [20.5, 1.5, 5]);
const COMMUTE = hours([8, 1.6, 2.5], [17.5, 1.5, 3], [13, 0.5, 5]);
const NIGHT = hours([22.5, 1.5, 4], [2, 0.5, 3], [17, 0.4, 5]);

const category = (
  mcc: string,
  weight: number,
  medianEuroCents: number,
  sigma: number,
  prices: PriceStyle,
  online: number,
  density: number,
  terminalsMax: number,
  loyalty: number,
  hourly: readonly number[],
  weekend: number,
): Category => ({
  mcc,
  weight,
  medianEuroCents,
  sigma,
  prices,
  online,
  density,
  terminalsMax,
  loyalty,
  hours: hourly,
  weekend,
});

export const CATEGORIES: readonly Category[] = [
  category('5411', 24, 2_650, 0.75, 'any', 0.03, 8, 4, 0.85, SHOPS, 1.2),
  category('5812', 9, 3_200, 0.65, 'round', 0.06, 10, 1, 0.45, MEALS, 1.5),
  category('5814', 9, 1_050, 0.5, 'retail', 0.12, 8, 2, 0.55, MEALS, 1.1),
  category('4111', 8, 320, 0.5, 'round', 0.35, 3, 6, 0.9, COMMUTE, 0.5),
  category('5541', 6, 5_600, 0.45, 'any', 0, 3, 3, 0.75, COMMUTE, 1.1),
  category('5912', 4, 1_600, 0.65, 'retail', 0.08, 4, 2, 0.7, SHOPS, 0.6),
  category('5651', 4, 4_900, 0.75, 'retail', 0.4, 4, 3, 0.4, SHOPS, 1.6),
  category('5732', 2, 8_900, 1.05, 'retail', 0.5, 2, 2, 0.35, SHOPS, 1.4),
  category('5311', 10, 2_900, 0.9, 'retail', 0.9, 2, 3, 0.6, ONLINE, 1.1),
  category('5816', 5, 690, 0.9, 'retail', 1, 3, 1, 0.65, ONLINE, 1.4),
  category('5968', 3, 1_090, 0.4, 'retail', 1, 2, 1, 0.95, ONLINE, 1),
  category('4511', 0.7, 17_500, 0.8, 'any', 0.95, 0.5, 1, 0.35, ONLINE, 1),
  category('7011', 0.9, 13_500, 0.7, 'round', 0.6, 2, 1, 0.1, ONLINE, 1),
  category('6011', 4, 8_000, 0.65, 'cash', 0, 3, 2, 0.7, SHOPS, 1.1),
  category('4829', 3, 4_500, 1, 'round', 1, 1, 1, 0.7, ONLINE, 1),
  category('7832', 1.5, 2_100, 0.5, 'round', 0.5, 1, 2, 0.6, EVENING, 2.2),
  category('5813', 3, 1_700, 0.6, 'round', 0, 4, 1, 0.5, NIGHT, 2),
  category('5944', 0.4, 14_500, 0.95, 'round', 0.25, 1, 1, 0.2, SHOPS, 1.5),
  category('5200', 1.6, 4_400, 0.95, 'retail', 0.2, 2, 3, 0.6, SHOPS, 1.7),
  category('7995', 0.8, 2_500, 0.9, 'round', 0.85, 1, 1, 0.8, NIGHT, 1.3),
  category('8398', 0.5, 2_200, 0.8, 'round', 0.9, 1, 1, 0.7, ONLINE, 0.9),
  category('5499', 2.5, 260, 0.35, 'round', 0, 3, 3, 0.6, COMMUTE, 0.8),
];

const BY_MCC = new Map(CATEGORIES.map((entry, index) => [entry.mcc, index]));

/** Index of a category by its code. */
export function categoryIndex(mcc: string): number {
  const index = BY_MCC.get(mcc);
  if (index === undefined) throw new RangeError(`no category ${mcc} in the simulated world`);
  return index;
}
