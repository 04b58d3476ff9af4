/**
 * The values that one user's kept fields have had, and when each was last seen. A value is a 32-bit hash within its
 * field. Open addressing over typed arrays: one object per user, no strings, no Map.
 * Index 0 stands for null.
 */
const FIELD = 2 ** 32;

export class Dictionary {
  /** key = field × 2^32 + hash; keys[0] unused */
  keys: Float64Array;
  lastMs: Float64Array;
  /** last seen in a row that has lost its details, -Infinity = in none; null while all rows have theirs */
  oldMs: Float64Array | null = null;
  /** entries are 1 … size */
  size = 0;
  private slots: Uint16Array;

  constructor(capacity = 16) {
    const buffer = new ArrayBuffer(capacity * 20);
    this.keys = new Float64Array(buffer, 0, capacity);
    this.lastMs = new Float64Array(buffer, capacity * 8, capacity);
    this.slots = new Uint16Array(buffer, capacity * 16, capacity * 2);
  }

  get bytes(): number {
    return this.keys.byteLength * (this.oldMs === null ? 2 : 3) + this.slots.byteLength + 320;
  }

  /** @returns entry index, 0 = not there */
  find(field: number, hash: number): number {
    const key = field * FIELD + hash;
    const mask = this.slots.length - 1;
    let slot = mix(hash, field) & mask;
    for (;;) {
      const entry = this.slots[slot]!;
      if (entry === 0 || this.keys[entry] === key) return entry;
      slot = (slot + 1) & mask;
    }
  }

  /** @returns index of the new entry; the caller has checked that it is not there */
  add(field: number, hash: number, lastMs: number): number {
    if (this.size + 1 >= this.keys.length) this.grow();
    const entry = ++this.size;
    this.keys[entry] = field * FIELD + hash;
    this.lastMs[entry] = lastMs;
    if (this.oldMs !== null) this.oldMs[entry] = -Infinity;
    this.place(entry);
    return entry;
  }

  /** Makes an entry unfindable: a value that comes back after it was forgotten is a new one, in memory and in a blob. */
  bury(entry: number): void {
    this.keys[entry] = -1;
    this.lastMs[entry] = -Infinity;
    if (this.oldMs !== null) this.oldMs[entry] = -Infinity;
  }

  /** Notes that a row with this value is without details now. */
  noteOld(entry: number, timeMs: number): void {
    this.oldMs ??= new Float64Array(this.keys.length).fill(-Infinity);
    if (timeMs > this.oldMs[entry]!) this.oldMs[entry] = timeMs;
  }

  oldMsOf(entry: number): number {
    return this.oldMs === null ? -Infinity : this.oldMs[entry]!;
  }

  fieldOf(entry: number): number {
    return Math.floor(this.keys[entry]! / FIELD);
  }

  hashOf(entry: number): number {
    return this.keys[entry]! % FIELD;
  }

  private place(entry: number): void {
    const mask = this.slots.length - 1;
    let slot = mix(this.hashOf(entry), this.fieldOf(entry)) & mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
    this.slots[slot] = entry;
  }

  private grow(): void {
    const bigger = new Dictionary(this.keys.length * 2);
    bigger.keys.set(this.keys);
    bigger.lastMs.set(this.lastMs);
    this.keys = bigger.keys;
    this.lastMs = bigger.lastMs;
    this.slots = bigger.slots;
    if (this.oldMs !== null) {
      const oldMs = new Float64Array(this.keys.length).fill(-Infinity);
      oldMs.set(this.oldMs);
      this.oldMs = oldMs;
    }
    for (let entry = 1; entry <= this.size; entry++) this.place(entry);
  }
}

function mix(hash: number, field: number): number {
  const h = Math.imul((hash | 0) ^ Math.imul(field + 1, 0x9e3779b1), 0x85ebca6b);
  return h ^ (h >>> 15);
}
