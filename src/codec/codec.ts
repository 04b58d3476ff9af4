import type { Decision, FlaggedTransaction } from '../domain/decision.ts';
import type { Transaction } from '../domain/transaction.ts';
import type { InputRecord } from '../transport/record.ts';

/** Bytes → Transaction. */
export interface TransactionDecoder {
  /**
   * Makes the writer schemas that these records need available (a registry look-up; nothing for bare Avro).
   * Rejects only with a retriable FraudstreamError: the caller waits and tries the batch again.
   */
  prepare(records: readonly InputRecord[]): Promise<void>;
  /** Decodes and validates. Throws a FraudstreamError that is not retriable: the record is a dead letter. */
  decode(record: InputRecord): Transaction;
}

/** Decision → bytes. The returned buffer is the caller's. */
export interface DecisionEncoder {
  encodeDecision(decision: Decision): Buffer;
  encodeFlagged(flagged: FlaggedTransaction): Buffer;
}
