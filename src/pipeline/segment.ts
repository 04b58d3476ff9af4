import type { CacheEntry } from '../state/cache.ts';
import { foldedMeanwhileMax } from '../state/explained.ts';
import type { Layout } from '../state/layout.ts';

/**
 * The part of a batch that is measured before it is scored. It ends before an event that would make its user's history drop
 * what an earlier event of the part can still be explained by: what is said of a payment must not depend on where a
 * batch was cut.
 */
export class Segment {
  /** how far behind the longest window rows are kept, ms */
  private readonly slackMs: number;
  private readonly userEventsMax: number;
  private id = 0;

  constructor(layout: Layout) {
    this.slackMs = layout.horizonMs - layout.lookbackMs;
    this.userEventsMax = foldedMeanwhileMax(layout);
  }

  begin(): void {
    this.id++;
  }

  /** @returns false when the event must wait for the next segment; the first of each user never does */
  take(entry: CacheEntry, eventMs: number): boolean {
    if (entry.segment !== this.id) {
      entry.segment = this.id;
      entry.segmentFirstMs = eventMs;
      entry.segmentEvents = 1;
      return true;
    }
    if (eventMs - entry.segmentFirstMs > this.slackMs || entry.segmentEvents >= this.userEventsMax) return false;
    entry.segmentEvents++;
    if (eventMs < entry.segmentFirstMs) entry.segmentFirstMs = eventMs;
    return true;
  }
}
