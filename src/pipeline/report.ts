import type { ErrorCode } from '../domain/errors.ts';

export const STAGES = ['decode', 'load', 'features', 'score', 'decide', 'encode'] as const;

/** What happened to one batch; the observer turns it into metrics. */
export interface BatchReport {
  records: number;
  blocked: number;
  flagged: number;
  late: number;
  future: number;
  repeated: number;
  reused: number;
  inexact: number;
  degraded: number;
  cacheHits: number;
  cacheMisses: number;
  /** verdicts folded, and those of payments that were not kept any more */
  labels: number;
  labelsGone: number;
  readonly deadLetters: Map<ErrorCode, number>;
  /** ms per stage, same order as STAGES */
  readonly stageMs: Float64Array;
}

export function emptyReport(): BatchReport {
  return {
    records: 0,
    blocked: 0,
    flagged: 0,
    late: 0,
    future: 0,
    repeated: 0,
    reused: 0,
    inexact: 0,
    degraded: 0,
    cacheHits: 0,
    cacheMisses: 0,
    labels: 0,
    labelsGone: 0,
    deadLetters: new Map(),
    stageMs: new Float64Array(STAGES.length),
  };
}

/** What was written and committed. */
export interface PublishReport {
  readonly partition: number;
  readonly records: number;
  readonly publishMs: number;
  /** record timestamps, -1 = unknown */
  readonly oldestRecordMs: number;
  readonly newestRecordMs: number;
  /** records behind this batch; -1 = unknown */
  readonly lag: number;
  readonly nextOffset: number;
}

/** Told once per batch; turns it into metrics and health. */
export interface Observer {
  batch(report: BatchReport): void;
  published(report: PublishReport): void;
  flushed(report: { users: number; bytes: number; flushMs: number }): void;
  folded(records: number): void;
  /** records that are not in the partition of their key */
  misplaced(records: number): void;
  failed(code: ErrorCode): void;
}
