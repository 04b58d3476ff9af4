import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAvroTransactionDecoder } from '../../../src/codec/transaction-decoder.ts';
import { createTransactionEncoder } from '../../../src/codec/transaction-encoder.ts';
import { FRAUD_PATTERNS, type SimulatedEvent } from '../../../src/simulate/event.ts';
import type { SimulateOptions } from '../../../src/simulate/options.ts';
import { simulate } from '../../../src/simulate/simulate.ts';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 5);

const SMALL = { users: 400, days: 2, startMs: START_MS };

function hashOf(options: Partial<SimulateOptions>): string {
  const hash = createHash('sha256');
  for (const event of simulate(options)) hash.update(JSON.stringify(event));
  return hash.digest('hex');
}

describe('simulate', () => {
  const weeks: SimulatedEvent[] = [...simulate({ seed: 3, users: 3_000, days: 14, startMs: START_MS })];
  const once = weeks.filter((event) => !event.isResend);
  const frauds = once.filter((event) => event.isFraud);

  it('gives the same bytes for the same seed, on every machine', () => {
    const hash = hashOf({ ...SMALL, seed: 7 });
    expect(hashOf({ ...SMALL, seed: 7 })).toBe(hash);
    expect(hash).toBe('c007c214568ad742b4e2371a156ff2ca271440e6affcbb431897f4655bf5e19c');
  });

  it('gives other payments for another seed, also beyond 32 bits', () => {
    const seeds = [7, 8, 2 ** 32 + 7];
    expect(new Set(seeds.map((seed) => hashOf({ ...SMALL, seed }))).size).toBe(3);
  });

  it('comes in arrival order, never before the event, with some late arrivals', () => {
    let last = 0;
    let late = 0;
    let hours = 0;
    let wrong = 0;
    for (const event of weeks) {
      const delay = event.arrivalMs - event.transaction.event_time;
      if (event.arrivalMs < last || delay < 0) wrong++;
      last = event.arrivalMs;
      if (delay > 1_000) late++;
      if (delay > 1_200_000) hours++;
    }
    expect(wrong).toBe(0);
    expect(late / weeks.length).toBeGreaterThan(0.01);
    expect(late / weeks.length).toBeLessThan(0.02);
    expect(hours).toBeGreaterThan(10);
  });

  it('keeps to the asked time, rate and fraud share', () => {
    const inside = weeks.every(
      ({ transaction }) => transaction.event_time >= START_MS && transaction.event_time < START_MS + 14 * DAY_MS,
    );
    expect(inside).toBe(true);
    const perDay = once.length / 14;
    expect(perDay / 12_000).toBeGreaterThan(0.9);
    expect(perDay / 12_000).toBeLessThan(1.1);
    const share = frauds.length / once.length;
    expect(share).toBeGreaterThan(0.003);
    expect(share).toBeLessThan(0.006);
    const none = [...simulate({ ...SMALL, fraudShare: 0 })];
    expect(none.some((event) => event.isFraud)).toBe(false);
  });

  it('honours a fraction of a day, a start within a day and history', () => {
    const startMs = START_MS + 13 * 3_600_000;
    const times = [...simulate({ users: 500, days: 0.25, historyDays: 1, startMs })].map(
      (e) => e.transaction.event_time,
    );
    expect(Math.min(...times)).toBeGreaterThanOrEqual(startMs - DAY_MS);
    expect(Math.min(...times)).toBeLessThan(startMs - DAY_MS + 3_600_000);
    expect(Math.max(...times)).toBeLessThan(startMs + DAY_MS / 4);
    expect(Math.max(...times)).toBeGreaterThan(startMs + DAY_MS / 4 - 3_600_000);
  });

  it('has every pattern of fraud, and more look-alikes than fraud', () => {
    const counts = new Map<string, number>();
    for (const event of once) counts.set(event.pattern, (counts.get(event.pattern) ?? 0) + 1);
    for (const pattern of FRAUD_PATTERNS) expect(counts.get(pattern) ?? 0, pattern).toBeGreaterThan(10);
    const lookalikes = [
      'trip',
      'small-burst',
      'shopping-spree',
      'big-purchase',
      'new-device',
      'moved-home',
      'foreign-network',
    ];
    for (const pattern of lookalikes) expect(counts.get(pattern) ?? 0, pattern).toBeGreaterThan(10);
    const total = lookalikes.reduce((sum, pattern) => sum + (counts.get(pattern) ?? 0), 0);
    expect(total).toBeGreaterThan(2 * frauds.length);
  });

  it('has a rhythm of day and week', () => {
    const hours = new Array<number>(24).fill(0);
    const weekdays = new Array<number>(7).fill(0);
    for (const { transaction } of once) {
      const date = new Date(transaction.event_time);
      hours[date.getUTCHours()]! += 1;
      weekdays[date.getUTCDay()]! += 1;
    }
    expect(hours[3]! * 5).toBeLessThan(hours[17]!);
    expect(weekdays[5]!).toBeGreaterThan(weekdays[1]! * 1.1);
    expect(weekdays[0]!).toBeLessThan(weekdays[5]!);
  });

  it('repeats a payment rarely, and exactly', () => {
    const resends = weeks.filter((event) => event.isResend);
    expect(resends.length / weeks.length).toBeGreaterThan(0.0002);
    expect(resends.length / weeks.length).toBeLessThan(0.002);
    const byId = new Map(once.map((event) => [event.transaction.transaction_id, event]));
    expect(byId.size).toBe(once.length);
    for (const event of resends) {
      const original = byId.get(event.transaction.transaction_id);
      expect(event.transaction).toBe(original?.transaction);
      expect(event.arrivalMs).toBeGreaterThan(original?.arrivalMs ?? Infinity);
    }
  });

  it('is a Transaction that the decoder accepts, nulls where real payments have them', () => {
    const encoder = createTransactionEncoder();
    const decoder = createAvroTransactionDecoder();
    const nulls = { terminal_id: 0, device_id: 0, ip: 0, lat: 0 };
    for (const [offset, { transaction }] of once.slice(0, 50_000).entries()) {
      const value = encoder.encode(transaction);
      const record = { topic: 't', partition: 0, offset, timestampMs: -1, key: null, value, headers: null };
      const decoded = decoder.decode(record);
      if (offset < 1_000) expect(decoded).toEqual(transaction);
      for (const field of ['terminal_id', 'device_id', 'ip', 'lat'] as const)
        if (transaction[field] === null) nulls[field]++;
    }
    for (const count of Object.values(nulls)) {
      expect(count).toBeGreaterThan(5_000);
      expect(count).toBeLessThan(45_000);
    }
  });

  it('does not tell fraud by the form of a field or by one common value', () => {
    // The form: letters, digits and nulls of every field, as a pattern of character classes.
    const form = (value: unknown): string =>
      value === null ? 'null' : String(value).replace(/[a-z0-9]+$/, (s) => (/^\d+$/.test(s) ? '9' : `x${s.length}`));
    const seen = new Map<string, { fraud: number; all: number }>();
    for (const { transaction, isFraud } of once) {
      const { attributes, ...fields } = transaction;
      const keys = Object.keys({ ...transaction, ...attributes }).join();
      const facts = [`keys=${keys}`];
      for (const [name, value] of Object.entries({ ...fields, ...attributes })) {
        if (['event_time', 'amount_minor', 'lat', 'lon'].includes(name)) continue;
        facts.push(name.endsWith('_id') || name === 'ip' ? `${name}~${form(value)}` : `${name}=${String(value)}`);
        if (name === 'merchant_id' || name === 'terminal_id') facts.push(`${name}=${String(value)}`);
      }
      for (const fact of facts) {
        const count = seen.get(fact) ?? { fraud: 0, all: 0 };
        count.all++;
        if (isFraud) count.fraud++;
        seen.set(fact, count);
      }
    }
    for (const [fact, { fraud, all }] of seen) {
      // A compromised terminal may be bad, but no value holds a large part of all fraud and little else.
      const recall = fraud / frauds.length;
      const precision = fraud / all;
      if (recall > 0.05 && precision > 0.2) expect.fail(`${fact}: ${fraud} of ${all}`);
      if (fact.includes('_id~')) expect(precision, fact).toBeLessThan(0.05);
    }
  });

  it('has ids that are tokens, never card numbers', () => {
    for (const { transaction } of once.slice(0, 2_000)) {
      expect(transaction.transaction_id).toMatch(/^t_[a-z2-7]{12}$/);
      expect(transaction.card_id).toMatch(/^c_[a-z2-7]{12}$/);
      expect(transaction.user_id).toMatch(/^u_[a-z2-7]{12}$/);
    }
  });

  it('refuses options out of range', () => {
    for (const bad of [
      { users: 0 },
      { days: 0 },
      { seed: -1 },
      { seed: 0.5 },
      { fraudShare: 0.5 },
      { paymentsPerDay: 0 },
    ]) {
      expect(() => simulate(bad).next()).toThrow(/the configuration is not valid: simulation option/);
    }
  });
});
