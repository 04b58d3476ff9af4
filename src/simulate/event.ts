import type { Transaction } from '../domain/transaction.ts';

export const FRAUD_PATTERNS = [
  'card-testing',
  'account-takeover',
  'stolen-card',
  'compromised-terminal',
  'slow-skimming',
  'bust-out',
] as const;
export type FraudPattern = (typeof FRAUD_PATTERNS)[number];

export const BENIGN_PATTERNS = [
  'trip',
  'small-burst',
  'shopping-spree',
  'big-purchase',
  'new-device',
  'moved-home',
  'foreign-network',
  'retry',
] as const;
export type BenignPattern = (typeof BENIGN_PATTERNS)[number];

/** One payment as it reaches the log. `isFraud` and `pattern` are the truth and never part of the transaction. */
export interface SimulatedEvent {
  readonly transaction: Transaction;
  /** when it reaches the log, ms; never before its event time */
  readonly arrivalMs: number;
  readonly isFraud: boolean;
  readonly pattern: FraudPattern | BenignPattern | 'ordinary';
  /** an exact resend of an earlier event: the very same transaction object */
  readonly isResend: boolean;
}
