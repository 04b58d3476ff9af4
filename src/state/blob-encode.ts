import { LIMITS } from '../domain/limits.ts';
import { BLOB_FLAG, BLOB_VERSION, LOCATION_REFS } from './blob-format.ts';
import { BlobWriter } from './blob-io.ts';
import { writeKept } from './blob-kept.ts';
import { writeLabel, writeMasks, writePendingLabels } from './blob-labels.ts';
import type { Dictionary } from './dictionary.ts';
import { NO_LOCATION } from './event-view.ts';
import type { UserHistory } from './history.ts';
import { MEASURE } from './layout.ts';

const writer = new BlobWriter(LIMITS.blobBytesMax);

/** @returns a fresh, exactly sized buffer */
export function encodeHistory(history: UserHistory): Uint8Array {
  const { layout, rows, dictionary } = history;
  const old = history.detailStart > rows.start || history.panes.length > 0;
  const horizonMs = history.newestMs - layout.horizonMs;
  const empty = history.newestMs === -Infinity;
  const located = history.locatedMs > horizonMs;
  const knownFrom = history.knownFromMs > horizonMs;
  const flags =
    (located ? BLOB_FLAG.located : 0) |
    (history.dictionaryFloorMs > -Infinity ? BLOB_FLAG.floor : 0) |
    (old ? BLOB_FLAG.old : 0) |
    (history.panes.length > 0 ? BLOB_FLAG.panes : 0) |
    (history.filtersKnown ? 0 : BLOB_FLAG.filtersUnknown) |
    (knownFrom ? BLOB_FLAG.knownFrom : 0) |
    (empty ? BLOB_FLAG.empty : 0);
  writer.reset();
  writer.u8(BLOB_VERSION);
  writer.u8(flags);
  writer.u32(layout.filterFingerprint);
  writer.u8(layout.filters.length);
  writer.varint(Math.floor(layout.horizonMs / 1_000));
  writer.varint(history.lastOffset + 1);
  writer.varint(empty ? 0 : history.newestMs);
  writer.varint(empty ? 0 : history.newestMs - history.firstSeenMs);
  if (located) {
    writer.varint(history.newestMs - history.locatedMs);
    writer.u32(history.locatedLatE7);
    writer.u32(history.locatedLonE7);
  }
  if (history.dictionaryFloorMs > -Infinity) writer.varint(history.newestMs - history.dictionaryFloorMs);
  if (knownFrom) writer.varint(history.newestMs - history.knownFromMs);
  if (old) {
    for (let f = 0; f < layout.filters.length; f++) {
      const kept = (layout.labelFilters & (1 << f)) === 0 ? history.filterLastMs : history.compactedLastMs;
      writer.varint(kept[f]! > horizonMs ? history.newestMs - kept[f]! + 1 : 0);
    }
  }
  const entryIds = writeDictionary(history, dictionary, old);
  if (layout.labelFilters !== 0) writePendingLabels(writer, history);
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
    if (rows.keptCount > 0) writeKept(writer, rows, row);
    if (!rows.labelled) writer.varint(rows.filterMask(row) >>> 1);
    else {
      writeMasks(writer, rows, row);
      writer.u32(rows.transactionHash(row));
      writeLabel(writer, rows, row);
    }
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
    if (rows.keptCount > 0) writeKept(writer, rows, row);
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
    if (rows.labelled) writeLabel(writer, rows, row);
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
