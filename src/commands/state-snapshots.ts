import { decodeNote } from '../delivery/state-note.ts';
import { FraudstreamError, toFraudstreamError } from '../domain/errors.ts';
import type { Clock } from '../domain/clock.ts';
import type { LogIdentity } from '../domain/log-mark.ts';
import type { Logger } from '../domain/logger.ts';
import { FileSnapshots } from '../snapshot/file-snapshots.ts';
import { restoreSnapshot, writeSnapshot } from '../state/snapshot.ts';
import type { SnapshotStore } from '../state/snapshot-store.ts';
import type { PartitionId, PartitionStore } from '../state/store.ts';

export interface SnapshotPorts {
  readonly target: SnapshotStore;
  /** layout fingerprint of the state that this process keeps */
  readonly fingerprint: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Snapshots in a folder; a file that cannot be used is named in the log. */
export function openSnapshots(folder: string, app: string, log: Logger): SnapshotStore {
  return new FileSnapshots(folder, app, (path, error) => {
    log.warn('a snapshot cannot be used', { file: path, code: error.code, reason: error.message });
  });
}

/** A partition that this process owns. */
export interface OwnedPartition extends PartitionId {
  readonly store: PartitionStore;
}

/**
 * Copies the state of the partitions that this process owns, from time to time, one after the other; and puts a copy back where
 * the store has lost its state.
 */
export class StateSnapshots {
  private readonly ports: SnapshotPorts;
  private readonly intervalMs: number;
  /** when each was copied last, or first seen, ms */
  private readonly doneAtMs = new Map<string, number>();
  private running: Promise<void> | null = null;

  constructor(ports: SnapshotPorts, intervalMs: number) {
    this.ports = ports;
    this.intervalMs = intervalMs;
  }

  /** From a timer: begins what is due, and never rejects. One that fails is tried again after an interval. */
  tick(owned: readonly OwnedPartition[]): void {
    const nowMs = this.ports.clock.monotonicMs();
    const names = new Set(owned.map(nameOf));
    for (const name of this.doneAtMs.keys()) if (!names.has(name)) this.doneAtMs.delete(name);
    for (const name of names) if (!this.doneAtMs.has(name)) this.doneAtMs.set(name, nowMs);
    if (this.running !== null) return;
    const due = owned.filter((one) => nowMs - this.doneAtMs.get(nameOf(one))! >= this.intervalMs);
    if (due.length > 0) this.running = this.write(due).finally(() => (this.running = null));
  }

  /** Resolves when no copy is being written. */
  async settled(): Promise<void> {
    await this.running;
  }

  /**
   * Into an empty store: the newest copy of this log whose histories were all decided. Resolves false when there is none; then
   * the log is all there is. Throws FS_STATE_… of the store, and FS_FILE_INVALID when the folder cannot be read.
   */
  async restore(place: PartitionId, store: PartitionStore, log: LogIdentity, committed: number): Promise<boolean> {
    const { target, fingerprint, log: logger } = this.ports;
    const restored = await restoreSnapshot(store, place, target, {
      fingerprint,
      committed,
      fits: (note) => {
        const mark = decodeNote(note)?.mark;
        return (
          mark !== undefined &&
          mark.clusterId === log.clusterId &&
          mark.topicId === log.topicId &&
          mark.partitions === log.partitions
        );
      },
      onUnreadable: ({ name }, thrown) => {
        const { code, message } = toFraudstreamError(thrown, 'FS_STATE_CORRUPT');
        logger.warn('a snapshot cannot be used', { file: name, code, reason: message });
      },
    });
    if (restored === null) return false;
    const { watermark, users, name, createdMs } = restored;
    const created = new Date(createdMs).toISOString();
    logger.info('state restored from a snapshot', { ...idOf(place), file: name, offset: watermark, users, created });
    return true;
  }

  private async write(due: readonly OwnedPartition[]): Promise<void> {
    const { target, clock, log } = this.ports;
    for (const one of due) {
      const place = idOf(one);
      const startMs = clock.monotonicMs();
      try {
        const written = await writeSnapshot(one.store, place, target, clock.nowMs());
        if (written !== null) {
          const { users, bytes, watermark } = written;
          const durationMs = Math.round(clock.monotonicMs() - startMs);
          log.info('snapshot written', { ...place, offset: watermark, users, bytes, duration_ms: durationMs });
        }
      } catch (thrown) {
        const error = thrown instanceof FraudstreamError ? thrown : toFraudstreamError(thrown, 'FS_FILE_INVALID');
        log.warn('snapshot not written', { ...place, code: error.code, reason: error.message });
      }
      this.doneAtMs.set(nameOf(one), clock.monotonicMs());
    }
  }
}

function idOf({ topic, partition }: PartitionId): PartitionId {
  return { topic, partition };
}

function nameOf({ topic, partition }: PartitionId): string {
  return `${topic}/${partition}`;
}
