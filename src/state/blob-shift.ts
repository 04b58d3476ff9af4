import { FraudstreamError } from '../domain/errors.ts';
import { decodeHistory } from './blob-decode.ts';
import { encodeHistory } from './blob-encode.ts';
import { BlobReader } from './blob-io.ts';
import type { EventView } from './event-view.ts';
import type { UserHistory } from './history.ts';
import type { Layout } from './layout.ts';

/**
 * Histories that outlive their input log. Offsets are compared only within one log, so a history that is taken to another
 * one gets offsets that are older than all of that one: below 0. What was offset `o` becomes `o - EARLIER_LOG_SHIFT`, which
 * keeps the order of its events and still tells which record it was.
 */

/** More records than a partition ever gets: 10^5 a second for more than five years. */
export const EARLIER_LOG_SHIFT = 2 ** 44;
/** The blob keeps differences of offsets, which must stay below 2^52. What is as old as that shares one offset. */
const OFFSET_MIN = -(2 ** 51);

/** Input offset of the last event that was folded into a stored history; -1 = it has seen nothing of its present log. */
export function lastOffsetOf(blob: Uint8Array): number {
  const reader = new BlobReader(blob);
  // version, flags, filter fingerprint, filter count; then the horizon: see blob-format.ts
  reader.u8();
  reader.u8();
  reader.u32();
  reader.u8();
  reader.varint();
  return reader.varint() - 1;
}

/**
 * Takes a history out of its log. One that has seen nothing of it stays as it is, so that doing this twice is doing it once.
 * Throws FS_INTERNAL for an offset that is beyond the shift.
 */
export function shiftHistory(history: UserHistory): void {
  // The label log is co-partitioned: it is another one, too.
  history.lastLabelOffset = -1;
  if (history.lastOffset < 0) return;
  if (history.lastOffset >= EARLIER_LOG_SHIFT) {
    throw new FraudstreamError('FS_INTERNAL', `offset ${history.lastOffset} is beyond ${EARLIER_LOG_SHIFT}`);
  }
  const { rows } = history;
  // three numbers a row, the offset is the last of them: see rows.ts
  for (let row = history.detailStart; row < rows.end; row++) {
    rows.f[3 * row + 2] = Math.max(rows.offset(row) - EARLIER_LOG_SHIFT, OFFSET_MIN);
  }
  history.lastOffset = -1;
}

/** The same for a stored history. Throws as `decodeHistory` does. */
export function shiftBlob(blob: Uint8Array, layout: Layout, scratch: EventView): Uint8Array {
  if (lastOffsetOf(blob) < 0) return blob;
  const history = decodeHistory(blob, layout, scratch);
  shiftHistory(history);
  return encodeHistory(history);
}
