/** A binary heap by time; equal times leave in the order in which they came. */
export class TimeHeap<T> {
  private readonly heap: Entry<T>[] = [];
  private pushed = 0;

  get size(): number {
    return this.heap.length;
  }

  /** Time of the next item, ms; Infinity when empty. */
  get nextMs(): number {
    return this.heap[0]?.atMs ?? Infinity;
  }

  push(atMs: number, item: T): void {
    const heap = this.heap;
    const entry = { atMs, order: this.pushed++, item };
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parentIndex = (i - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || !before(entry, parent)) break;
      heap[i] = parent;
      i = parentIndex;
    }
    heap[i] = entry;
  }

  pop(): T | null {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length === 0) return first.item;
    let i = 0;
    for (;;) {
      let childIndex = 2 * i + 1;
      let child = heap[childIndex];
      const right = heap[childIndex + 1];
      if (child !== undefined && right !== undefined && before(right, child)) {
        child = right;
        childIndex++;
      }
      if (child === undefined || !before(child, last)) break;
      heap[i] = child;
      i = childIndex;
    }
    heap[i] = last;
    return first.item;
  }
}

interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly item: T;
}

function before(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
