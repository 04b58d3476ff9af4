import type { Clock } from '../domain/clock.ts';
import type { Transaction } from '../domain/transaction.ts';
import type { SimulatedEvent } from './event.ts';

export interface PacingClock extends Clock {
  /** Resolves after about `ms`; at once when the caller wants to stop. */
  sleep(ms: number): Promise<void>;
}

export interface PaceOptions {
  readonly ratePerSecond: number;
  readonly clock: PacingClock;
}

export interface PacedEvent {
  readonly event: SimulatedEvent;
  /** the payment with its event time mapped to now */
  readonly transaction: Transaction;
  /** when it was due, ms: a slow consumer does not move it, so that latency is measured without omission */
  readonly dueMs: number;
}

/**
 * Events at a steady rate by an open loop: event i is due at start + i / rate, whatever happened before. Its event time
 * becomes that due time minus the simulated delay between payment and arrival: late payments stay late, a resend stays
 * equal to its original. Simulated time is compressed or stretched as the rate demands; the order of arrival stays.
 */
export async function* paceEvents(
  events: Iterable<SimulatedEvent>,
  options: PaceOptions,
): AsyncGenerator<PacedEvent, void, undefined> {
  const { clock, ratePerSecond } = options;
  const startMs = clock.nowMs();
  const startMonotonicMs = clock.monotonicMs();
  // A resend is the same object as its original: it finds the original's mapping here as long as it is on its way.
  const sent = new WeakMap<Transaction, Transaction>();
  let count = 0;
  for (const event of events) {
    const dueAfterMs = (count++ * 1_000) / ratePerSecond;
    const waitMs = dueAfterMs - (clock.monotonicMs() - startMonotonicMs);
    // A timer is no finer than a millisecond: faster rates go in small groups.
    if (waitMs >= 1) await clock.sleep(waitMs);
    const dueMs = startMs + dueAfterMs;
    let transaction = sent.get(event.transaction);
    if (transaction === undefined) {
      const eventTimeMs = Math.round(dueMs - (event.arrivalMs - event.transaction.event_time));
      transaction = { ...event.transaction, event_time: Math.max(0, eventTimeMs) };
      sent.set(event.transaction, transaction);
    }
    yield { event, transaction, dueMs };
  }
}
