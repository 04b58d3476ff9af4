import type { LogIdentity } from '../domain/log-mark.ts';
import type { InputRecord } from './record.ts';

/** An input partition that this process owns, as its transport sees it. */
export interface InputLog {
  readonly topic: string;
  readonly partition: number;
  /** aborted when the partition is taken away */
  readonly signal: AbortSignal;
  /** Asks the group whether we still own it. Throws FS_KAFKA_FENCED when not, FS_KAFKA_UNAVAILABLE when it does not answer. */
  confirm(): Promise<void>;
  /** first offset that the log still has, and the one behind the last that may be read */
  range(): Promise<{ readonly start: number; readonly end: number }>;
  identity(): Promise<InputIdentity>;
  /**
   * The first record at or after this offset, as a read-committed reader sees it; null when there is none yet. A record that
   * cannot be read has `failure`.
   */
  readRecord(offset: number): Promise<InputRecord | null>;
}

export interface InputIdentity extends LogIdentity {
  /** compacted, or both: its records vanish while it is still needed */
  readonly compacted: boolean;
}
