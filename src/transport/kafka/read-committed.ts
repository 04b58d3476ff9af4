/**
 * Which records a read-committed consumer may see. The broker sends, with each fetch, the aborted transactions that
 * overlap it, as (producer id, first offset), in the order in which they ended. As the Java consumer does
 * (CompletedFetch.consumeAbortedTransactionsUpTo): transactions are taken in order of their first offset; once a batch
 * reaches it, the producer's data is aborted until its abort marker. Pure.
 */

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export class AbortedTransactions {
  /** ascending by first offset */
  private readonly upcoming: readonly AbortedTransaction[];
  private next = 0;
  private readonly aborting = new Set<number>();

  constructor(transactions: readonly AbortedTransaction[]) {
    this.upcoming = [...transactions].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /**
   * Whether the records of this data batch belong to an aborted transaction. Call it, or `marker`, for every batch of
   * the fetch in offset order.
   */
  isAborted(batch: {
    readonly producerId: number;
    readonly transactional: boolean;
    readonly lastOffset: number;
  }): boolean {
    this.begin(batch.lastOffset);
    return batch.transactional && this.aborting.has(batch.producerId);
  }

  /** A control batch: an abort marker ends its producer's aborted transaction. */
  marker(batch: { readonly producerId: number; readonly lastOffset: number }, isCommit: boolean | null): void {
    this.begin(batch.lastOffset);
    if (isCommit === false) this.aborting.delete(batch.producerId);
  }

  private begin(lastOffset: number): void {
    for (;;) {
      const transaction = this.upcoming[this.next];
      if (transaction === undefined || transaction.firstOffset > lastOffset) return;
      this.aborting.add(transaction.producerId);
      this.next++;
    }
  }
}
