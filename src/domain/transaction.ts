/**
 * A payment as it arrives. Field names are those of the Avro contract (`schemas/transaction.avsc`),
 * so that a decoded record is used as it is, without a copy per event.
 *
 * Glossary:
 * - event time: when the payment was made, ms since 1970 UTC; a record timestamp is when it was logged.
 * - minor units: cents for EUR, yen for JPY: money is an integer, never a float.
 * - mcc: merchant category code, ISO 18245, four digits.
 */
export interface Transaction {
  transaction_id: string;
  user_id: string;
  /** ms since 1970-01-01T00:00:00Z */
  event_time: number;
  /** integer, minor units of `currency`, 0 … 2^53 - 1 */
  amount_minor: number;
  /** ISO 4217, three capitals */
  currency: string;
  /** a token, never a card number */
  card_id: string;
  merchant_id: string;
  /** four digits */
  mcc: string;
  terminal_id: string | null;
  device_id: string | null;
  ip: string | null;
  /** ISO 3166-1 alpha-2, where the payment was made */
  country: string;
  channel: Channel;
  /** degrees WGS 84; both or neither */
  lat: number | null;
  lon: number | null;
  /** what a user's payments have and this contract does not, e.g. `auth_result` */
  attributes: Record<string, string>;
}

export const CHANNELS = ['POS', 'ECOM', 'ATM', 'MOTO', 'P2P', 'OTHER'] as const;
export type Channel = (typeof CHANNELS)[number];

/** The verdict on an earlier payment: it arrives days later, from an analyst or as a chargeback. */
export interface Label {
  transaction_id: string;
  user_id: string;
  /** event time of the payment, ms */
  event_time: number;
  card_id: string | null;
  merchant_id: string | null;
  terminal_id: string | null;
  device_id: string | null;
  ip: string | null;
  is_fraud: boolean;
  source: LabelSource;
  /** when the verdict was given, ms */
  labelled_at: number;
}

export const LABEL_SOURCES = ['ANALYST', 'CHARGEBACK', 'CUSTOMER', 'SIMULATOR', 'OTHER'] as const;
export type LabelSource = (typeof LABEL_SOURCES)[number];
