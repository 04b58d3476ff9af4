import type { EventView } from './event-view.ts';
import { LABEL } from './layout.ts';

/**
 * A user's raw events, sorted by (event time, offset), in one buffer. Rows live in [start, end); dropping the oldest moves
 * `start`. Late events are inserted where they belong.
 *
 * What is read together lies together, since with many users every look is a cache miss: time, amount and offset of a
 * row (float64), its coordinates, content hash and filter mask (int32), its dictionary entries (uint16). Transaction
 * hashes are a column of their own: they are searched. Where filters ask for verdicts, a row has one, and the filters'
 * answers for each that it may have.
 */
export class Rows {
  readonly fieldCount: number;
  readonly labelled: boolean;
  /** values of features that a row keeps */
  readonly keptCount: number;
  capacity: number;
  start = 0;
  end = 0;
  /** rows of timeMs, amountMinor, offset; from `3 × capacity` on the column of transaction hashes */
  f: Float64Array;
  /** rows of latE7, lonE7, contentHash, filterMask */
  i: Int32Array;
  /** rows of one entry per field */
  d: Uint16Array;
  /** rows of the filter mask per LABEL state, the state and the second of its verdict; empty when no filter asks for labels */
  l: Int32Array;
  /** rows of kept values, see `keptValue` */
  k: Float64Array;

  constructor(fieldCount: number, capacity = 8, labelled = false, keptCount = 0) {
    this.fieldCount = fieldCount;
    this.capacity = capacity;
    this.labelled = labelled;
    this.keptCount = keptCount;
    const buffer = new ArrayBuffer(bytesFor(fieldCount, capacity, labelled, keptCount));
    const labelBytes = labelled ? capacity * LABEL_STRIDE * 4 : 0;
    this.f = new Float64Array(buffer, 0, capacity * 4);
    this.k = new Float64Array(buffer, capacity * 32, capacity * keptCount);
    const from = capacity * (32 + 8 * keptCount);
    this.i = new Int32Array(buffer, from, capacity * 4);
    this.l = new Int32Array(buffer, from + capacity * 16, labelBytes / 4);
    this.d = new Uint16Array(buffer, from + capacity * 16 + labelBytes, capacity * fieldCount);
  }

  get length(): number {
    return this.end - this.start;
  }

  get bytes(): number {
    return bytesFor(this.fieldCount, this.capacity, this.labelled, this.keptCount) + 480;
  }

  timeMs(row: number): number {
    return this.f[3 * row]!;
  }

  amountMinor(row: number): number {
    return this.f[3 * row + 1]!;
  }

  offset(row: number): number {
    return this.f[3 * row + 2]!;
  }

  transactionHash(row: number): number {
    return this.f[3 * this.capacity + row]!;
  }

  setTransactionHash(row: number, hash: number): void {
    this.f[3 * this.capacity + row] = hash;
  }

  latE7(row: number): number {
    return this.i[4 * row]!;
  }

  lonE7(row: number): number {
    return this.i[4 * row + 1]!;
  }

  contentHash(row: number): number {
    return this.i[4 * row + 2]!;
  }

  filterMask(row: number): number {
    return this.i[4 * row + 3]!;
  }

  /** a feature's value as of the event's own time, in KEPT_UNITS; NaN = none */
  kept(row: number, index: number): number {
    return this.k[row * this.keptCount + index]!;
  }

  setKept(row: number, index: number, value: number): void {
    this.k[row * this.keptCount + index] = value;
  }

  /** one of LABEL */
  label(row: number): number {
    return this.l[LABEL_STRIDE * row + 3]!;
  }

  /** when the verdict was given, seconds; 0 = there is none */
  labelledAtS(row: number): number {
    return this.l[LABEL_STRIDE * row + 4]! >>> 0;
  }

  /** the filters' answers if the row had this verdict */
  maskIf(row: number, label: number): number {
    return this.l[LABEL_STRIDE * row + label]!;
  }

  setMaskIf(row: number, label: number, mask: number): void {
    this.l[LABEL_STRIDE * row + label] = mask;
  }

  /** Its filter mask follows. */
  setLabel(row: number, label: number, labelledAtS: number): void {
    const at = LABEL_STRIDE * row;
    this.l[at + 3] = label;
    this.l[at + 4] = labelledAtS;
    this.i[4 * row + 3] = this.l[at + label]!;
  }

  /** the filters' answers without a verdict */
  unlabelledMask(row: number): number {
    return this.labelled ? this.maskIf(row, LABEL.unknown) : this.filterMask(row);
  }

