import type { BlobReader, BlobWriter } from './blob-io.ts';
import type { EventView } from './event-view.ts';
import type { Rows } from './rows.ts';

/** Kept values of a row: 0 = none, else the zigzag of its integer + 1. */
export function writeKept(writer: BlobWriter, rows: Rows, row: number): void {
  for (let k = 0; k < rows.keptCount; k++) {
    const value = rows.kept(row, k);
    if (Number.isNaN(value)) writer.varint(0);
    else writer.varint(1 + (value < 0 ? -2 * value - 1 : 2 * value));
  }
}

export function readKept(reader: BlobReader, into: EventView): void {
  for (let k = 0; k < into.kept.length; k++) {
    const written = reader.varint();
    const zigzag = written - 1;
    if (written === 0) into.kept[k] = NaN;
    else into.kept[k] = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }
}
