import type { Refusal } from './mapping.ts';

const EXAMPLES = 3;
const REASONS_SHOWN = 10;
/** As many as a mapping has fields and reasons, several times over: a bound, never reached in practice. */
const REASONS_MAX = 10_000;

interface Entry {
  readonly what: string;
  count: number;
  readonly examples: string[];
}

/** What became of the rows of mapped files, for the report at the end: nothing is left out in silence. */
export class RowTally {
  rows = 0;
  skipped = 0;
  refused = 0;
  /** of the rows that were mapped */
  outOfOrder = 0;
  private readonly reasons = new Map<string, Entry>();
  private newestMs = -Infinity;
  private stepBackMsMax = 0;
  private readonly outOfOrderExamples: string[] = [];

  /** @param place `file:line` */
  refuse(place: string, refusal: Refusal): void {
    this.refused++;
    const what = describeRefusal(refusal);
    let entry = this.reasons.get(what);
    if (entry === undefined) {
      if (this.reasons.size >= REASONS_MAX) return;
      this.reasons.set(what, (entry = { what, count: 0, examples: [] }));
    }
    entry.count++;
    if (entry.examples.length < EXAMPLES) entry.examples.push(place);
  }

  /** `place` is called for the few rows that are named. */
  mapped(eventTimeMs: number, place: () => string): void {
    if (eventTimeMs >= this.newestMs) {
      this.newestMs = eventTimeMs;
      return;
    }
    this.outOfOrder++;
    this.stepBackMsMax = Math.max(this.stepBackMsMax, this.newestMs - eventTimeMs);
    if (this.outOfOrderExamples.length < EXAMPLES) this.outOfOrderExamples.push(place());
  }

  /** Nothing to say: no lines. `noun`: what the rows were to become, such as `payments`. */
  lines(noun: string): string[] {
    const lines: string[] = [];
    if (this.skipped > 0) lines.push(`${grouped(this.skipped)} rows left out by skip_when`);
    if (this.refused > 0) {
      lines.push(`${grouped(this.refused)} of ${grouped(this.rows)} rows are no ${noun}:`);
      const worst = [...this.reasons.values()].sort((a, b) => b.count - a.count);
      for (const { what, count, examples } of worst.slice(0, REASONS_SHOWN)) {
        lines.push(`  ${grouped(count)}: ${what} (${count > examples.length ? 'first ' : ''}${examples.join(', ')})`);
      }
      if (worst.length > REASONS_SHOWN) lines.push(`  and ${worst.length - REASONS_SHOWN} more reasons`);
    }
    if (this.outOfOrder > 0) {
      lines.push(
        `${grouped(this.outOfOrder)} rows are earlier than a row before them, by up to ${span(this.stepBackMsMax)} ` +
          `(first ${this.outOfOrderExamples.join(', ')}): sort the files by time; what is later than ` +
          'event.allowed-lateness is kept out of the histories',
      );
    }
    return lines;
  }
}

/** `event_time, column "when": not a time of its format` */
export function describeRefusal({ field, column, reason }: Refusal): string {
  const where = column === null ? '' : `column ${JSON.stringify(column)}`;
  const at = [field, where].filter((part) => part !== '').join(', ');
  return at === '' ? reason : `${at}: ${reason}`;
}

function grouped(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** In the largest unit that it fills. */
function span(ms: number): string {
  for (const [name, unitMs] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ] as const) {
    if (ms >= unitMs) return `${(ms / unitMs).toFixed(1)} ${name}`;
  }
  return `${ms} ms`;
}
