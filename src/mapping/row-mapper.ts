import { minorUnitDigits } from '../domain/currency.ts';
import { CHANNELS, type Channel, type Label, type Transaction } from '../domain/transaction.ts';
import { minorUnits } from './decimal.ts';
import type { AmountFormat, Mapping, Refusal, SkipRule, TextSource, TimeSource } from './mapping.ts';
import { compileTime, type TimeReader } from './time-text.ts';

/** The cells of a row; null: no value. */
export type Cells = readonly (string | null | undefined)[];

/** What a source gives for a row: its text, no value, or why there is none. */
type Text = (cells: Cells, row: number) => string | null | Refusal;

/**
 * One mapping over rows whose columns are known: `transaction` and `label` return null for a row that is refused
 * (`refusal` says why) or skipped (`refusal` is null). Nothing is thrown per row.
 */
export class RowMapper {
  refusal: Refusal | null = null;
  private readonly mapping: Mapping;
  private readonly indexOf: (column: string) => number;
  private readonly nulls: ReadonlySet<string>;
  private readonly skips: readonly { readonly at: number; readonly rule: SkipRule }[];
  private readonly texts: Readonly<Record<keyof Mapping['ids'] | keyof Mapping['optional'], Text>>;
  private readonly missing: Readonly<Record<string, Refusal>>;
  private readonly channel: Text;
  private readonly noChannel: Refusal;
  private readonly time: Text;
  private readonly readTime: TimeReader;
  private readonly noTime: Refusal;
  private readonly amount: Text;
  private readonly amountFormat: AmountFormat;
  private readonly amountRefusals = new Map<string, Refusal>();
  private readonly lat: Text;
  private readonly lon: Text;
  private readonly noDegrees: Readonly<Record<'lat' | 'lon', Refusal>>;
  private readonly attributes: readonly { readonly name: string; readonly text: Text }[];
  private readonly verdict: Text;
  private readonly verdictTime: Text;
  private readonly readVerdictTime: TimeReader;

  /** @param indexOf where a column stands in the cells; every column of `mapping.columns` is somewhere */
  constructor(mapping: Mapping, indexOf: (column: string) => number) {
    this.mapping = mapping;
    this.indexOf = indexOf;
    this.nulls = new Set(mapping.layout.nulls);
    this.skips = mapping.skipWhen.map((rule) => ({ at: indexOf(rule.column), rule }));
    const sources = { ...mapping.ids, ...mapping.optional };
    const each = Object.entries(sources).map(([field, source]) => [field, this.compile(source)] as const);
    this.texts = Object.fromEntries(each) as Record<keyof typeof sources, Text>;
    this.missing = Object.fromEntries(
      Object.entries({ ...mapping.ids, event_time: mapping.eventTime.text, amount: mapping.amount.text }).map(
        ([field, source]) => [field, refuse(source, 'no value')],
      ),
    );
    this.channel = this.compile(mapping.channel);
    this.noChannel = refuse(mapping.channel, `none of ${CHANNELS.join(', ')}; add it to the map`);
    this.time = this.compile(mapping.eventTime.text);
    this.readTime = compileTime(mapping.eventTime.format);
    this.noTime = refuse(mapping.eventTime.text, 'not a time of its format');
    this.amount = this.compile(mapping.amount.text);
    this.amountFormat = mapping.amount.format;
    this.lat = this.compile(mapping.lat);
    this.lon = this.compile(mapping.lon);
    this.noDegrees = {
      lat: refuse(mapping.lat, 'not a number of degrees'),
      lon: refuse(mapping.lon, 'not a number of degrees'),
    };
    this.attributes = [...mapping.attributes].map(([name, source]) => ({ name, text: this.compile(source) }));
    this.verdict = this.compile(mapping.label?.text ?? null);
    const at: TimeSource | null = mapping.label?.at ?? null;
    this.verdictTime = this.compile(at?.text ?? null);
    this.readVerdictTime = at === null ? () => Number.NaN : compileTime(at.format);
  }

