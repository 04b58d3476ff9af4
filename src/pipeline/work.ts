import type { Transaction } from '../domain/transaction.ts';
import type { CacheEntry } from '../state/cache.ts';
import type { InputRecord } from '../transport/record.ts';
import { KIND, type Kind } from './event-kind.ts';

/** A decoded record and all that its decision will need. */
export interface Work {
  readonly record: InputRecord;
  readonly transaction: Transaction;
  /** its user's history */
  entry: CacheEntry | null;
  /** per entity of the plan after the user; null = the payment has none */
  others: readonly (CacheEntry | null)[];
  kind: Kind;
  /** its place in the log when it was measured: repeats stand where the first stood */
  seenBefore: number;
  firstOffset: number;
  /** windows of its user that are estimated: see `inexactWindows` */
  inexact: number;
  /** the same per entity after the user; null = none is */
  othersInexact: number[] | null;
}

const NONE: readonly null[] = [];

export function newWork(record: InputRecord, transaction: Transaction): Work {
  return {
    record,
    transaction,
    entry: null,
    others: NONE,
    kind: KIND.normal,
    seenBefore: 0,
    firstOffset: -1,
    inexact: 0,
    othersInexact: null,
  };
}
