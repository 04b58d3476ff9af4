import type { Transaction } from '../domain/transaction.ts';
import { NO_LOCATION, type EventView } from '../state/event-view.ts';
import { answerAll } from '../state/questions.ts';
import type { Layout } from '../state/layout.ts';
import { readerOf, type FieldReader } from './field-reader.ts';
import { hash32, mixNumber } from './hash.ts';
import { fieldSeed } from './filter-plan.ts';

/** Fills an EventView from a transaction. One per layout; holds no event. */
export class Extractor {
  private readonly layout: Layout;
  private readonly readers: readonly FieldReader[];
  private readonly hashers: readonly ShortHashes[];
  private readonly content = new ContentHashes();

  constructor({ layout }: { readonly layout: Layout }) {
    this.layout = layout;
    const fields = layout.fields.slice(0, layout.fields.length - layout.questions.length);
    this.readers = fields.map(readerOf);
    this.hashers = fields.map((field) => new ShortHashes(fieldSeed(field)));
  }

  extract(transaction: Transaction, offset: number, out: EventView): void {
    out.timeMs = transaction.event_time;
    out.amountMinor = transaction.amount_minor;
    out.offset = offset;
    out.transactionHash = hash32(transaction.transaction_id, 0);
    if (transaction.lat === null || transaction.lon === null) {
      out.latE7 = NO_LOCATION;
      out.lonE7 = NO_LOCATION;
    } else {
      out.latE7 = Math.round(transaction.lat * 1e7);
      out.lonE7 = Math.round(transaction.lon * 1e7);
    }
    out.contentHash = contentHash(transaction, this.content) & 0xffffff;
    this.extractFields(transaction, out);
  }

  /** The same event as another entity sees it: what it is, from `event`; the fields, from the transaction. */
  extractAs(transaction: Transaction, event: EventView, out: EventView): void {
    out.timeMs = event.timeMs;
    out.amountMinor = event.amountMinor;
    out.offset = event.offset;
    out.transactionHash = event.transactionHash;
    out.contentHash = event.contentHash;
    out.latE7 = event.latE7;
    out.lonE7 = event.lonE7;
    this.extractFields(transaction, out);
  }

  private extractFields(transaction: Transaction, out: EventView): void {
    const hashes = out.hashes;
    for (let field = 0; field < this.readers.length; field++) {
      const value = this.readers[field]!(transaction);
      hashes[field] = value === null || value === undefined ? -1 : this.hashers[field]!.hash(value);
    }
    if (out.kept.length > 0) out.kept.fill(NaN);
    out.payment = transaction;
    answerAll(this.layout, out);
  }
}

/**
 * Hashes with one seed. Country, currency, category and channel have few values: theirs are looked up. Bounded, and
 * emptied when full, since the values come from outside.
 */
class ShortHashes {
  private readonly seed: number;
  private readonly known = new Map<string, number>();

  constructor(seed: number) {
    this.seed = seed;
  }

  hash(value: string): number {
    if (value.length > SHORT_LENGTH_MAX) return hash32(value, this.seed);
    let hash = this.known.get(value);
    if (hash === undefined) {
      hash = hash32(value, this.seed);
      if (this.known.size >= 4_096) this.known.clear();
      this.known.set(value, hash);
    }
    return hash;
  }
}

const SHORT_LENGTH_MAX = 4;

/** For what is part of every payment's content. */
class ContentHashes {
  readonly mcc = new ShortHashes(13);
  readonly country = new ShortHashes(14);
  readonly currency = new ShortHashes(15);
  readonly channel = new ShortHashes(16);
}

/** Everything that makes a payment the same payment, besides its id. Attributes in any order. */
function contentHash(transaction: Transaction, short: ContentHashes): number {
  let hash = hash32(transaction.card_id, 11) | 0;
  hash = Math.imul(hash, 31) ^ (hash32(transaction.merchant_id, 12) | 0);
  hash = Math.imul(hash, 31) ^ (short.mcc.hash(transaction.mcc) | 0);
  hash = Math.imul(hash, 31) ^ (short.country.hash(transaction.country) | 0);
  hash = Math.imul(hash, 31) ^ (short.currency.hash(transaction.currency) | 0);
  hash = Math.imul(hash, 31) ^ (short.channel.hash(transaction.channel) | 0);
  if (transaction.terminal_id !== null) hash = Math.imul(hash, 31) ^ (hash32(transaction.terminal_id, 17) | 0);
  if (transaction.device_id !== null) hash = Math.imul(hash, 37) ^ (hash32(transaction.device_id, 18) | 0);
  if (transaction.ip !== null) hash = Math.imul(hash, 41) ^ (hash32(transaction.ip, 19) | 0);
  let attributes = 0;
  for (const key in transaction.attributes) {
    attributes = (attributes + Math.imul(hash32(key, 20) | 0, hash32(transaction.attributes[key]!, 21) | 1)) | 0;
  }
  hash = mixNumber(hash ^ attributes, transaction.event_time);
  hash = mixNumber(hash, transaction.amount_minor);
  if (transaction.lat !== null && transaction.lon !== null) {
    hash = mixNumber(mixNumber(hash, transaction.lat), transaction.lon);
  }
  return hash;
}
