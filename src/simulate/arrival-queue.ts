import type { SimulatedEvent } from './event.ts';

/** A binary heap of events by arrival time; equal times leave in the order in which they came. */
export class ArrivalQueue {
  private readonly heap: { event: SimulatedEvent; order: number }[] = [];
  private pushed = 0;

  get size(): number {
    return this.heap.length;
  }

  /** Arrival time of the next event; Infinity when empty. */
  get nextMs(): number {
    return this.heap[0]?.event.arrivalMs ?? Infinity;
  }

  push(event: SimulatedEvent): void {
    const heap = this.heap;
    const entry = { event, order: this.pushed++ };
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

  pop(): SimulatedEvent | null {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length === 0) return first.event;
    let i = 0;
    for (;;) {
      let childIndex = 2 * i + 1;
      let child = heap[childIndex];
      if (child === undefined) break;
      const right = heap[childIndex + 1];
      if (right !== undefined && before(right, child)) {
        child = right;
        childIndex++;
      }
      if (!before(child, last)) break;
      heap[i] = child;
      i = childIndex;
    }
    heap[i] = last;
    return first.event;
  }
}

interface Entry {
  event: SimulatedEvent;
  order: number;
}

function before(a: Entry, b: Entry): boolean {
  return a.event.arrivalMs < b.event.arrivalMs || (a.event.arrivalMs === b.event.arrivalMs && a.order < b.order);
}
