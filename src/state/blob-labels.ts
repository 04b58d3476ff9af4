import { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { BlobReader, BlobWriter } from './blob-io.ts';
import type { UserHistory } from './history.ts';
import { LABEL } from './layout.ts';
import type { Rows } from './rows.ts';

/** What a blob has more when filters ask for verdicts: see blob-format.ts. */

export function writePendingLabels(writer: BlobWriter, history: UserHistory): void {
  const { labels } = history.pendingLabels;
  writer.varint(history.lastLabelOffset + 1);
  writer.varint(labels.length);
  let previousMs = 0;
  for (const { timeMs, transactionHash, label, labelledAtS } of labels) {
    writer.varint(timeMs - previousMs);
    previousMs = timeMs;
    writer.u32(transactionHash);
    writer.varint(labelledAtS * 2 + (label === LABEL.fraud ? 1 : 0));
  }
}

export function readPendingLabels(reader: BlobReader, history: UserHistory): void {
  history.lastLabelOffset = reader.varint() - 1;
  const count = reader.count();
  if (count > LIMITS.pendingLabelsMax) throw new FraudstreamError('FS_STATE_CORRUPT', 'too many verdicts wait');
  let timeMs = 0;
  for (let k = 0; k < count; k++) {
    timeMs += reader.varint();
    const transactionHash = reader.u32();
    const verdict = reader.varint();
    const label = verdict % 2 === 1 ? LABEL.fraud : LABEL.genuine;
    history.pendingLabels.put({ timeMs, transactionHash, label, labelledAtS: Math.floor(verdict / 2) });
  }
}

/** The masks of a row without details: with no verdict, and what differs with one. */
export function writeMasks(writer: BlobWriter, rows: Rows, row: number): void {
  const mask = rows.maskIf(row, LABEL.unknown);
  writer.varint(mask >>> 1);
  writer.varint((mask ^ rows.maskIf(row, LABEL.genuine)) >>> 1);
  writer.varint((mask ^ rows.maskIf(row, LABEL.fraud)) >>> 1);
}

/** @param known false = they are of other filters */
export function readMasks(reader: BlobReader, rows: Rows, row: number, known: boolean): void {
  const mask = (reader.varint() << 1) | 1;
  const genuine = mask ^ (reader.varint() << 1);
  const fraud = mask ^ (reader.varint() << 1);
  rows.setMaskIf(row, LABEL.unknown, known ? mask : 1);
  rows.setMaskIf(row, LABEL.genuine, known ? genuine : 1);
  rows.setMaskIf(row, LABEL.fraud, known ? fraud : 1);
}

/** 0 = no verdict; else the seconds from the payment to its verdict, and what it says. */
export function writeLabel(writer: BlobWriter, rows: Rows, row: number): void {
  const label = rows.label(row);
  if (label === LABEL.unknown) {
    writer.varint(0);
    return;
  }
  const laterS = rows.labelledAtS(row) - Math.floor(rows.timeMs(row) / 1_000);
  const zigzag = laterS < 0 ? -2 * laterS - 1 : 2 * laterS;
  writer.varint(1 + zigzag * 2 + (label === LABEL.fraud ? 1 : 0));
}

/** After the row's masks are there. */
export function readLabel(reader: BlobReader, rows: Rows, row: number): void {
  const verdict = reader.varint();
  if (verdict === 0) {
    rows.setLabel(row, LABEL.unknown, 0);
    return;
  }
  const zigzag = Math.floor((verdict - 1) / 2);
  const laterS = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  const label = (verdict - 1) % 2 === 1 ? LABEL.fraud : LABEL.genuine;
  rows.setLabel(row, label, Math.floor(rows.timeMs(row) / 1_000) + laterS);
}
