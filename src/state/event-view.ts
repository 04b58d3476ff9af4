import type { Transaction } from '../domain/transaction.ts';
import type { Layout } from './layout.ts';

/** No coordinates: outside what ±180·10^7 can be. */
export const NO_LOCATION = 0x7fffffff;

/**
 * One event as the history sees it: numbers only, and the payment itself for the questions that are asked once. Made by `features/extract.ts` and reused from event to event.
 * Strings are hashed (32 bits per field and user: among the few dozen values that a user has, a collision is a
 * 10^-8 matter), transaction ids too; the content has 24 bits more.
 */
export class EventView {
  timeMs = 0;
  amountMinor = 0;
  offset = 0;
  transactionHash = 0;
  contentHash = 0;
  /** degrees × 10^7, or NO_LOCATION */
  latE7 = NO_LOCATION;
  lonE7 = NO_LOCATION;
  filterMask = 1;
  /** the mask that it will have when it is found to be genuine, or fraud */
  genuineMask = 1;
  fraudMask = 1;
  /** while it is being decided; null = it comes from the state */
  payment: Transaction | null = null;
  /** per field of the layout: 32-bit hash, -1 = null; the answers to its questions, see questions.ts */
  readonly hashes: Float64Array;
  /** values of features that the row will keep, see `keptValue`; NaN = none */
  readonly kept: Float64Array;

  constructor(layout: Layout) {
    this.hashes = new Float64Array(layout.fields.length);
    this.kept = new Float64Array(layout.kept).fill(NaN);
  }
}