  /** @param row from 1, over all files */
  transaction(cells: Cells, row: number): Transaction | null {
    this.refusal = null;
    if (this.skipped(cells)) return null;
    const { texts } = this;
    const currency = this.need(texts.currency(cells, row), 'currency');
    const lat = this.may(this.lat(cells, row));
    const lon = this.may(this.lon(cells, row));
    const transaction: Transaction = {
      transaction_id: this.need(texts.transaction_id(cells, row), 'transaction_id'),
      user_id: this.need(texts.user_id(cells, row), 'user_id'),
      event_time: this.eventTime(cells, row),
      amount_minor: this.minor(this.need(this.amount(cells, row), 'amount'), currency),
      currency,
      card_id: this.need(texts.card_id(cells, row), 'card_id'),
      merchant_id: this.need(texts.merchant_id(cells, row), 'merchant_id'),
      mcc: this.need(texts.mcc(cells, row), 'mcc'),
      terminal_id: this.may(texts.terminal_id(cells, row)),
      device_id: this.may(texts.device_id(cells, row)),
      ip: this.may(texts.ip(cells, row)),
      country: this.need(texts.country(cells, row), 'country'),
      channel: this.channelOf(this.may(this.channel(cells, row))),
      lat: lat === null ? null : this.degrees(lat, 'lat'),
      lon: lon === null ? null : this.degrees(lon, 'lon'),
      attributes: this.attributes.length === 0 ? {} : this.attributesOf(cells, row),
    };
    return this.refusal === null ? transaction : null;
  }

  /** Null also for a row without a verdict. Times and ids are those of the transaction; its other fields do not matter. */
  label(cells: Cells, row: number): Label | null {
    this.refusal = null;
    const rule = this.mapping.label;
    if (rule === null || this.skipped(cells)) return null;
    const verdict = this.may(this.verdict(cells, row));
    if (verdict === null) return null;
    const isFraud = rule.fraud.has(verdict);
    if (!isFraud && !rule.genuine.has(verdict)) {
      this.refusal = refuse(rule.text, 'neither among the texts for fraud nor for genuine');
      return null;
    }
    const { texts } = this;
    const transactionId = this.may(texts.transaction_id(cells, row));
    const userId = this.may(texts.user_id(cells, row));
    const eventTime = this.eventTime(cells, row);
    // A row that is no payment is refused, and reported, where payments are read.
    if (transactionId === null || userId === null || this.refusal !== null) {
      this.refusal = null;
      return null;
    }
    const labelledAt = this.labelledAt(cells, row, eventTime);
    if (labelledAt === null) return null;
    const optional = (text: Text): string | null => {
      const value = text(cells, row);
      return typeof value === 'string' ? value : null;
    };
    return {
      transaction_id: transactionId,
      user_id: userId,
      event_time: eventTime,
      card_id: optional(texts.card_id),
      merchant_id: optional(texts.merchant_id),
      terminal_id: optional(texts.terminal_id),
      device_id: optional(texts.device_id),
      ip: optional(texts.ip),
      is_fraud: isFraud,
      source: rule.source,
      labelled_at: labelledAt,
    };
  }

  private labelledAt(cells: Cells, row: number, eventTime: number): number | null {
    const rule = this.mapping.label;
    if (rule === null) return null;
    if (rule.at === null) return eventTime + (rule.delayMs ?? 0);
    const text = this.verdictTime(cells, row);
    const ms = typeof text === 'string' ? this.readVerdictTime(text) : Number.NaN;
    if (ms >= eventTime) return ms;
    this.refusal = refuse(
      rule.at.text,
      text === null ? 'no value' : Number.isNaN(ms) ? 'not a time of its format' : 'before the payment',
    );
    return null;
  }

  /** A refusal for a field of the transaction, with the column that it is from. */
  refuse(field: string, reason: string): Refusal {
    const { ids, optional, channel, eventTime, amount, lat, lon } = this.mapping;
    const sources = [...Object.values(ids), ...Object.values(optional), channel, eventTime.text, amount.text, lat, lon];
    const source = sources.find((one) => one?.field === field) ?? null;
    return { ...refuse(source, reason), field };
  }

