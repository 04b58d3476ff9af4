import type { Transaction } from '../../src/domain/transaction.ts';

/** A valid payment; tests change what they are about. */
export function transaction(change: Partial<Transaction> = {}): Transaction {
  return {
    transaction_id: 't_1',
    user_id: 'u_1',
    event_time: Date.UTC(2026, 0, 15, 12),
    amount_minor: 1_250,
    currency: 'EUR',
    card_id: 'c_1',
    merchant_id: 'm_1',
    mcc: '5411',
    terminal_id: 'term_1',
    device_id: null,
    ip: null,
    country: 'DE',
    channel: 'POS',
    lat: 52.52,
    lon: 13.405,
    attributes: {},
    ...change,
  };
}
