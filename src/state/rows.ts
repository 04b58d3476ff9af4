import type { EventView } from './event-view.ts';

/**
 * A user's raw events, sorted by (event time, offset), as columns of one buffer. Rows live in [start, end); dropping
 * the oldest moves `start`. Late events are inserted where they belong.
 *
 * Columns: time, amount, offset, transaction hash (float64); latE7, lonE7, content hash, filter mask (int32);
 * one dictionary entry per field (uint16).
 */
export class Rows {
  readonly fieldCount: number;
  capacity: number;
  start = 0;
  end = 0;
  /** float64 columns, column-major: timeMs, amountMinor, offset, transactionHash */
  f: Float64Array;
  /** int32 columns: latE7, lonE7, contentHash, filterMask */
  i: Int32Array;
  /** uint16 columns, one per field */
  d: Uint16Array;

  constructor(fieldCount: number, capacity = 8) {
    this.fieldCount = fieldCount;
    this.capacity = capacity;
    const buffer = new ArrayBuffer(bytesFor(fieldCount, capacity));
    this.f = new Float64Array(buffer, 0, capacity * 4);
    this.i = new Int32Array(buffer, capacity * 32, capacity * 4);
    this.d = new Uint16Array(buffer, capacity * 48, capacity * fieldCount);
  }

  get length(): number {
    return this.end - this.start;
  }

  get bytes(): number {
    return bytesFor(this.fieldCount, this.capacity) + 480;
  }

  timeMs(row: number): number {
    return this.f[row]!;
  }

  amountMinor(row: number): number {
    return this.f[this.capacity + row]!;
  }

  offset(row: number): number {
    return this.f[2 * this.capacity + row]!;
  }

  transactionHash(row: number): number {
    return this.f[3 * this.capacity + row]!;
  }

  latE7(row: number): number {
    return this.i[row]!;
  }

  lonE7(row: number): number {
    return this.i[this.capacity + row]!;
  }

  contentHash(row: number): number {
    return this.i[2 * this.capacity + row]!;
  }

  filterMask(row: number): number {
    return this.i[3 * this.capacity + row]!;
  }

  entry(row: number, field: number): number {
    return this.d[field * this.capacity + row]!;
  }

  setEntry(row: number, field: number, entry: number): void {
    this.d[field * this.capacity + row] = entry;
  }

  set(row: number, event: EventView): void {
    const capacity = this.capacity;
    const f = this.f;
    f[row] = event.timeMs;
    f[capacity + row] = event.amountMinor;
    f[2 * capacity + row] = event.offset;
    f[3 * capacity + row] = event.transactionHash;
    const i = this.i;
    i[row] = event.latE7;
    i[capacity + row] = event.lonE7;
    i[2 * capacity + row] = event.contentHash;
    i[3 * capacity + row] = event.filterMask;
  }

  /** First row whose event time is after `timeMs`. Binary search; most events are the newest, so the end is tried first. */
  upperBound(timeMs: number): number {
    let low = this.start;
    let high = this.end;
    if (high === low || this.f[high - 1]! <= timeMs) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.f[middle]! <= timeMs) low = middle + 1;
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
      this.eachColumn((column, base) => column.copyWithin(base + at + 1, base + at, base + this.end));
    }
    this.end++;
    return at;
  }

  /** Room for at least this many rows; only before any is there. */
  reserve(rows: number): void {
    let capacity = this.capacity;
    while (capacity < rows) capacity *= 2;
    if (capacity !== this.capacity) this.take(new Rows(this.fieldCount, capacity));
  }

  private take(other: Rows): void {
    this.f = other.f;
    this.i = other.i;
    this.d = other.d;
    this.capacity = other.capacity;
  }

  /** Either slides the rows to the front (when a quarter is free there) or doubles the capacity. */
  private makeRoom(): void {
    const length = this.end - this.start;
    if (this.start >= this.capacity >> 2 && this.start > 0) {
      this.eachColumn((column, base) => column.copyWithin(base, base + this.start, base + this.end));
    } else {
      const bigger = new Rows(this.fieldCount, this.capacity * 2);
      copyColumns(this, bigger, length);
      this.take(bigger);
    }
    this.start = 0;
    this.end = length;
  }

  private eachColumn(visit: (column: Float64Array | Int32Array | Uint16Array, base: number) => void): void {
    for (let c = 0; c < 4; c++) visit(this.f, c * this.capacity);
    for (let c = 0; c < 4; c++) visit(this.i, c * this.capacity);
    for (let c = 0; c < this.fieldCount; c++) visit(this.d, c * this.capacity);
  }
}

function bytesFor(fieldCount: number, capacity: number): number {
  return capacity * (48 + 2 * fieldCount);
}

function copyColumns(from: Rows, to: Rows, length: number): void {
  for (let c = 0; c < 4; c++) {
    const base = c * from.capacity + from.start;
    to.f.set(from.f.subarray(base, base + length), c * to.capacity);
    to.i.set(from.i.subarray(base, base + length), c * to.capacity);
  }
  for (let c = 0; c < from.fieldCount; c++) {
    const base = c * from.capacity + from.start;
    to.d.set(from.d.subarray(base, base + length), c * to.capacity);
  }
}
