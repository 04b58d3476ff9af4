import type { FraudstreamError } from '../domain/errors.ts';

/** A header may repeat: the values are kept in order. */
export type RecordHeaders = Readonly<Record<string, Buffer | readonly Buffer[]>>;

export interface InputRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** record timestamp, ms; -1 when the source has none (a file) */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders | null;
  /** set when the transport could not read this (a corrupt batch or line): `value` holds the original bytes */
  readonly failure?: FraudstreamError;
}

/** Records of one partition in offset order. Buffers are valid until the batch is acknowledged. */
export interface InputBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly InputRecord[];
  /** offset after the last record that exists, for lag; -1 when unknown */
  readonly highWatermark: number;
}

export type OutputStream = 'decisions' | 'flagged' | 'dead-letter';

export interface OutputRecord {
  readonly stream: OutputStream;
  /** output partition = input partition for decisions and flagged */
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders | null;
  /** ms; -1 = the sink's own clock */
  readonly timestampMs: number;
}
