import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../src/domain/transaction.ts';
import { computeFeatures, inexactWindows } from '../../src/features/compute.ts';
import { Extractor } from '../../src/features/extract.ts';
import { compilePlan } from '../../src/features/plan.ts';
import { decodeHistory } from '../../src/state/blob-decode.ts';
import { encodeHistory } from '../../src/state/blob-encode.ts';
import { EventView } from '../../src/state/event-view.ts';
import { UserHistory } from '../../src/state/history.ts';
import { measureAsOf } from '../../src/state/measure-as-of.ts';
import { Measures } from '../../src/state/measures.ts';
import { everyAggregate } from '../support/catalogue.ts';
import { naiveFeatures, type Seen } from '../support/naive-features.ts';
import { seeded } from '../support/random.ts';
import { transaction } from '../support/transaction.ts';

const DAY = 86_400_000;
const LATENESS = DAY;
const plan = compilePlan(everyAggregate(), LATENESS);
const extractor = new Extractor(plan);

function pick<T>(random: () => number, of: readonly T[]): T {
  return of[Math.floor(random() * of.length)]!;
}

/** One user's payments in arrival order: bursts, pauses of weeks, equal times, late ones, amounts up to 2^53 - 1. */
function* payments(seed: number, count: number): Generator<Transaction> {
  const random = seeded(seed);
  let now = Date.UTC(2026, 0, 1);
  const huge = random() < 0.3;
  const pauses = random() < 0.3;
  for (let k = 0; k < count; k++) {
    const gap = random();
    if (gap < 0.4) now += Math.floor(random() * 60_000);
    else if (gap < 0.8) now += Math.floor(random() * 6 * 3_600_000);
    else if (gap < 0.99) now += Math.floor(random() * 3 * DAY);
    else if (pauses) now += Math.floor(random() * 45 * DAY);
    const late = random() < 0.15 ? Math.floor(random() * 1.2 * DAY) : 0;
    const located = random() < 0.7;
    yield transaction({
      transaction_id: `t_${k}`,
      event_time: now - late,
      amount_minor:
        huge && random() < 0.05
          ? Math.floor(random() * Number.MAX_SAFE_INTEGER)
          : random() < 0.2
            ? 1_000_000
            : Math.floor(random() ** 3 * 50_000),
      merchant_id: `m_${Math.floor(random() * 30)}`,
      mcc: pick(random, ['5411', '5812', '7995']),
      country: pick(random, ['DE', 'DE', 'DE', 'FR', 'US']),
      channel: pick(random, ['POS', 'ECOM', 'ATM', 'MOTO']),
      device_id: random() < 0.5 ? null : `d_${Math.floor(random() * 4)}`,
      ip: random() < 0.5 ? null : `10.0.0.${Math.floor(random() * 20)}`,
      lat: located ? Math.round((random() * 180 - 90) * 1e5) / 1e5 : null,
      lon: located ? Math.round((random() * 360 - 180) * 1e5) / 1e5 : null,
      attributes: random() < 0.3 ? { auth_result: pick(random, ['approved', 'declined']) } : {},
    });
  }
}

function same(actual: number, expected: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true;
  return Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected));
}

describe('windows', () => {
  it('equal a naive recount, in order and late, through any number of stored blobs', () => {
    let compared = 0;
    for (let seed = 1; seed <= 45; seed++) {
      const random = seeded(seed * 7_919);
      let history = new UserHistory(plan.layout);
      let twin = new UserHistory(plan.layout);
      const view = new EventView(plan.layout);
      const measures = new Measures(plan.layout);
      const folded: Seen[] = [];
      let offset = 0;
      let newest = -Infinity;
      for (const payment of payments(seed, 220)) {
        offset += 1 + Math.floor(random() * 1000);
        extractor.extract(payment, offset, view);
        const tooLate = payment.event_time < newest - LATENESS;
        expect(history.isLate(payment.event_time)).toBe(tooLate);
        if (history.isInOrder(view.timeMs)) history.measure(view, measures);
        else {
          const seen = { row: history.rows.upperBound(view.timeMs), beforeOffset: Infinity };
          measureAsOf(history, view, seen, measures);
        }
        if (!tooLate) {
          const out = new Float64Array(plan.steps.length);
          computeFeatures(plan, view, measures, out, 0);
          const expected = naiveFeatures(
            plan.catalogue,
            payment,
            folded,
            plan.layout.lookbackMs,
            plan.layout.horizonMs,
          );
          expect(inexactWindows(measures)).toBe(0);
          for (let k = 0; k < out.length; k++) {
            compared++;
            if (!same(out[k]!, expected[k]!)) {
              expect.fail(
                `seed ${seed}, event ${folded.length}, ${plan.names[k]}: ${out[k]} instead of ${expected[k]}`,
              );
            }
          }
          if (payment.event_time - newest >= plan.layout.horizonMs) folded.length = 0;
          folded.push({ transaction: payment, offset });
          newest = Math.max(newest, payment.event_time);
          history.fold(view);
          twin.fold(view);
        }
        if (random() < 0.1) {
          const blob = encodeHistory(history);
          history = decodeHistory(blob, plan.layout, new EventView(plan.layout));
          expect(Buffer.from(encodeHistory(history)).equals(Buffer.from(blob))).toBe(true);
        }
      }
      expect(Buffer.from(encodeHistory(twin)).equals(Buffer.from(encodeHistory(history)))).toBe(true);
      twin = history;
    }
    expect(compared).toBeGreaterThan(1_000_000);
  });

  it('a repeated fold changes nothing', () => {
    const history = new UserHistory(plan.layout);
    const view = new EventView(plan.layout);
    let offset = 0;
    for (const payment of payments(5, 100)) {
      extractor.extract(payment, offset++, view);
      expect(history.fold(view)).toBe(true);
      expect(history.fold(view)).toBe(false);
    }
    expect(history.rows.length).toBeLessThanOrEqual(100);
  });
});
