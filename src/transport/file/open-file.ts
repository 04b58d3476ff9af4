import type { FraudstreamError } from '../../domain/errors.ts';

/** Bytes of a file that are no record, and why. */
export class UnreadableRow {
  readonly bytes: Buffer;
  readonly failure: FraudstreamError;

  constructor(bytes: Buffer, failure: FraudstreamError) {
    this.bytes = bytes;
    this.failure = failure;
  }
}

/** A record's value, or what could not become one. */
export type FileValue = Buffer | UnreadableRow;

/** One open file. `fill` appends values until `limit` is reached or the file ends (false). */
export interface OpenFile {
  /** bytes of the file that have been read */
  readonly position: number;
  fill(values: FileValue[], limit: number): Promise<boolean>;
  close(): Promise<void>;
}
