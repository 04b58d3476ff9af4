import type { OutputRecord } from './record.ts';

/** Where output goes. Adapters: Kafka, file, memory. */
export interface Sink {
  /**
   * Resolves when every record is durable, in order per stream and partition. Rejects with a FraudstreamError;
   * then any part may have been written. Buffers may be reused by the caller once it resolves.
   */
  write(records: readonly OutputRecord[]): Promise<void>;
  close(): Promise<void>;
}
