import {
  type Channel,
  CHANNELS,
  type Label,
  LABEL_SOURCES,
  type LabelSource,
  type Transaction,
} from '../../domain/transaction.ts';

/**
 * A Transaction from a parsed JSON object: field names of the contract, integers for amounts and times (ms), absent or
 * null where the contract has null; other fields are ignored, as a newer writer's are. Null when a field has the wrong
 * kind of value. What the values mean is checked by the decoder, with its error codes.
 */
export function transactionFromJson(json: unknown): Transaction | null {
  if (!isObject(json)) return null;
  const fields = new Fields(json);
  const attributes = json['attributes'] ?? {};
  const transaction: Transaction = {
    transaction_id: fields.text('transaction_id'),
    user_id: fields.text('user_id'),
    event_time: fields.integer('event_time'),
    amount_minor: fields.integer('amount_minor'),
    currency: fields.text('currency'),
    card_id: fields.text('card_id'),
    merchant_id: fields.text('merchant_id'),
    mcc: fields.text('mcc'),
    terminal_id: fields.optionalText('terminal_id'),
    device_id: fields.optionalText('device_id'),
    ip: fields.optionalText('ip'),
    country: fields.text('country'),
    channel: isChannel(json['channel']) ? json['channel'] : 'OTHER',
    lat: fields.optionalNumber('lat'),
    lon: fields.optionalNumber('lon'),
    attributes: {},
  };
  if (!fields.ok || typeof json['channel'] !== 'string' || !isTextMap(attributes)) return null;
  transaction.attributes = attributes;
  return transaction;
}

/** A Label, likewise. */
export function labelFromJson(json: unknown): Label | null {
  if (!isObject(json)) return null;
  const fields = new Fields(json);
  const source = json['source'];
  const isFraud = json['is_fraud'];
  if (typeof isFraud !== 'boolean' || !isLabelSource(source)) return null;
  const label: Label = {
    transaction_id: fields.text('transaction_id'),
    user_id: fields.text('user_id'),
    event_time: fields.integer('event_time'),
    card_id: fields.optionalText('card_id'),
    merchant_id: fields.optionalText('merchant_id'),
    terminal_id: fields.optionalText('terminal_id'),
    device_id: fields.optionalText('device_id'),
    ip: fields.optionalText('ip'),
    is_fraud: isFraud,
    source,
    labelled_at: fields.integer('labelled_at'),
  };
  return fields.ok ? label : null;
}

class Fields {
  ok = true;
  private readonly json: Record<string, unknown>;

  constructor(json: Record<string, unknown>) {
    this.json = json;
  }

  text(name: string): string {
    const value = this.json[name];
    if (typeof value === 'string' && !LONE_SURROGATE.test(value)) return value;
    this.ok = false;
    return '';
  }

  optionalText(name: string): string | null {
    return (this.json[name] ?? null) === null ? null : this.text(name);
  }

  /** Only integers that JSON carries exactly. */
  integer(name: string): number {
    const value = this.json[name];
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    this.ok = false;
    return 0;
  }

  optionalNumber(name: string): number | null {
    const value = this.json[name] ?? null;
    if (value === null) return null;
    if (typeof value === 'number') return value;
    this.ok = false;
    return null;
  }
}

/** JSON can spell half a character, UTF-8 cannot: it would silently become another one. */
const LONE_SURROGATE = /\p{Surrogate}/u;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextMap(value: unknown): value is Record<string, string> {
  return (
    isObject(value) &&
    Object.entries(value).every(
      ([key, each]) => typeof each === 'string' && !LONE_SURROGATE.test(key) && !LONE_SURROGATE.test(each),
    )
  );
}

function isChannel(value: unknown): value is Channel {
  return CHANNELS.some((channel) => channel === value);
}

function isLabelSource(value: unknown): value is LabelSource {
  return LABEL_SOURCES.some((source) => source === value);
}
