import type { Clock } from '../../src/domain/clock.ts';
import type { Random } from './random.ts';

interface Entry {
  readonly atMs: number;
  /** decides between what is due at the same time */
  readonly tie: number;
  readonly serial: number;
  readonly label: string;
  run: (() => void) | null;
}

/** Wall clock of the first step, ms. */
const EPOCH_MS = Date.UTC(2026, 0, 15, 12);

/**
 * Owns time and order. Whatever is not computed at once, an answer of a server, a timer, a fault, is an entry here. A
 * step runs one entry and then lets everything run that became ready by it, so a whole history is the list of its steps;
 * `hash` sums that list up: two runs of a seed have the same one.
 */
export class Scheduler implements Clock {
  /** since the beginning */
  elapsedMs = 0;
  steps = 0;
  /** told each step, for a log of them */
  trace: ((line: string) => void) | null = null;
  private readonly heap: Entry[] = [];
  private readonly random: Random;
  private serial = 0;
  private digest = 0x811c9dc5;

  constructor(random: Random) {
    this.random = random;
  }

  nowMs(): number {
    return EPOCH_MS + this.elapsedMs;
  }

  monotonicMs(): number {
    return 1_000 + this.elapsedMs;
  }

  get hash(): string {
    return (this.digest >>> 0).toString(16).padStart(8, '0');
  }

  /** @returns cancels it */
  schedule(delayMs: number, label: string, run: () => void): () => void {
    const atMs = this.elapsedMs + Math.max(0, delayMs);
    const entry: Entry = { atMs, tie: this.random.unit(), serial: this.serial++, label, run };
    this.push(entry);
    return () => {
      entry.run = null;
    };
  }

  /** What the run depends on besides its steps, e.g. what a fault has hit. */
  note(text: string): void {
    this.mix(text);
    this.trace?.(`${this.stamp()} ${text}`);
  }

  /** Runs what is due until this time, or until `done` says so; true when it did. */
  async runUntil(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    for (;;) {
      if (done()) return true;
      const next = this.heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.pop();
      if (next.run === null) continue;
      this.elapsedMs = Math.max(this.elapsedMs, next.atMs);
      this.steps++;
      this.mix(next.label);
      this.trace?.(`${this.stamp()} ${next.label}`);
      next.run();
      // Everything that can run now is done when the event loop comes round: nothing in here waits for the outside.
      await turn();
    }
    this.elapsedMs = Math.max(this.elapsedMs, untilMs);
    return done();
  }

  private stamp(): string {
    return `${String(this.steps).padStart(6)} ${String(this.elapsedMs).padStart(7)} ms`;
  }

  private mix(text: string): void {
    let digest = this.digest ^ this.elapsedMs;
    for (let i = 0; i < text.length; i++) digest = Math.imul(digest ^ text.charCodeAt(i), 0x01000193);
    this.digest = Math.imul(digest ^ (digest >>> 13), 0x5bd1e995);
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent] as Entry)) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child++;
      if (!before(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  return a.tie !== b.tie ? a.tie < b.tie : a.serial < b.serial;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
