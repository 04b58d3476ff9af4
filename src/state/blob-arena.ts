/**
 * Many small byte strings in few large buffers. A `Uint8Array` object of its own costs some 200 B beside its bytes; here
 * a blob costs its bytes, a header of 8 B, padding to 8 B and one slot of 4 B in a table.
 *
 * Slabs are written once, front to back, and never again: a changed blob is appended and its old bytes become garbage.
 * So a view that was handed out keeps its content for ever, whatever is written later (it keeps its slab alive, too).
 * When too much is garbage, the live blobs of the emptiest slab are copied out and the slab is left to the collector
 * (the cleaner of a log-structured file system: Rosenblum and Ousterhout, TOCS 1992, with greedy choice).
 */
const SLAB_BYTES_MAX = 1 << 20;
const SLAB_BYTES_MIN = 1 << 16;
/** A blob beyond this has a slab of its own: at most 1/8 of a slab is lost at its end. */
const SHARED_BYTES_MAX = SLAB_BYTES_MAX >>> 3;
/** Words of 8 B in a slab; a position is slab number · this + word. 2^32 positions hold 32 GiB. */
const WORDS = SLAB_BYTES_MAX >>> 3;
const SLABS_MAX = 2 ** 32 / WORDS - 1;
const HEADER_BYTES = 8;
/** Clean when garbage is above this share of all bytes: memory stays below 1 / (1 − share) of what is live. */
const GARBAGE_SHARE_MAX = 0.25;
const GARBAGE_BYTES_MIN = 4 * SLAB_BYTES_MAX;
const NOWHERE = 0xffff_ffff;

interface Slab {
  readonly bytes: Uint8Array;
  /** two words per blob: the blob's number, the blob's length in bytes */
  readonly header: Uint32Array;
  usedBytes: number;
  liveBytes: number;
}

const footprint = (lengthBytes: number): number => (HEADER_BYTES + lengthBytes + 7) & ~7;

/** Blobs by number, 0, 1, 2 … in the order in which `add` saw them. */
export class BlobArena {
  private readonly slabs: (Slab | undefined)[] = [];
  private readonly freeNumbers: number[] = [];
  private positions = new Uint32Array(1024);
  private current = -1;
  private blobCount = 0;
  private allocatedBytes = 0;
  private liveBytes = 0;

  get count(): number {
    return this.blobCount;
  }

  /** Bytes of all slabs that the arena holds on to, garbage and free space included. */
  get slabBytes(): number {
    return this.allocatedBytes;
  }

  /** Copies `blob` in; returns its number. */
  add(blob: Uint8Array): number {
    const number = this.blobCount;
    if (number === this.positions.length) {
      const larger = new Uint32Array(number * 2);
      larger.set(this.positions);
      this.positions = larger;
    }
    this.positions[number] = NOWHERE;
    this.blobCount++;
    this.append(number, blob);
    return number;
  }

  /** Copies `blob` in, in place of what had this number. Views of the old content stay as they are. */
  replace(number: number, blob: Uint8Array): void {
    this.forget(number);
    this.append(number, blob);
  }

  /** A view, not a copy: read only. It stays valid and unchanged whatever happens to the arena. */
  view(number: number): Uint8Array {
    const position = this.positions[number] as number;
    const slab = this.slabs[Math.floor(position / WORDS)] as Slab;
    const word = position % WORDS;
    const start = word * 8 + HEADER_BYTES;
    return new Uint8Array(slab.bytes.buffer, start, slab.header[word * 2 + 1] as number);
  }

  /** Gives memory back when much of it is garbage. Call it after a group of changes. */
  clean(): void {
    // Each round frees at least one slab's garbage, so the number of slabs bounds the rounds.
    for (let rounds = this.slabs.length; rounds > 0 && this.mustClean(); rounds--) {
      const victim = this.emptiest();
      if (victim < 0) return;
      this.evacuate(victim);
    }
  }

  private mustClean(): boolean {
    const garbage = this.allocatedBytes - this.liveBytes;
    return garbage > GARBAGE_BYTES_MIN && garbage > this.allocatedBytes * GARBAGE_SHARE_MAX;
  }

  private append(number: number, blob: Uint8Array): void {
    const size = footprint(blob.length);
    const slabNumber = this.slabFor(size);
    const slab = this.slabs[slabNumber] as Slab;
    const word = slab.usedBytes >>> 3;
    slab.header[word * 2] = number;
    slab.header[word * 2 + 1] = blob.length;
    slab.bytes.set(blob, slab.usedBytes + HEADER_BYTES);
    slab.usedBytes += size;
    slab.liveBytes += size;
    this.liveBytes += size;
    this.positions[number] = slabNumber * WORDS + word;
  }

  private slabFor(size: number): number {
    if (size > SHARED_BYTES_MAX) return this.newSlab(size);
    const slab = this.slabs[this.current];
    if (slab === undefined || slab.usedBytes + size > slab.bytes.length) {
      const wanted = Math.min(SLAB_BYTES_MAX, Math.max(SLAB_BYTES_MIN, this.allocatedBytes & ~7));
      this.current = this.newSlab(Math.max(size, wanted));
    }
    return this.current;
  }

  private newSlab(sizeBytes: number): number {
    const number = this.freeNumbers.pop() ?? this.slabs.length;
    if (number >= SLABS_MAX) throw new RangeError(`more than ${SLABS_MAX} slabs of state in memory`);
    const buffer = new ArrayBuffer(sizeBytes);
    const bytes = new Uint8Array(buffer);
    this.slabs[number] = { bytes, header: new Uint32Array(buffer), usedBytes: 0, liveBytes: 0 };
    this.allocatedBytes += sizeBytes;
    return number;
  }

  private forget(number: number): void {
    const position = this.positions[number] as number;
    const slabNumber = Math.floor(position / WORDS);
    const slab = this.slabs[slabNumber] as Slab;
    const size = footprint(slab.header[(position % WORDS) * 2 + 1] as number);
    this.positions[number] = NOWHERE;
    slab.liveBytes -= size;
    this.liveBytes -= size;
    if (slab.liveBytes === 0 && slabNumber !== this.current) this.release(slabNumber);
  }

  private release(slabNumber: number): void {
    this.allocatedBytes -= (this.slabs[slabNumber] as Slab).bytes.length;
    this.slabs[slabNumber] = undefined;
    this.freeNumbers.push(slabNumber);
  }

  /** Number of the slab with most to win; -1 = nothing to win. */
  private emptiest(): number {
    let best = -1;
    let bestShare = 1;
    for (let i = 0; i < this.slabs.length; i++) {
      const slab = this.slabs[i];
      if (slab === undefined || i === this.current) continue;
      const share = slab.liveBytes / slab.bytes.length;
      if (share < bestShare) {
        bestShare = share;
        best = i;
      }
    }
    return best;
  }

  private evacuate(slabNumber: number): void {
    const slab = this.slabs[slabNumber] as Slab;
    for (let at = 0; at < slab.usedBytes;) {
      const word = at >>> 3;
      const number = slab.header[word * 2] as number;
      const length = slab.header[word * 2 + 1] as number;
      const size = footprint(length);
      if (this.positions[number] === slabNumber * WORDS + word) {
        this.liveBytes -= size;
        this.append(number, new Uint8Array(slab.bytes.buffer, at + HEADER_BYTES, length));
      }
      at += size;
    }
    this.release(slabNumber);
  }
}
