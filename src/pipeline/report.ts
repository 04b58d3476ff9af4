import type { ErrorCode } from '../domain/errors.ts';

export const STAGES = ['decode', 'load', 'features', 'score', 'decide', 'encode'] as const;
export type Stage = (typeof STAGES)[number];

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
    deadLetters: new Map(),
    stageMs: new Float64Array(STAGES.length),
  };
}

/** Called once per batch. */
export interface Observer {
  batch(report: BatchReport): void;
  published(topic: string, partition: number, report: { records: number; publishMs: number; lag: number }): void;
  flushed(report: { users: number; bytes: number; flushMs: number }): void;
  failed(code: ErrorCode): void;
}
