import type { Transaction } from '../domain/transaction.ts';

export type FieldReader = (transaction: Transaction) => string | null | undefined;

/** The way to one of VALUE_FIELDS, or to `attributes.<key>`. */
export function readerOf(field: string): FieldReader {
  if (field.startsWith('attributes.')) {
    const key = field.slice('attributes.'.length);
    return (transaction) => (Object.hasOwn(transaction.attributes, key) ? transaction.attributes[key] : null);
  }
  switch (field) {
    case 'user_id':
      return (transaction) => transaction.user_id;
    case 'card_id':
      return (transaction) => transaction.card_id;
    case 'merchant_id':
      return (transaction) => transaction.merchant_id;
    case 'mcc':
      return (transaction) => transaction.mcc;
    case 'terminal_id':
      return (transaction) => transaction.terminal_id;
    case 'device_id':
      return (transaction) => transaction.device_id;
    case 'ip':
      return (transaction) => transaction.ip;
    case 'country':
      return (transaction) => transaction.country;
    case 'currency':
      return (transaction) => transaction.currency;
    default:
      return (transaction) => transaction.channel;
  }
}
