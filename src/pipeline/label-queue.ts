import type { CacheEntry } from '../state/cache.ts';
import { foldLabel } from '../state/label-fold.ts';
import type { PartitionHistories } from '../state/partition-histories.ts';
import type { DueLabel, LabelFeed } from './label-feed.ts';
import type { BatchReport } from './report.ts';
import type { Work } from './work.ts';

/** The verdicts that come between the payments of a batch: each before the first payment that was made when it was known. */
export class LabelQueue {
  private readonly feed: LabelFeed;
  private due: DueLabel[] = [];
  private entries: (readonly (CacheEntry | null)[])[] = [];
  private next = 0;
  private folded = 0;
  private gone = 0;

  constructor(feed: LabelFeed) {
    this.feed = feed;
  }

  /** Rejects as `PartitionHistories.load` does; nothing is lost then. */
  async load(work: readonly Work[], histories: PartitionHistories): Promise<void> {
    let untilMs = -Infinity;
    for (const { transaction } of work) if (transaction.event_time > untilMs) untilMs = transaction.event_time;
    this.due = this.due.slice(this.next);
    this.next = 0;
    for (const one of this.feed.take(untilMs)) this.due.push(one);
    const keys: string[] = [];
    const places = this.due.map((one) => one.keys.map((key) => (key === null ? -1 : keys.push(key) - 1)));
    const loaded = await histories.load(keys);
    this.entries = places.map((row) => row.map((place) => (place < 0 ? null : loaded[place]!)));
  }

  foldUntil(timeMs: number, histories: PartitionHistories): void {
    for (; this.next < this.due.length && this.due[this.next]!.dueMs <= timeMs; this.next++) {
      const { label } = this.due[this.next]!;
      this.entries[this.next]!.forEach((entry, e) => {
        if (entry === null || entry.history.layout.labelFilters === 0) return;
        const outcome = foldLabel(entry.history, label);
        if (outcome !== 'known') histories.markDirty(entry);
        if (e === 0 && outcome === 'gone') this.gone++;
      });
      this.folded++;
    }
  }

  /** Moves the counts to a report. */
  count(report: BatchReport): void {
    report.labels += this.folded;
    report.labelsGone += this.gone;
    this.folded = 0;
    this.gone = 0;
  }
}
