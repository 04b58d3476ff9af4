import type { EventView } from './event-view.ts';
import type { UserHistory } from './history.ts';
import type { Measures } from './measures.ts';

/** a dictionary key × this, without its fraction, is the field */
const PER_FIELD = 1 / 2 ** 32;

/** Distinct counts and last-seen times: in order, a value is in the window exactly when it was last seen in it. */
export function measureValues(history: UserHistory, event: EventView, out: Measures): void {
  const { layout, dictionary } = history;
  const windows = layout.windowsMs;
  const windowCount = layout.plainWindows;
  const distinct = out.distinct;
  distinct.fill(0);
  const timeMs = event.timeMs;
  const counted = layout.distinctFields;
  const longestMs = windowCount === 0 ? 0 : windows[windowCount - 1]!;
  // The hottest loop of the engine: one turn per value that the user has had.
  const { lastMs: seenMs, keys, size } = dictionary;
  for (let entry = 1; entry <= size; entry++) {
    const ageMs = timeMs - seenMs[entry]!;
    if (ageMs >= longestMs) continue;
    const field = (keys[entry]! * PER_FIELD) | 0;
    if (counted[field] === 0) continue;
    // Most values are old: from the longest window down, few steps are needed.
    let w = windowCount - 1;
    while (w > 0 && ageMs < windows[w - 1]!) w--;
    distinct[field * windowCount + w]!++;
  }
  for (let field = 0, at = 0; field < counted.length; field++, at += windowCount) {
    for (let w = 1; w < windowCount; w++) distinct[at + w]! += distinct[at + w - 1]!;
  }
  if (history.dictionaryFloorMs > -Infinity) {
    for (let w = 0; w < windowCount; w++) {
      if (history.dictionaryFloorMs > timeMs - windows[w]!) out.inexactDistinct |= 1 << w;
    }
  }
  for (let field = 0; field < counted.length; field++) {
    const hash = event.hashes[field]!;
    if (hash < 0) {
      out.valueLastMs[field] = NaN;
      continue;
    }
    const entry = dictionary.find(field, hash);
    const lastMs = entry === 0 ? -Infinity : dictionary.lastMs[entry]!;
    out.valueLastMs[field] = lastMs > timeMs - layout.lookbackMs ? lastMs : -Infinity;
  }
}
