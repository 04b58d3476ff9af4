import { LIMITS } from '../domain/limits.ts';
import { type Channel, CHANNELS, type Transaction } from '../domain/transaction.ts';
import type { AvroCursor } from './avro-cursor.ts';
import { compileScanStep, type ScanMemo } from './avro-scan.ts';
import { type AvroType, parseAvroSchema } from './avro-schema.ts';
import { SCHEMA_TEXTS } from './schemas.ts';
import { refuseWriter, requireMillis, sameWire } from './writer-schema.ts';

/** Reads and checks the record at the cursor, in one pass. @throws FraudstreamError as AvroCursor, FS_FIELD_MISSING */
export type TransactionReader = (cursor: AvroCursor) => Transaction;

/**
 * Avro schema resolution of a writer schema to ours, compiled once: fields are matched by name, unknown ones are scanned
 * and skipped, absent ones take their default. More lenient than the specification where that loses nothing: names of
 * the record and of its enum may differ, and a field that we require may be nullable at the writer (a null is then
 * FS_FIELD_MISSING of that record alone).
 *
 * @throws FraudstreamError FS_SCHEMA_INCOMPATIBLE, naming the field
 */
export function compileTransactionReader(writer: AvroType): TransactionReader {
  if (writer.kind !== 'record') refuseWriter('', 'it is not a record');
  const eventTime = writer.fields.find((field) => field.name === 'event_time');
  if (eventTime !== undefined) requireMillis(eventTime.type);
  if (sameWire(writer, BUNDLED)) return readBundledTransaction;
  return compileResolvingReader(writer);
}

/** The writer schema that bare Avro is read with unless another is given. */
const BUNDLED = parseAvroSchema(SCHEMA_TEXTS.transaction);

/** For the bundled schema itself: straight-line code in the order of its fields. */
function readBundledTransaction(cursor: AvroCursor): Transaction {
  cursor.prepareText();
  return {
    transaction_id: text(cursor, 'transaction_id'),
    user_id: ownText(cursor, 'user_id'),
    event_time: long(cursor, 'event_time'),
    amount_minor: long(cursor, 'amount_minor'),
    currency: text(cursor, 'currency'),
    card_id: text(cursor, 'card_id'),
    merchant_id: text(cursor, 'merchant_id'),
    mcc: text(cursor, 'mcc'),
    terminal_id: optionalText(cursor, 'terminal_id'),
    device_id: optionalText(cursor, 'device_id'),
    ip: optionalText(cursor, 'ip'),
    country: text(cursor, 'country'),
    channel: channel(cursor, 'channel'),
    lat: optionalDouble(cursor, 'lat'),
    lon: optionalDouble(cursor, 'lon'),
    attributes: attributes(cursor, 'attributes'),
  };
}

function text(cursor: AvroCursor, field: string): string {
  cursor.field = field;
  return cursor.readText();
}

function ownText(cursor: AvroCursor, field: string): string {
  cursor.field = field;
  return cursor.readOwnText();
}

function long(cursor: AvroCursor, field: string): number {
  cursor.field = field;
  return cursor.readLong();
}

function optionalText(cursor: AvroCursor, field: string): string | null {
  cursor.field = field;
  return cursor.readIndex(2) === 0 ? null : orNull(cursor.readText());
}

function optionalDouble(cursor: AvroCursor, field: string): number | null {
  cursor.field = field;
  return cursor.readIndex(2) === 0 ? null : cursor.readDouble();
}

function channel(cursor: AvroCursor, field: string): Channel {
  cursor.field = field;
  return CHANNELS[cursor.readIndex(CHANNELS.length)]!;
}

function attributes(cursor: AvroCursor, field: string): Record<string, string> {
  cursor.field = field;
  return readAttributes(cursor);
}