  private skipped(cells: Cells): boolean {
    for (const { at, rule } of this.skips) if (rule.texts.has(cells[at] ?? '') === rule.when) return true;
    return false;
  }

  private need(value: string | null | Refusal, field: string): string {
    if (typeof value === 'string') return value;
    this.refusal ??= value ?? this.missing[field] ?? null;
    return '';
  }

  private may(value: string | null | Refusal): string | null {
    if (value === null || typeof value === 'string') return value;
    this.refusal ??= value;
    return null;
  }

  private eventTime(cells: Cells, row: number): number {
    const text = this.need(this.time(cells, row), 'event_time');
    const ms = this.readTime(text);
    if (Number.isNaN(ms)) this.refusal ??= this.noTime;
    return ms;
  }

  private minor(text: string, currency: string): number {
    const digits = this.amountFormat.exponent ?? minorUnitDigits(currency);
    if (digits === null) {
      this.refusal ??= refuse(this.mapping.ids.currency, 'no ISO 4217 code such as EUR');
      return 0;
    }
    const minor = minorUnits(text, this.amountFormat, digits);
    if (typeof minor === 'number') return minor;
    let refusal = this.amountRefusals.get(minor);
    if (refusal === undefined) this.amountRefusals.set(minor, (refusal = refuse(this.mapping.amount.text, minor)));
    this.refusal ??= refusal;
    return 0;
  }

  private channelOf(text: string | null): Channel {
    if (text === null) return 'OTHER';
    for (const channel of CHANNELS) if (channel === text) return channel;
    this.refusal ??= this.noChannel;
    return 'OTHER';
  }

  private degrees(text: string, field: 'lat' | 'lon'): number {
    const value = DEGREES.test(text) ? Number(text) : Number.NaN;
    if (!Number.isFinite(value)) this.refusal ??= this.noDegrees[field];
    return value;
  }

  private attributesOf(cells: Cells, row: number): Record<string, string> {
    const attributes: Record<string, string> = {};
    for (const { name, text } of this.attributes) {
      const value = this.may(text(cells, row));
      if (value !== null) attributes[name] = value;
    }
    return attributes;
  }

  private compile(source: TextSource | null): Text {
    if (source === null) return () => null;
    const raw = this.compileOrigin(source);
    const { map, fallback } = source;
    if (map !== null) {
      const noEntry = refuse(source, 'no entry in the map, and no default');
      return (cells, row) => {
        const text = raw(cells, row);
        return text === null ? fallback : (map.get(text) ?? fallback ?? noEntry);
      };
    }
    return fallback === null ? raw : (cells, row) => raw(cells, row) ?? fallback;
  }

  private compileOrigin({ origin }: TextSource): (cells: Cells, row: number) => string | null {
    switch (origin.kind) {
      case 'column':
        return this.cell(origin.column);
      case 'value':
        return () => origin.value;
      case 'row_number':
        return (_, row) => String(row);
      case 'template': {
        const parts = origin.parts.map(({ text, column }) => (column === null ? () => text : this.cell(column)));
        return (cells) => {
          let whole = '';
          for (const part of parts) {
            const text = part(cells);
            if (text === null) return null;
            whole += text;
          }
          return whole;
        };
      }
    }
  }

  private cell(column: string): (cells: Cells) => string | null {
    const at = this.indexOf(column);
    const { nulls } = this;
    const onlyEmpty = nulls.size === 1 && nulls.has('');
    if (onlyEmpty) return (cells) => cells[at] || null;
    return (cells) => {
      const text = cells[at] ?? null;
      return text === null || nulls.has(text) ? null : text;
    };
  }
}

const DEGREES = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?$/i;

function refuse(source: TextSource | null, reason: string): Refusal {
  const origin = source?.origin;
  const column = origin?.kind === 'column' ? origin.column : origin?.kind === 'template' ? origin.text : null;
  return { field: source?.field ?? '', column, reason };
}
