import { NO_LOCATION, type EventView } from '../state/event-view.ts';
import type { Measures } from '../state/measures.ts';

const EARTH_RADIUS_KM = 6_371.0088;

/** Great-circle distance (haversine) from the previous located payment; NaN when one of the two has no place. */
export function distanceKm(event: EventView, m: Measures): number {
  if (event.latE7 === NO_LOCATION || m.locatedMs === -Infinity) return NaN;
  const radians = Math.PI / 180 / 1e7;
  const sinLat = Math.sin(((event.latE7 - m.locatedLatE7) * radians) / 2);
  const sinLon = Math.sin(((event.lonE7 - m.locatedLonE7) * radians) / 2);
  const cosines = Math.cos(event.latE7 * radians) * Math.cos(m.locatedLatE7 * radians);
  const h = sinLat * sinLat + cosines * sinLon * sinLon;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}