function readAttributes(cursor: AvroCursor): Record<string, string> {
  const result: Record<string, string> = {};
  let total = 0;
  for (;;) {
    const count = cursor.readBlock(2);
    if (count === 0) return result;
    const blockEnd = cursor.blockEnd;
    total += count;
    if (total > LIMITS.attributesMax) cursor.fail('FS_FIELD_TOO_LONG', `more than ${LIMITS.attributesMax} entries`);
    for (let i = 0; i < count; i++) {
      const key = cursor.readText();
      // Assigning it would set the prototype, that is: lose the entry without a word.
      if (key === '__proto__') cursor.fail('FS_FIELD_INVALID', 'a key cannot be __proto__');
      result[key] = cursor.readText();
    }
    cursor.closeBlock(blockEnd);
  }
}

// ---- any other writer schema ----

type Value = string | number | Record<string, string>;
type ReadValue<T extends Value> = (cursor: AvroCursor) => T | null;

/** What has been read of the record at hand; reused. */
interface Draft {
  transaction_id: string;
  user_id: string;
  event_time: number;
  amount_minor: number;
  currency: string;
  card_id: string;
  merchant_id: string;
  mcc: string;
  terminal_id: string | null;
  device_id: string | null;
  ip: string | null;
  country: string;
  channel: Channel;
  lat: number | null;
  lon: number | null;
  attributes: Record<string, string>;
}

type FieldStep = (cursor: AvroCursor, draft: Draft) => void;

/** An empty optional text is an absent one: '' would be one device that all users share. */
const orNull = (value: string | null): string | null => (value === '' ? null : value);

const FIELDS: Readonly<Record<keyof Draft, (type: AvroType, name: string) => FieldStep>> = {
  transaction_id: required(textOf, (draft, value) => (draft.transaction_id = value)),
  user_id: required(ownTextOf, (draft, value) => (draft.user_id = value)),
  event_time: required(longOf, (draft, value) => (draft.event_time = value)),
  amount_minor: required(longOf, (draft, value) => (draft.amount_minor = value)),
  currency: required(textOf, (draft, value) => (draft.currency = value)),
  card_id: required(textOf, (draft, value) => (draft.card_id = value)),
  merchant_id: required(textOf, (draft, value) => (draft.merchant_id = value)),
  mcc: required(textOf, (draft, value) => (draft.mcc = value)),
  terminal_id: nullable(textOf, (draft, value) => (draft.terminal_id = orNull(value))),
  device_id: nullable(textOf, (draft, value) => (draft.device_id = orNull(value))),
  ip: nullable(textOf, (draft, value) => (draft.ip = orNull(value))),
  country: required(textOf, (draft, value) => (draft.country = value)),
  channel: required(channelOf, (draft, value) => (draft.channel = value)),
  lat: nullable(doubleOf, (draft, value) => (draft.lat = value)),
  lon: nullable(doubleOf, (draft, value) => (draft.lon = value)),
  attributes: nullable(attributesOf, (draft, value) => (draft.attributes = value ?? {})),
};

const OPTIONAL: ReadonlySet<string> = new Set(['terminal_id', 'device_id', 'ip', 'lat', 'lon', 'attributes']);

function compileResolvingReader(writer: Extract<AvroType, { kind: 'record' }>): TransactionReader {
  const memo: ScanMemo = new Map();
  const steps = writer.fields.map((field): FieldStep => {
    if (Object.hasOwn(FIELDS, field.name)) return FIELDS[field.name as keyof Draft](field.type, field.name);
    const scan = compileScanStep(field.type, false, memo);
    return (cursor) => {
      // Not named in messages: a name of the writer's own choosing is as foreign as its data.
      cursor.field = '';
      scan(cursor);
    };
  });
  for (const name of Object.keys(FIELDS)) {
    if (!OPTIONAL.has(name) && !writer.fields.some((field) => field.name === name)) refuseWriter(name, 'it is missing');
  }
  const draft = emptyDraft();
  return (cursor) => {
    // The others are written by every record or by none.
    draft.attributes = {};
    cursor.prepareText();
    for (let i = 0; i < steps.length; i++) steps[i]!(cursor, draft);
    return {
      transaction_id: draft.transaction_id,
      user_id: draft.user_id,
      event_time: draft.event_time,
      amount_minor: draft.amount_minor,
      currency: draft.currency,
      card_id: draft.card_id,
      merchant_id: draft.merchant_id,
      mcc: draft.mcc,
      terminal_id: draft.terminal_id,
      device_id: draft.device_id,
      ip: draft.ip,
      country: draft.country,
      channel: draft.channel,
      lat: draft.lat,
      lon: draft.lon,
      attributes: draft.attributes,
    };
  };
}

