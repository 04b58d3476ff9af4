import type { Transaction } from '../domain/transaction.ts';
import type { CacheEntry } from '../state/cache.ts';
import type { InputRecord } from '../transport/record.ts';
import type { Kind } from './event-kind.ts';

/** A decoded record and all that its decision will need. */
export interface Work {
  readonly record: InputRecord;
  readonly transaction: Transaction;
  entry: CacheEntry | null;
  kind: Kind;
  /** its place in the log when it was measured: repeats stand where the first stood */
  seenBefore: number;
  firstOffset: number;
  inexact: number;
}
