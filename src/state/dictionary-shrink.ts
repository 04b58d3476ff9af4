import { LIMITS } from '../domain/limits.ts';
import { Dictionary } from './dictionary.ts';
import type { UserHistory } from './history.ts';

/**
 * Rebuilds the dictionary without the values that nothing can ask for; when that is not enough, also without the
 * oldest quarter of those that only rows without details refer to.
 */
export function shrinkDictionary(history: UserHistory): void {
  const old = history.dictionary;
  const rows = history.rows;
  const used = new Uint8Array(old.size + 1);
  for (let field = 0; field < rows.fieldCount; field++) {
    for (let row = history.detailStart; row < rows.end; row++) used[rows.entry(row, field)] = 1;
  }
  const horizonMs = history.newestMs - history.layout.horizonMs;
  const candidates: number[] = [];
  for (let entry = 1; entry <= old.size; entry++) {
    if (used[entry] === 0 && old.lastMs[entry]! > horizonMs) candidates.push(entry);
  }
  let floorMs = horizonMs;
  const roomMax = LIMITS.dictionaryEntriesMax * 0.75;
  used[0] = 0;
  const liveCount = candidates.length + used.reduce((sum, flag) => sum + flag, 0);
  if (liveCount >= LIMITS.dictionaryEntriesMax) {
    const excess = liveCount - roomMax;
    const times = candidates.map((entry) => old.lastMs[entry]!).sort((a, b) => a - b);
    floorMs = times[Math.min(times.length, Math.ceil(excess)) - 1] ?? horizonMs;
    history.dictionaryFloorMs = Math.max(history.dictionaryFloorMs, floorMs);
  }
  const next = new Dictionary(LIMITS.dictionaryEntriesMax);
  const renumbered = new Uint16Array(old.size + 1);
  for (let entry = 1; entry <= old.size; entry++) {
    if (used[entry] === 0 && old.lastMs[entry]! <= floorMs) continue;
    const kept = next.add(old.fieldOf(entry), old.hashOf(entry), old.lastMs[entry]!);
    renumbered[entry] = kept;
    if (old.oldMsOf(entry) > -Infinity) next.noteOld(kept, old.oldMsOf(entry));
  }
  for (let field = 0; field < rows.fieldCount; field++) {
    for (let row = rows.start; row < rows.end; row++) {
      rows.setEntry(row, field, renumbered[rows.entry(row, field)] ?? 0);
    }
  }
  history.dictionary = next;
}
