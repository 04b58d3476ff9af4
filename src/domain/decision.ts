import type { Transaction } from './transaction.ts';

/** Why a payment was flagged, in words an analyst can lift into a report. */
export interface Reason {
  /** a feature of the catalogue, or a code such as `transaction_id_reused` */
  code: string;
  /** value of the feature for this payment; null where the reason has no number */
  value: number | null;
  /** what is usual for this user; null when there is no history to say it from */
  usual: number | null;
  /** how far this feature moves the raw score from the model's base, in log odds (or in the score, see docs/model.md); null when the model gives none */
  contribution: number | null;
  /** e.g. `7 payments in 10 min; usually 1` */
  text: string;
}

export type Verdict = 'ALLOW' | 'BLOCK';

/** Field names are those of `schemas/decision.avsc`. */
export interface Decision {
  /** deterministic: `<topic>/<partition>/<offset>` of the input */
  decision_id: string;
  transaction_id: string;
  user_id: string;
  decision: Verdict;
  flagged: boolean;
  /** 0 … 1 */
  score: number;
  model_version: string;
  policy_version: string;
  catalogue_fingerprint: string;
  reasons: Reason[];
  input_topic: string;
  input_partition: number;
  input_offset: number;
  /** ms */
  event_time: number;
  /** ms; the only field that a replay does not reproduce */
  decision_time: number;
  /** false when a window that the features use is estimated, see `degraded` */
  exact: boolean;
  /** later than the allowed lateness: decided, kept out of the fold */
  late: boolean;
  /** too far ahead of its record timestamp: decided, kept out of the fold */
  future: boolean;
  /** `<topic>/<partition>/<offset>` of the first record with this transaction_id and equal content */
  duplicate_of: string | null;
  /** what was missing or estimated, e.g. `inexact:7d`, `no-history`, `model-unavailable` */
  degraded: string[];
}

/** Field names are those of `schemas/flagged.avsc`: all that an analyst needs without a second look-up. */
export interface FlaggedTransaction {
  decision: Decision;
  transaction: Transaction;
  /** every feature of the catalogue; null where it has no value */
  features: Record<string, number | null>;
  /** newest first, at most 10 earlier payments of this user */
  history: HistoryEntry[];
}

export interface HistoryEntry {
  event_time: number;
  amount_minor: number;
  input_offset: number;
}