  entry(row: number, field: number): number {
    return this.d[row * this.fieldCount + field]!;
  }

  setEntry(row: number, field: number, entry: number): void {
    this.d[row * this.fieldCount + field] = entry;
  }

  set(row: number, event: EventView): void {
    const f = this.f;
    f[3 * row] = event.timeMs;
    f[3 * row + 1] = event.amountMinor;
    f[3 * row + 2] = event.offset;
    f[3 * this.capacity + row] = event.transactionHash;
    const i = this.i;
    i[4 * row] = event.latE7;
    i[4 * row + 1] = event.lonE7;
    i[4 * row + 2] = event.contentHash;
    i[4 * row + 3] = event.filterMask;
    for (let k = 0; k < this.keptCount; k++) this.setKept(row, k, event.kept[k]!);
    if (!this.labelled) return;
    const at = LABEL_STRIDE * row;
    this.l[at] = event.filterMask;
    this.l[at + 1] = event.genuineMask;
    this.l[at + 2] = event.fraudMask;
    this.l[at + 3] = LABEL.unknown;
    this.l[at + 4] = 0;
  }

  /** First row whose event time is after `timeMs`. Binary search; most events are the newest, so the end is tried first. */
  upperBound(timeMs: number): number {
    let low = this.start;
    let high = this.end;
    if (high === low || this.f[3 * high - 3]! <= timeMs) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.f[3 * middle]! <= timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Opens a gap at `row` (start ≤ row ≤ end) and returns its index, which differs when the rows had to move. */
  insert(row: number): number {
    let at = row;
    if (this.end === this.capacity) {
      const moved = this.start;
      this.makeRoom();
      at -= moved;
    }
    if (at < this.end) {
      this.move(at, this.end, at + 1);
    }
    this.end++;
    return at;
  }

  /** Room for at least this many rows; only before any is there. */
  reserve(rows: number): void {
    let capacity = this.capacity;
    while (capacity < rows) capacity *= 2;
    if (capacity !== this.capacity) this.take(new Rows(this.fieldCount, capacity, this.labelled, this.keptCount));
  }

  private take(other: Rows): void {
    this.f = other.f;
    this.i = other.i;
    this.d = other.d;
    this.l = other.l;
    this.k = other.k;
    this.capacity = other.capacity;
  }

  /** Either slides the rows to the front (when a quarter is free there) or doubles the capacity. */
  private makeRoom(): void {
    const length = this.end - this.start;
    if (this.start >= this.capacity >> 2 && this.start > 0) {
      this.move(this.start, this.end, 0);
    } else {
      const bigger = new Rows(this.fieldCount, this.capacity * 2, this.labelled, this.keptCount);
      copyRows(this, bigger);
      this.take(bigger);
    }
    this.start = 0;
    this.end = length;
  }

  /** Copies rows [from, to) so that they begin at `target`. */
  private move(from: number, to: number, target: number): void {
    const { f, i, d, l, k, capacity, fieldCount, keptCount } = this;
    const hashes = 3 * capacity;
    f.copyWithin(3 * target, 3 * from, 3 * to);
    f.copyWithin(hashes + target, hashes + from, hashes + to);
    i.copyWithin(4 * target, 4 * from, 4 * to);
    d.copyWithin(fieldCount * target, fieldCount * from, fieldCount * to);
    if (keptCount > 0) k.copyWithin(keptCount * target, keptCount * from, keptCount * to);
    if (this.labelled) l.copyWithin(LABEL_STRIDE * target, LABEL_STRIDE * from, LABEL_STRIDE * to);
  }
}

/** mask per state, state, second */
const LABEL_STRIDE = 5;

function bytesFor(fieldCount: number, capacity: number, labelled: boolean, keptCount: number): number {
  return capacity * (48 + 8 * keptCount + 2 * fieldCount + (labelled ? LABEL_STRIDE * 4 : 0));
}

function copyRows(from: Rows, to: Rows): void {
  const { start, end, fieldCount } = from;
  to.f.set(from.f.subarray(3 * start, 3 * end));
  to.f.set(from.f.subarray(3 * from.capacity + start, 3 * from.capacity + end), 3 * to.capacity);
  to.i.set(from.i.subarray(4 * start, 4 * end));
  to.d.set(from.d.subarray(fieldCount * start, fieldCount * end));
  const { keptCount } = from;
  if (keptCount > 0) to.k.set(from.k.subarray(keptCount * start, keptCount * end));
  if (from.labelled) to.l.set(from.l.subarray(LABEL_STRIDE * start, LABEL_STRIDE * end));
}
