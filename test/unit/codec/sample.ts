import type { Decision, FlaggedTransaction } from '../../../src/domain/decision.ts';
import { type ErrorCode, FraudstreamError } from '../../../src/domain/errors.ts';
import type { Label, Transaction } from '../../../src/domain/transaction.ts';
import type { InputRecord } from '../../../src/transport/record.ts';

export function sampleTransaction(over: Partial<Transaction> = {}): Transaction {
  return {
    transaction_id: 'tx-0001',
    user_id: 'user-1',
    event_time: 1_764_000_000_123,
    amount_minor: 4_999,
    currency: 'EUR',
    card_id: 'card-tok-1',
    merchant_id: 'merchant-77',
    mcc: '5411',
    terminal_id: 'term-9',
    device_id: null,
    ip: '192.0.2.7',
    country: 'DE',
    channel: 'POS',
    lat: 52.52,
    lon: 13.405,
    attributes: { auth_result: 'approved', shop: 'Bäckerei 🥐' },
    ...over,
  };
}

export function sampleDecision(over: Partial<Decision> = {}): Decision {
  return {
    decision_id: 'transactions/3/1234567',
    transaction_id: 'tx-0001',
    user_id: 'user-1',
    decision: 'BLOCK',
    flagged: true,
    score: 0.987_654_321,
    model_version: 'default-1',
    policy_version: 'policy-3',
    catalogue_fingerprint: '0123456789abcdef',
    reasons: [
      { code: 'count_10m', value: 7, usual: 1, contribution: null, text: '7 payments in 10 min; usually 1' },
      { code: 'transaction_id_reused', value: null, usual: null, contribution: null, text: 'id used before' },
    ],
    input_topic: 'transactions',
    input_partition: 3,
    input_offset: 1_234_567,
    event_time: 1_764_000_000_123,
    decision_time: 1_764_000_000_456,
    exact: false,
    late: true,
    future: false,
    duplicate_of: 'transactions/3/12',
    degraded: ['inexact:7d'],
    ...over,
  };
}

export function sampleFlagged(over: Partial<FlaggedTransaction> = {}): FlaggedTransaction {
  return {
    decision: sampleDecision(),
    transaction: sampleTransaction(),
    features: { count_10m: 7, speed_kmh: null, amount_z: -1.25 },
    history: [{ event_time: 1_763_999_999_000, amount_minor: 100, input_offset: 12 }],
    explanation: { space: 'log_odds', base: -5.5, contributions: { count_10m: 2.25, amount_z: -0.125 } },
    ...over,
  };
}

export function sampleLabel(over: Partial<Label> = {}): Label {
  return {
    transaction_id: 'tx-0001',
    user_id: 'user-1',
    event_time: 1_764_000_000_123,
    card_id: 'card-tok-1',
    merchant_id: null,
    terminal_id: null,
    device_id: 'dev-1',
    ip: null,
    is_fraud: true,
    source: 'CHARGEBACK',
    labelled_at: 1_766_000_000_000,
    ...over,
  };
}

export function inputRecord(value: Buffer | null, over: Partial<InputRecord> = {}): InputRecord {
  return { topic: 'transactions', partition: 2, offset: 41, timestampMs: 7, key: null, value, headers: null, ...over };
}

/** Bytes of a Confluent wire format record. */
export function wire(schemaId: number, avro: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(schemaId, 1);
  return Buffer.concat([header, avro]);
}

/** Zigzag varint of any 64-bit value, as a producer in another language writes it. */
export function varint(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** What `action` throws, which has to be one of ours. */
export function failureOf(action: () => unknown): FraudstreamError {
  try {
    action();
  } catch (error) {
    if (error instanceof FraudstreamError) return error;
    throw error;
  }
  throw new Error('it did not throw');
}

export function codeOf(action: () => unknown): ErrorCode {
  return failureOf(action).code;
}
