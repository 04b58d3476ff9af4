/**
 * One user's history as bytes. Little-endian; varints are LEB128 up to 2^53.
 *
 *   u8 version | u8 flags | u32 filter fingerprint | u8 filter count | horizon, s | lastOffset | newestMs |
 *   newestMs - firstSeenMs
 *   located?   : newestMs - locatedMs, i32 latE7, i32 lonE7
 *   floor?     : newestMs - dictionaryFloorMs
 *   knownFrom? : newestMs - knownFromMs
 *   old rows?  : newestMs - last match per filter (+1; 0 = none); of a filter that asks for labels: last match in the panes
 *   dictionary : per field: count, then count × u32 hash (when there are old rows: + newestMs - the last of them with it, +1; 0 = none)
 *   labels?    : last label offset +1, count of verdicts that wait, then per verdict event time (delta), transaction hash (4),
 *                second × 2 + fraud (only where the layout's filters ask for labels)
 *   panes?     : count, then per pane times and totals
 *   rows       : count, count with details; oldest first:
 *                time delta, amount, kept values (zigzag + 1; 0 = none); without details: mask (with labels: per label state, transaction hash, label); with details: offset delta (zigzag), transaction hash (4),
 *                content hash (3), bit mask of fields that differ from the row before, their entries, location (the last rows only),
 *                label where the layout has labels
 *
 * With `empty`, no event was folded yet: times are written as if the newest were 0.
 *
 * Entries are numbered in the order of the dictionary, by field. Mean size is measured by `bench/state-size.mjs`.
 */

export const BLOB_FLAG = {
  located: 1,
  floor: 2,
  old: 4,
  panes: 8,
  filtersUnknown: 16,
  knownFrom: 32,
  empty: 64,
} as const;
/** a location is one of the last few of this blob, or written out */
export const LOCATION_REFS = 14;

/** Goes into the layout fingerprint: a blob of another version is never read. */
export const BLOB_VERSION = 1;
