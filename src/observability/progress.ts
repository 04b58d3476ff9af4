/** Long work, shown: a bar that redraws itself on a terminal, else a line every few seconds. */
export interface ProgressOptions {
  readonly label: string;
  /** of the noun that is counted, e.g. `payments` */
  readonly unit: string;
  readonly output: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly monotonicMs: () => number;
}

const REDRAW_MS = 100;
const LINE_MS = 5_000;
const BAR_WIDTH = 24;

export class Progress {
  readonly #options: ProgressOptions;
  readonly #startMs: number;
  #shownMs: number;
  #drawn = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#startMs = options.monotonicMs();
    this.#shownMs = this.#startMs;
  }

  /** Cheap enough to call per batch. @param fraction 0 … 1 @param count how many are done */
  update(fraction: number, count: number): void {
    const now = this.#options.monotonicMs();
    if (now - this.#shownMs < (this.#options.output.isTTY === true ? REDRAW_MS : LINE_MS)) return;
    this.#shownMs = now;
    this.#show(fraction, count, now);
  }

  /** Shows the end, and on a terminal leaves the line. */
  done(count: number): void {
    this.#show(1, count, this.#options.monotonicMs());
    if (this.#drawn) this.#options.output.write('\n');
  }

  #show(fraction: number, count: number, nowMs: number): void {
    const { label, unit, output } = this.#options;
    const share = Math.min(1, Math.max(0, Number.isFinite(fraction) ? fraction : 0));
    const seconds = Math.max(0.001, (nowMs - this.#startMs) / 1_000);
    const rate = Math.round(count / seconds);
    const left = share > 0 && share < 1 ? `, ${durationText((seconds / share) * (1 - share))} left` : '';
    const facts = `${String(Math.floor(share * 100)).padStart(3)} % ${grouped(count)} ${unit}, ${grouped(rate)}/s${left}`;
    if (output.isTTY !== true) {
      output.write(`${label} ${facts}\n`);
      return;
    }
    const filled = Math.round(share * BAR_WIDTH);
    const line = `${label} [${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}] ${facts}`;
    output.write(`\r${line.slice(0, Math.max(1, (output.columns ?? 80) - 1))}\u001b[K`);
    this.#drawn = true;
  }
}

/** 1234567 → `1,234,567`, the same in every locale */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

function durationText(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
