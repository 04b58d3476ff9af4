import type { Layout } from '../../../src/state/layout.ts';
import { filterMask } from '../../../src/state/layout.ts';
import { EventView, NO_LOCATION } from '../../../src/state/event-view.ts';
import { UserHistory } from '../../../src/state/history.ts';
import type { PartitionStore, StoredBlob } from '../../../src/state/store.ts';

/** Histories made of numbers, for tests of what happens to stored ones. */

export const DAY_MS = 86_400_000;
export const START_MS = Date.UTC(2026, 0, 15);

export interface Happening {
  readonly offset: number;
  readonly timeMs: number;
  readonly amountMinor?: number;
  /** of the transaction id */
  readonly id?: number;
  /** hash of every kept field */
  readonly value?: number;
  readonly latE7?: number;
}

export function viewOf(layout: Layout, one: Happening): EventView {
  const event = new EventView(layout);
  event.offset = one.offset;
  event.timeMs = one.timeMs;
  event.amountMinor = one.amountMinor ?? 1_000;
  event.transactionHash = one.id ?? one.offset + 1;
  event.contentHash = (one.id ?? one.offset + 1) & 0xffffff;
  event.hashes.fill(one.value ?? 7);
  event.latE7 = one.latE7 ?? NO_LOCATION;
  event.lonE7 = one.latE7 ?? NO_LOCATION;
  event.filterMask = filterMask(layout, event.hashes, event.amountMinor);
  return event;
}

export function historyOf(layout: Layout, happenings: readonly Happening[]): UserHistory {
  const history = new UserHistory(layout);
  for (const one of happenings) history.fold(viewOf(layout, one));
  return history;
}

export async function allBlobs(store: PartitionStore): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const some of store.scan()) for (const { key, blob } of some) found.set(key, blob);
  return found;
}

/** Chunks as a store's scan gives them. */
export function scanned(...chunks: readonly (readonly StoredBlob[])[]): AsyncIterable<readonly StoredBlob[]> {
  return {
    async *[Symbol.asyncIterator]() {
      for (const chunk of chunks) yield await Promise.resolve(chunk);
    },
  };
}
