import { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { BLOB_VERSION } from './blob-version.ts';
import { BlobReader, BlobWriter } from './blob-io.ts';
import { Dictionary } from './dictionary.ts';
import { NO_LOCATION, type EventView } from './event-view.ts';
import { UserHistory } from './history.ts';
import { MEASURE, filterMask, type Layout } from './layout.ts';
import { emptyPane } from './panes.ts';
import { Rows } from './rows.ts';

/**
 * One user's history as bytes. Little-endian; varints are LEB128 up to 2^53.
 *
 *   u8 version | u8 flags | u32 filter fingerprint | u8 filter count | horizon, s | lastOffset | newestMs |
 *   newestMs - firstSeenMs
 *   located?   : newestMs - locatedMs, i32 latE7, i32 lonE7
 *   floor?     : newestMs - dictionaryFloorMs
 *   knownFrom? : newestMs - knownFromMs
 *   old rows?  : newestMs - last match per filter (+1; 0 = none)
 *   dictionary : per field: count, then count × u32 hash (when there are old rows: + newestMs - the last of them with it, +1; 0 = none)
 *   panes?     : count, then per pane times and totals
 *   rows       : count, count with details; oldest first:
 *                time delta, amount; without details: mask; with details: offset delta (zigzag), transaction hash (4),
 *                content hash (3), bit mask of fields that differ from the row before, their entries, location (the last rows only)
 *
 * Entries are numbered in the order of the dictionary, by field. Mean size is measured by `bench/state-size.mjs`.
 */

const FLAG = { located: 1, floor: 2, old: 4, panes: 8, filtersUnknown: 16, knownFrom: 32 } as const;
/** a location is one of the last few of this blob, or written out */
const LOCATION_REFS = 14;

const writer = new BlobWriter(LIMITS.blobBytesMax);

/** @returns a fresh, exactly sized buffer */
export function encodeHistory(history: UserHistory): Uint8Array {
  const { layout, rows, dictionary } = history;
  const old = history.detailStart > rows.start || history.panes.length > 0;
  const horizonMs = history.newestMs - layout.horizonMs;
  const located = history.locatedMs > horizonMs;
  const knownFrom = history.knownFromMs > horizonMs;
  const flags =
    (located ? FLAG.located : 0) |
    (history.dictionaryFloorMs > -Infinity ? FLAG.floor : 0) |
    (old ? FLAG.old : 0) |
    (history.panes.length > 0 ? FLAG.panes : 0) |
    (history.filtersKnown ? 0 : FLAG.filtersUnknown) |
    (knownFrom ? FLAG.knownFrom : 0);
  writer.reset();
  writer.u8(BLOB_VERSION);
  writer.u8(flags);
  writer.u32(layout.filterFingerprint);
  writer.u8(layout.filters.length);
  writer.varint(Math.floor(layout.horizonMs / 1_000));
  writer.varint(history.lastOffset + 1);
  writer.varint(history.newestMs);
  writer.varint(history.newestMs - history.firstSeenMs);
  if (located) {
    writer.varint(history.newestMs - history.locatedMs);
    writer.u32(history.locatedLatE7);
    writer.u32(history.locatedLonE7);
  }
  if (history.dictionaryFloorMs > -Infinity) writer.varint(history.newestMs - history.dictionaryFloorMs);
  if (knownFrom) writer.varint(history.newestMs - history.knownFromMs);
  if (old)
    for (const lastMs of history.filterLastMs) writer.varint(lastMs > horizonMs ? history.newestMs - lastMs + 1 : 0);
  const entryIds = writeDictionary(history, dictionary, old);
  if (history.panes.length > 0) writePanes(history);
  writeRows(history, entryIds);
  return writer.take();
}

/** Blob numbers of the entries, by field and then by age; values that nothing can ask for stay behind. */
let entryIdScratch = new Uint16Array(64);

function writeDictionary(history: UserHistory, dictionary: Dictionary, old: boolean): Uint16Array {
  const horizonMs = history.newestMs - history.layout.horizonMs;
  const fieldCount = history.layout.fields.length;
  const size = dictionary.size;
  if (entryIdScratch.length <= size) entryIdScratch = new Uint16Array(size * 2);
  const ids = entryIdScratch;
  const counts = new Uint16Array(fieldCount);
  for (let entry = 1; entry <= size; entry++) {
    if (dictionary.lastMs[entry]! > horizonMs) counts[dictionary.fieldOf(entry)]!++;
  }
  let next = 1;
  const starts = new Uint16Array(fieldCount);
  for (let field = 0; field < fieldCount; field++) {
    starts[field] = next;
    next += counts[field]!;
  }
  ids[0] = 0;
  const order = new Uint16Array(next);
  for (let entry = 1; entry <= size; entry++) {
    if (dictionary.lastMs[entry]! <= horizonMs) {
      ids[entry] = 0;
      continue;
    }
    const id = starts[dictionary.fieldOf(entry)]!++;
    ids[entry] = id;
    order[id] = entry;
  }
  let id = 1;
  for (let field = 0; field < fieldCount; field++) {
    writer.varint(counts[field]!);
    for (let k = 0; k < counts[field]!; k++, id++) {
      const entry = order[id]!;
      writer.u32(dictionary.hashOf(entry));
      if (!old) continue;
      const oldMs = dictionary.oldMsOf(entry);
      writer.varint(oldMs > horizonMs ? history.newestMs - oldMs + 1 : 0);
    }
  }
  return ids;
}

function writePanes(history: UserHistory): void {
  writer.varint(history.panes.length);
  for (const pane of history.panes) {
    writer.varint(history.newestMs - pane.lastMs);
    writer.varint(pane.lastMs - pane.firstMs);
    for (let at = 0; at < pane.totals.length; at += MEASURE.stride) {
      const count = pane.totals[at]!;
      writer.varint(count);
      if (count === 0) continue;
      for (let c = 1; c < MEASURE.stride; c++) writer.number(pane.totals[at + c]!);
    }
  }
}

function writeRows(history: UserHistory, entryIds: Uint16Array): void {
  const { rows, detailStart } = history;
  const fieldCount = rows.fieldCount;
  writer.varint(rows.length);
  writer.varint(rows.end - detailStart);
  let previousMs = rows.length > 0 ? rows.timeMs(rows.start) : 0;
  if (rows.length > 0) writer.varint(history.newestMs - previousMs);
  for (let row = rows.start; row < detailStart; row++) {
    const timeMs = rows.timeMs(row);
    writer.varint(timeMs - previousMs);
    previousMs = timeMs;
    writer.varint(rows.amountMinor(row));
    writer.varint(rows.filterMask(row) >>> 1);
  }
  const locatedFrom = firstKeptLocation(history);
  const locations: number[] = [];
  // The fields that change most have the lowest bits, for want of a better order the last ones of the alphabet.
  const top = fieldCount - 1;
  writer.varint(rows.end - Math.min(locatedFrom, rows.end));
  let previousOffset = 0;
  for (let row = detailStart; row < rows.end; row++) {
    const timeMs = rows.timeMs(row);
    writer.varint(timeMs - previousMs);
    previousMs = timeMs;
    writer.varint(rows.amountMinor(row));
    const offset = rows.offset(row);
    writer.zigzag(offset - previousOffset);
    previousOffset = offset;
    writer.u32(rows.transactionHash(row));
    writer.u24(rows.contentHash(row));
    let changed = 0;
    for (let field = 0; field < fieldCount; field++) {
      if (row === detailStart || rows.entry(row, field) !== rows.entry(row - 1, field)) changed |= 1 << (top - field);
    }
    const located = row >= locatedFrom && rows.latE7(row) !== NO_LOCATION;
    if (row < locatedFrom) writer.varint(changed);
    else writer.varint(changed * 2 + (located ? 1 : 0));
    for (let field = 0; field < fieldCount; field++) {
      if ((changed & (1 << (top - field))) !== 0) writer.varint(entryIds[rows.entry(row, field)]!);
    }
    if (located) writeLocation(rows.latE7(row), rows.lonE7(row), locations);
  }
}

function writeLocation(latE7: number, lonE7: number, locations: number[]): void {
  for (let ref = 0; ref < locations.length; ref += 2) {
    if (locations[ref] === latE7 && locations[ref + 1] === lonE7) {
      writer.u8(1 + ref / 2);
      return;
    }
  }
  writer.u8(0);
  writer.u32(latE7);
  writer.u32(lonE7);
  if (locations.length === LOCATION_REFS * 2) locations.splice(0, 2);
  locations.push(latE7, lonE7);
}

/** See `measureAsOf`: locations are kept for the allowed lateness, and the last one before that. */
function firstKeptLocation(history: UserHistory): number {
  const { rows } = history;
  const keptFromMs = history.newestMs - history.layout.latenessMs;
  let row = rows.upperBound(keptFromMs) - 1;
  while (row >= history.detailStart && rows.latE7(row) === NO_LOCATION) row--;
  return Math.max(row, history.detailStart);
}

/**
 * @throws FS_STATE_CORRUPT when the bytes are not a history of this layout (the caller has compared the layout
 * fingerprint before)
 */
export function decodeHistory(blob: Uint8Array, layout: Layout, scratch: EventView): UserHistory {
  try {
    return readHistory(new BlobReader(blob), layout, scratch);
  } catch (error) {
    if (error instanceof FraudstreamError) throw error;
    throw new FraudstreamError('FS_STATE_CORRUPT', 'the bytes end early', {}, { cause: error });
  }
}

function readHistory(reader: BlobReader, layout: Layout, scratch: EventView): UserHistory {
  const version = reader.u8();
  if (version !== BLOB_VERSION) {
    throw new FraudstreamError('FS_STATE_LAYOUT', `blob version ${version}, this program reads ${BLOB_VERSION}`);
  }
  const flags = reader.u8();
  const sameFilters = reader.u32() === layout.filterFingerprint;
  const storedFilters = reader.u8();
  const storedHorizonMs = reader.varint() * 1_000;
  const lastOffset = reader.varint() - 1;
  const newestMs = reader.varint();
  const firstSeenMs = newestMs - reader.varint();
  let locatedMs = -Infinity;
  let latE7 = 0;
  let lonE7 = 0;
  if (flags & FLAG.located) {
    locatedMs = newestMs - reader.varint();
    latE7 = reader.u32() | 0;
    lonE7 = reader.u32() | 0;
  }
  const floorMs = flags & FLAG.floor ? newestMs - reader.varint() : -Infinity;
  let knownFromMs = flags & FLAG.knownFrom ? newestMs - reader.varint() : -Infinity;
  // What the shorter windows of an earlier catalogue did not need is gone.
  const keptFromMs = newestMs - storedHorizonMs;
  if (storedHorizonMs + 1_000 <= layout.horizonMs && firstSeenMs <= keptFromMs) {
    knownFromMs = Math.max(knownFromMs, keptFromMs);
  }
  const old = (flags & FLAG.old) !== 0;
  const filterLast: number[] = [];
  if (old) {
    for (let f = 0; f < storedFilters; f++) {
      const ago = reader.varint();
      if (sameFilters || f === 0) filterLast.push(ago === 0 ? -Infinity : newestMs - ago + 1);
    }
  }
  const dictionary = readDictionary(reader, layout, newestMs, old);
  const history = new UserHistory(layout, new Rows(layout.fields.length, 8), dictionary);
  history.lastOffset = lastOffset;
  history.newestMs = newestMs;
  history.firstSeenMs = firstSeenMs;
  history.locatedMs = locatedMs;
  history.locatedLatE7 = latE7;
  history.locatedLonE7 = lonE7;
  history.dictionaryFloorMs = floorMs;
  history.knownFromMs = knownFromMs;
  filterLast.forEach((lastMs, f) => (history.filterLastMs[f] = lastMs));
  if (flags & FLAG.panes) readPanes(reader, history, sameFilters ? Infinity : 1, storedFilters);
  readRows(reader, history, sameFilters, scratch);
  if ((flags & FLAG.filtersUnknown) !== 0) history.filtersKnown = false;
  if (!reader.atEnd) throw new FraudstreamError('FS_STATE_CORRUPT', 'bytes are left after the history');
  history.restored();
  return history;
}

function readDictionary(reader: BlobReader, layout: Layout, newestMs: number, old: boolean): Dictionary {
  const dictionary = new Dictionary(capacityFor(reader.left / 12));
  for (let field = 0; field < layout.fields.length; field++) {
    const count = reader.count();
    for (let k = 0; k < count; k++) {
      const hash = reader.u32();
      const ago = old ? reader.varint() : 0;
      const entry = dictionary.add(field, hash, ago === 0 ? -Infinity : newestMs - ago + 1);
      if (ago !== 0) dictionary.noteOld(entry, newestMs - ago + 1);
    }
  }
  return dictionary;
}

function capacityFor(entries: number): number {
  let capacity = 16;
  while (capacity < entries && capacity < 256) capacity *= 2;
  return capacity;
}

/** Of a pane that was filtered by other filters only the totals of all its events are of use. */
function readPanes(reader: BlobReader, history: UserHistory, kept: number, stored: number): void {
  const count = reader.count();
  for (let p = 0; p < count; p++) {
    const pane = emptyPane(history.layout);
    pane.lastMs = history.newestMs - reader.varint();
    pane.firstMs = pane.lastMs - reader.varint();
    for (let f = 0; f < stored; f++) {
      const events = reader.varint();
      const at = f * MEASURE.stride;
      if (events === 0) continue;
      if (f < kept) pane.totals[at] = events;
      for (let c = 1; c < MEASURE.stride; c++) {
        const total = reader.number();
        if (f < kept) pane.totals[at + c] = total;
      }
    }
    history.panes.push(pane);
  }
}

function readRows(reader: BlobReader, history: UserHistory, sameFilters: boolean, scratch: EventView): void {
  const { layout, rows, dictionary } = history;
  const fieldCount = layout.fields.length;
  const count = reader.count();
  const detailed = reader.count();
  rows.reserve(count + (count >> 2) + 2);
  let timeMs = count > 0 ? history.newestMs - reader.varint() : 0;
  scratch.transactionHash = 0;
  scratch.latE7 = NO_LOCATION;
  scratch.lonE7 = NO_LOCATION;
  scratch.contentHash = 0;
  scratch.offset = -1;
  for (let k = detailed; k < count; k++) {
    timeMs += reader.varint();
    scratch.timeMs = timeMs;
    scratch.amountMinor = reader.varint();
    const mask = reader.varint();
    scratch.filterMask = sameFilters ? (mask << 1) | 1 : 1;
    rows.set(rows.end++, scratch);
  }
  const entries = new Uint16Array(fieldCount);
  const locations: number[] = [];
  const top = fieldCount - 1;
  const locatedFrom = detailed - reader.varint();
  let offset = 0;
  for (let k = 0; k < detailed; k++) {
    timeMs += reader.varint();
    scratch.timeMs = timeMs;
    scratch.amountMinor = reader.varint();
    offset += reader.zigzag();
    scratch.offset = offset;
    scratch.transactionHash = reader.u32();
    scratch.contentHash = reader.u24();
    const head = reader.varint();
    const mayBeLocated = k >= locatedFrom;
    const changed = mayBeLocated ? Math.floor(head / 2) : head;
    const row = rows.end++;
    for (let field = 0; field < fieldCount; field++) {
      if ((changed & (1 << (top - field))) !== 0) {
        const entry = reader.varint();
        if (entry > dictionary.size) throw new FraudstreamError('FS_STATE_CORRUPT', 'unknown dictionary entry');
        entries[field] = entry;
      }
      const entry = entries[field]!;
      rows.setEntry(row, field, entry);
      if (entry !== 0 && timeMs > dictionary.lastMs[entry]!) dictionary.lastMs[entry] = timeMs;
      scratch.hashes[field] = entry === 0 ? -1 : dictionary.hashOf(entry);
    }
    scratch.latE7 = NO_LOCATION;
    scratch.lonE7 = NO_LOCATION;
    if (mayBeLocated && (head & 1) !== 0) readLocation(reader, locations, scratch);
    scratch.filterMask = filterMask(layout, scratch.hashes, scratch.amountMinor);
    rows.set(row, scratch);
    for (let f = 0; f < layout.filters.length; f++) {
      if ((scratch.filterMask & (1 << f)) !== 0 && timeMs > history.filterLastMs[f]!) history.filterLastMs[f] = timeMs;
    }
  }
  if (!sameFilters && (detailed < count || history.panes.length > 0)) history.filtersKnown = false;
}

function readLocation(reader: BlobReader, locations: number[], into: EventView): void {
  const ref = reader.u8();
  if (ref > 0) {
    into.latE7 = locations[2 * ref - 2] ?? NO_LOCATION;
    into.lonE7 = locations[2 * ref - 1] ?? NO_LOCATION;
    return;
  }
  into.latE7 = reader.u32() | 0;
  into.lonE7 = reader.u32() | 0;
  if (locations.length === LOCATION_REFS * 2) locations.splice(0, 2);
  locations.push(into.latE7, into.lonE7);
}
