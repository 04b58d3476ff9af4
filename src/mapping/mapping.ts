import type { LabelSource } from '../domain/transaction.ts';

/** How rows of somebody's file become our Transactions: a mapping file (docs/your-data.md), read and checked. */
export interface Mapping {
  /** as the user names it, for messages */
  readonly fileName: string;
  readonly layout: FileLayout;
  readonly ids: Readonly<Record<RequiredText, TextSource>>;
  readonly optional: Readonly<Record<OptionalText, TextSource | null>>;
  readonly channel: TextSource | null;
  readonly eventTime: TimeSource;
  readonly amount: AmountSource;
  readonly lat: TextSource | null;
  readonly lon: TextSource | null;
  readonly attributes: ReadonlyMap<string, TextSource>;
  readonly label: LabelRule | null;
  readonly skipWhen: readonly SkipRule[];
  /** every column that is named, with the line of the mapping that names it first */
  readonly columns: ReadonlyMap<string, number>;
}

export const REQUIRED_TEXTS = [
  'transaction_id',
  'user_id',
  'currency',
  'card_id',
  'merchant_id',
  'mcc',
  'country',
] as const;
export type RequiredText = (typeof REQUIRED_TEXTS)[number];

export const OPTIONAL_TEXTS = ['terminal_id', 'device_id', 'ip'] as const;
export type OptionalText = (typeof OPTIONAL_TEXTS)[number];

export type FileFormat = 'csv' | 'jsonl' | 'avro';

export interface FileLayout {
  /** null: by the name of the file */
  readonly format: FileFormat | null;
  readonly encoding: 'utf-8' | 'latin1';
  /** one ASCII character */
  readonly delimiter: string;
  /** one ASCII character; null: no cell is quoted */
  readonly quote: string | null;
  /** spaces around cells are not part of them */
  readonly trim: boolean;
  /** names of the columns; null: they stand in the first row */
  readonly columns: readonly string[] | null;
  /** texts that mean "no value" */
  readonly nulls: readonly string[];
}

/** Where a text is from. */
export type TextOrigin =
  | { readonly kind: 'column'; readonly column: string }
  | { readonly kind: 'value'; readonly value: string }
  /** `column` null: `text` as it stands */
  | {
      readonly kind: 'template';
      readonly parts: readonly { readonly text: string; readonly column: string | null }[];
      readonly text: string;
    }
  /** rows are counted from 1 over all files, refused and skipped ones too */
  | { readonly kind: 'row_number' };

export interface TextSource {
  /** field of the Transaction, for messages */
  readonly field: string;
  readonly origin: TextOrigin;
  readonly map: ReadonlyMap<string, string> | null;
  /** taken when there is no value, or no entry in the map */
  readonly fallback: string | null;
}

export interface TimeSource {
  readonly text: TextSource;
  readonly format: TimeFormat;
}

export type TimeFormat =
  /** ISO 8601; `offsetMs`: of the local time that a text without an offset means, east of Greenwich positive */
  | { readonly kind: 'iso'; readonly offsetMs: number }
  | { readonly kind: 'pattern'; readonly pattern: string; readonly offsetMs: number }
  /** a number of units since `sinceMs` */
  | { readonly kind: 'count'; readonly unit: TimeUnit; readonly sinceMs: number };

export const TIME_UNITS = ['seconds', 'milliseconds', 'microseconds'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

export interface AmountSource {
  readonly text: TextSource;
  readonly format: AmountFormat;
}

export interface AmountFormat {
  readonly unit: 'major' | 'minor';
  /** decimals of the minor unit; null: as ISO 4217 says for the row's currency */
  readonly exponent: number | null;
  /** what becomes of more decimals than the currency has */
  readonly round: 'refuse' | 'half_even';
  /** what becomes of an amount below zero */
  readonly negative: 'refuse' | 'absolute';
  readonly decimal: '.' | ',';
  /** between thousands; null: none */
  readonly group: string | null;
  /** a text that may stand before or behind the number, such as a currency sign */
  readonly strip: string | null;
}

/** Where the verdict on a payment stands in its own row. */
export interface LabelRule {
  readonly text: TextSource;
  readonly fraud: ReadonlySet<string>;
  readonly genuine: ReadonlySet<string>;
  /** the verdict is given this long after the payment; null: `at` says when */
  readonly delayMs: number | null;
  readonly at: TimeSource | null;
  readonly source: LabelSource;
}

/** Rows that are left out on purpose. */
export interface SkipRule {
  readonly column: string;
  readonly texts: ReadonlySet<string>;
  /** true: rows with one of the texts; false: rows with none of them */
  readonly when: boolean;
}

/** Why a row is no Transaction. Never holds a value of the row. */
export interface Refusal {
  readonly field: string;
  /** what the row was asked for: a column, a template; null: none in particular */
  readonly column: string | null;
  readonly reason: string;
}
