import { FraudstreamError } from '../domain/errors.ts';
import type { PartitionStore } from '../state/store.ts';

/**
 * Decisions without history, since the store went away: the state must be folded anew when it is back. A look at the store
 * is not waited for: one that hangs must not hold up decisions.
 */
export class StoreAbsence {
  private readonly store: PartitionStore;
  private away = false;
  private probing = false;
  private isBack = false;

  constructor(store: PartitionStore) {
    this.store = store;
  }

  get lasts(): boolean {
    return this.away;
  }

  begin(): void {
    this.away = true;
  }

  over(): void {
    this.away = false;
    this.isBack = false;
  }

  /** Throws FS_STATE_CONFLICT when the store is back: the partition is to be acquired anew. */
  check(): void {
    if (!this.away) return;
    if (this.isBack) {
      throw new FraudstreamError('FS_STATE_CONFLICT', 'the store is back; what was decided without it is folded now');
    }
    if (!this.probing) void this.probe();
  }

  private async probe(): Promise<void> {
    this.probing = true;
    try {
      await this.store.readState();
      this.isBack = this.away;
    } catch {
      // still away
    } finally {
      this.probing = false;
    }
  }
}
