import { FraudstreamError } from '../domain/errors.ts';
import { BLOB_FLAG, BLOB_VERSION, LOCATION_REFS } from './blob-format.ts';
import { BlobReader } from './blob-io.ts';
import { readKept } from './blob-kept.ts';
import { readLabel, readMasks, readPendingLabels } from './blob-labels.ts';
import { Dictionary } from './dictionary.ts';
import { NO_LOCATION, type EventView } from './event-view.ts';
import { UserHistory } from './history.ts';
import { findLastMatches } from './label-fold.ts';
import { MEASURE, setMasks, type Layout } from './layout.ts';
import { emptyPane } from './panes.ts';

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
  const writtenMs = reader.varint();
  const empty = (flags & BLOB_FLAG.empty) !== 0;
  const newestMs = empty ? -Infinity : writtenMs;
  const sinceFirstMs = reader.varint();
  const firstSeenMs = empty ? Infinity : newestMs - sinceFirstMs;
  let locatedMs = -Infinity;
  let latE7 = 0;
  let lonE7 = 0;
  if (flags & BLOB_FLAG.located) {
    locatedMs = newestMs - reader.varint();
    latE7 = reader.u32() | 0;
    lonE7 = reader.u32() | 0;
  }
  const floorMs = flags & BLOB_FLAG.floor ? newestMs - reader.varint() : -Infinity;
  let knownFromMs = flags & BLOB_FLAG.knownFrom ? newestMs - reader.varint() : -Infinity;
  // What the shorter windows of an earlier catalogue did not need is gone.
  const keptFromMs = newestMs - storedHorizonMs;
  if (storedHorizonMs + 1_000 <= layout.horizonMs && firstSeenMs <= keptFromMs) {
    knownFromMs = Math.max(knownFromMs, keptFromMs);
  }
  const old = (flags & BLOB_FLAG.old) !== 0;
  const filterLast: number[] = [];
  if (old) {
    for (let f = 0; f < storedFilters; f++) {
      const ago = reader.varint();
      if (sameFilters || f === 0) filterLast.push(ago === 0 ? -Infinity : newestMs - ago + 1);
    }
  }
  const history = new UserHistory(layout, undefined, readDictionary(reader, layout, newestMs, old));
  if (layout.labelFilters !== 0) readPendingLabels(reader, history);
  history.lastOffset = lastOffset;
  history.newestMs = newestMs;
  history.firstSeenMs = firstSeenMs;
  history.locatedMs = locatedMs;
  history.locatedLatE7 = latE7;
  history.locatedLonE7 = lonE7;
  history.dictionaryFloorMs = floorMs;
  history.knownFromMs = knownFromMs;
  filterLast.forEach((lastMs, f) => {
    history.filterLastMs[f] = lastMs;
    if ((layout.labelFilters & (1 << f)) !== 0) history.compactedLastMs[f] = lastMs;
  });
  if (flags & BLOB_FLAG.panes) readPanes(reader, history, sameFilters ? Infinity : 1, storedFilters);
  readRows(reader, history, sameFilters, scratch);
  if ((flags & BLOB_FLAG.filtersUnknown) !== 0) history.filtersKnown = false;
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
    if (rows.keptCount > 0) readKept(reader, scratch);
    if (!rows.labelled) {
      const mask = reader.varint();
      scratch.filterMask = sameFilters ? (mask << 1) | 1 : 1;
      rows.set(rows.end++, scratch);
      continue;
    }
    const row = rows.end++;
    rows.set(row, scratch);
    readMasks(reader, rows, row, sameFilters);
    rows.setTransactionHash(row, reader.u32());
    readLabel(reader, rows, row);
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
    if (rows.keptCount > 0) readKept(reader, scratch);
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
    setMasks(layout, scratch);
    rows.set(row, scratch);
    if (rows.labelled) readLabel(reader, rows, row);
    for (let f = 0; f < layout.filters.length; f++) {
      if ((scratch.filterMask & (1 << f)) !== 0 && timeMs > history.filterLastMs[f]!) history.filterLastMs[f] = timeMs;
    }
  }
  if (layout.labelFilters !== 0) findLastMatches(history, layout.labelFilters);
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
