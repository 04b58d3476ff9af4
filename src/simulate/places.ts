/** A city of the simulated world: real coordinates, invented people. `weight` is its share of users. */
export interface City {
  readonly country: string;
  readonly lat: number;
  readonly lon: number;
  readonly weight: number;
}

export interface Country {
  readonly code: string;
  readonly currency: string;
  /** minor units of the currency for the price of one euro cent */
  readonly minorPerEuroCent: number;
  /** minor units in one unit of the currency: 100, or 1 for yen */
  readonly minorPerUnit: number;
  /** hours east of UTC, standard time */
  readonly utcOffsetHours: number;
}

const country = (
  code: string,
  currency: string,
  minorPerEuroCent: number,
  utcOffsetHours: number,
  minorPerUnit = 100,
): Country => ({ code, currency, minorPerEuroCent, minorPerUnit, utcOffsetHours });

const COUNTRIES: readonly Country[] = [
  country('DE', 'EUR', 1, 1),
  country('FR', 'EUR', 1, 1),
  country('IT', 'EUR', 1, 1),
  country('ES', 'EUR', 1, 1),
  country('NL', 'EUR', 1, 1),
  country('AT', 'EUR', 1, 1),
  country('PT', 'EUR', 1, 0),
  country('GB', 'GBP', 0.86, 0),
  country('PL', 'PLN', 4.3, 1),
  country('CZ', 'CZK', 25, 1),
  country('SE', 'SEK', 11.3, 1),
  country('CH', 'CHF', 0.95, 1),
  country('US', 'USD', 1.1, -5),
  country('TR', 'TRY', 40, 3),
  country('TH', 'THB', 38, 7),
  country('JP', 'JPY', 1.6, 9, 1),
];

const city = (code: string, lat: number, lon: number, weight: number): City => ({ country: code, lat, lon, weight });

export const CITIES: readonly City[] = [
  city('DE', 52.52, 13.405, 10),
  city('DE', 53.551, 9.994, 6),
  city('DE', 48.137, 11.575, 6),
  city('DE', 50.938, 6.96, 5),
  city('DE', 50.11, 8.682, 4),
  city('DE', 51.34, 12.374, 3),
  city('FR', 48.857, 2.352, 9),
  city('FR', 45.764, 4.836, 4),
  city('FR', 43.297, 5.381, 3),
  city('IT', 41.903, 12.496, 6),
  city('IT', 45.464, 9.19, 5),
  city('ES', 40.417, -3.704, 6),
  city('ES', 41.385, 2.173, 5),
  city('ES', 39.57, 2.65, 1),
  city('NL', 52.368, 4.904, 5),
  city('AT', 48.208, 16.374, 4),
  city('PT', 38.722, -9.139, 2),
  city('GB', 51.507, -0.128, 8),
  city('GB', 53.48, -2.242, 4),
  city('PL', 52.23, 21.012, 4),
  city('PL', 50.065, 19.945, 2),
  city('CZ', 50.076, 14.438, 3),
  city('SE', 59.329, 18.069, 3),
  city('CH', 47.377, 8.541, 2),
  city('US', 40.713, -74.006, 3),
  city('US', 25.762, -80.192, 1),
  city('TR', 41.008, 28.978, 1),
  city('TR', 36.897, 30.713, 0.5),
  city('TH', 13.756, 100.502, 0.5),
  city('JP', 35.69, 139.692, 1),
];

const BY_CODE = new Map(COUNTRIES.map((entry) => [entry.code, entry]));

export function countryOf(code: string): Country {
  const found = BY_CODE.get(code);
  if (found === undefined) throw new RangeError(`no country ${code} in the simulated world`);
  return found;
}
