/** The time of the model's brokers: a port. */
export interface ModelTime {
  nowMs(): number;
  /** Runs `run` so many ms later (0: as soon as what is running has ended, or at once). */
  schedule(delayMs: number, run: () => void): void;
}

interface Due {
  readonly atMs: number;
  readonly serial: number;
  readonly run: () => void;
}

/** Time that stands still until it is told to go on. What is due in 0 ms runs at once. */
export class ManualTime implements ModelTime {
  private now: number;
  private serial = 0;
  private due: Due[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.now = startMs;
  }

  nowMs(): number {
    return this.now;
  }

  schedule(delayMs: number, run: () => void): void {
    if (delayMs <= 0) run();
    else this.due.push({ atMs: this.now + delayMs, serial: this.serial++, run });
  }

  /** Runs what falls due in these ms, in order. */
  advance(ms: number): void {
    const untilMs = this.now + ms;
    for (;;) {
      let first: Due | null = null;
      for (const due of this.due) {
        if (due.atMs > untilMs) continue;
        if (first === null || due.atMs < first.atMs || (due.atMs === first.atMs && due.serial < first.serial))
          first = due;
      }
      if (first === null) break;
      const next = first;
      this.due = this.due.filter((due) => due !== next);
      this.now = next.atMs;
      next.run();
    }
    this.now = untilMs;
  }
}