function emptyDraft(): Draft {
  return {
    transaction_id: '',
    user_id: '',
    event_time: 0,
    amount_minor: 0,
    currency: '',
    card_id: '',
    merchant_id: '',
    mcc: '',
    terminal_id: null,
    device_id: null,
    ip: null,
    country: '',
    channel: 'OTHER',
    lat: null,
    lon: null,
    attributes: {},
  };
}

type Resolve<T extends Value> = (type: AvroType) => ReadValue<T> | null;

function required<T extends Value>(resolve: Resolve<T>, set: (draft: Draft, value: T) => void) {
  return (type: AvroType, name: string): FieldStep => {
    const read = resolveField(resolve, type, name);
    return (cursor, draft) => {
      cursor.field = name;
      const value = read(cursor);
      if (value === null) return cursor.fail('FS_FIELD_MISSING', 'null');
      set(draft, value);
    };
  };
}

function nullable<T extends Value>(resolve: Resolve<T>, set: (draft: Draft, value: T | null) => void) {
  return (type: AvroType, name: string): FieldStep => {
    const read = resolveField(resolve, type, name);
    return (cursor, draft) => {
      cursor.field = name;
      set(draft, read(cursor));
    };
  };
}

function resolveField<T extends Value>(resolve: Resolve<T>, type: AvroType, name: string): ReadValue<T> {
  if (type.kind !== 'union') return resolve(type) ?? refuseWriter(name, 'its type cannot be read as ours');
  const branches = type.branches.map((branch): ReadValue<T> | null =>
    branch.kind === 'null' ? () => null : resolve(branch),
  );
  if (!branches.some((read, i) => read !== null && type.branches[i]!.kind !== 'null')) {
    refuseWriter(name, 'no branch of its union can be read as ours');
  }
  return (cursor) => {
    const read = branches[cursor.readIndex(branches.length)]!;
    return read === null ? cursor.fail('FS_SCHEMA_INCOMPATIBLE', 'this branch of the union is not ours') : read(cursor);
  };
}

function textOf(type: AvroType): ReadValue<string> | null {
  return type.kind === 'string' || type.kind === 'bytes' ? (cursor) => cursor.readText() : null;
}

function ownTextOf(type: AvroType): ReadValue<string> | null {
  return textOf(type) === null ? null : (cursor) => cursor.readOwnText();
}

function longOf(type: AvroType): ReadValue<number> | null {
  if (type.kind === 'long') return (cursor) => cursor.readLong();
  if (type.kind === 'int') return (cursor) => cursor.readInt();
  return null;
}

function doubleOf(type: AvroType): ReadValue<number> | null {
  if (type.kind === 'double') return (cursor) => cursor.readDouble();
  if (type.kind === 'float') return (cursor) => cursor.readFloat();
  return longOf(type);
}

function channelOf(type: AvroType): ReadValue<Channel> | null {
  if (type.kind === 'string') return (cursor) => toChannel(cursor.readText());
  if (type.kind !== 'enum') return null;
  const channels = type.symbols.map(toChannel);
  return (cursor) => channels[cursor.readIndex(channels.length)]!;
}

function toChannel(symbol: string): Channel {
  return CHANNELS.find((known) => known === symbol) ?? 'OTHER';
}

function attributesOf(type: AvroType): ReadValue<Record<string, string>> | null {
  if (type.kind !== 'map' || (type.items.kind !== 'string' && type.items.kind !== 'bytes')) return null;
  return readAttributes;
}
