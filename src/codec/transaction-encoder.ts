import { CHANNELS, type Label, LABEL_SOURCES, type Transaction } from '../domain/transaction.ts';
import { AvroWriter } from './avro-writer.ts';

/** For those who produce our input: the simulator, tests, a load generator. */
export interface TransactionEncoder {
  /** The returned buffer is the caller's. */
  encode(transaction: Transaction): Buffer;
}

export interface LabelEncoder {
  /** The returned buffer is the caller's. */
  encode(label: Label): Buffer;
}

/** @param schemaId of the Confluent wire format; null for bare Avro */
export function createTransactionEncoder(schemaId: number | null = null): TransactionEncoder {
  const writer = new AvroWriter();
  return {
    encode(transaction) {
      writer.begin(schemaId);
      writeTransaction(writer, transaction);
      return writer.take();
    },
  };
}

/** @param schemaId of the Confluent wire format; null for bare Avro */
export function createLabelEncoder(schemaId: number | null = null): LabelEncoder {
  const writer = new AvroWriter();
  return {
    encode(label) {
      writer.begin(schemaId);
      writer.text(label.transaction_id);
      writer.text(label.user_id);
      writer.long(label.event_time);
      writer.optionalText(label.card_id);
      writer.optionalText(label.merchant_id);
      writer.optionalText(label.terminal_id);
      writer.optionalText(label.device_id);
      writer.optionalText(label.ip);
      writer.boolean(label.is_fraud);
      writer.long(LABEL_SOURCES.indexOf(label.source));
      writer.long(label.labelled_at);
      return writer.take();
    },
  };
}

/** The fields in the order of `schemas/transaction.avsc`. */
export function writeTransaction(writer: AvroWriter, transaction: Transaction): void {
  writer.text(transaction.transaction_id);
  writer.text(transaction.user_id);
  writer.long(transaction.event_time);
  writer.long(transaction.amount_minor);
  writer.text(transaction.currency);
  writer.text(transaction.card_id);
  writer.text(transaction.merchant_id);
  writer.text(transaction.mcc);
  writer.optionalText(transaction.terminal_id);
  writer.optionalText(transaction.device_id);
  writer.optionalText(transaction.ip);
  writer.text(transaction.country);
  writer.long(CHANNELS.indexOf(transaction.channel));
  writer.optionalDouble(transaction.lat);
  writer.optionalDouble(transaction.lon);
  const keys = Object.keys(transaction.attributes);
  if (keys.length > 0) {
    writer.long(keys.length);
    for (const key of keys) {
      writer.text(key);
      writer.text(transaction.attributes[key]!);
    }
  }
  writer.long(0);
}
