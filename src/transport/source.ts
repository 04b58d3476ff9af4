import type { InputBatch } from './record.ts';

/** A finite, single-owner source: files and tests. The acknowledgement travels with the batch. */
export interface Source {
  /** The next batch, or null at the end. */
  read(): Promise<SourceBatch | null>;
  close(): Promise<void>;
}

export interface SourceBatch {
  readonly batch: InputBatch;
  /** 0 … 1, how much of the input lies behind; for progress */
  readonly progress: number;
}
