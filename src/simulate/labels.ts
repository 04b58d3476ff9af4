import type { Label, LabelSource, Transaction } from '../domain/transaction.ts';
import type { SimulatedEvent } from './event.ts';
import { Prng } from './prng.ts';
import { TimeHeap } from './time-heap.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Shares of what people and banks tell. */
const NEVER_NOTICED = 0.12;
const CUSTOMER_CALLS = 0.45;
const ANALYST_FINDS = 0.13;
const CLEARED_LOOKALIKE = 0.04;
const CLEARED_ORDINARY = 0.0008;
/** an honest payment that its maker disputes */
const FALSE_CLAIM = 0.00008;

/**
 * `delayed`: what a bank would learn, when it would learn it: customers call within hours, chargebacks come after days
 * or weeks, some fraud is never noticed, a few honest payments are cleared by analysts or disputed wrongly.
 * `all`: the truth, for evaluation: every fraud and nothing else, at once.
 */
export type LabelMode = 'delayed' | 'all';

/**
 * Makes the label stream beside the payments. Show it every event in arrival order and take what has become due. Its
 * memory: the labels that are not yet due.
 */
export class LabelScheduler {
  private readonly mode: LabelMode;
  private readonly prng: Prng;
  private readonly pending = new TimeHeap<Label>();

  constructor(mode: LabelMode, seed: number) {
    this.mode = mode;
    this.prng = new Prng(seed, 20);
  }

  /** @param transaction what the label speaks of, when it was sent with another event time than the simulated one */
  observe(event: SimulatedEvent, transaction: Transaction = event.transaction): void {
    if (event.isResend) return;
    if (this.mode === 'all') {
      if (event.isFraud) this.add(transaction, true, 'SIMULATOR', event.arrivalMs);
      return;
    }
    const prng = this.prng;
    const dice = prng.unit();
    if (event.isFraud) {
      if (dice < NEVER_NOTICED) return;
      const kind = prng.unit();
      if (kind < CUSTOMER_CALLS)
        this.add(transaction, true, 'CUSTOMER', event.arrivalMs + prng.range(0.5, 48) * HOUR_MS);
      else if (kind < CUSTOMER_CALLS + ANALYST_FINDS)
        this.add(transaction, true, 'ANALYST', event.arrivalMs + prng.range(0.2, 24) * HOUR_MS);
      else this.add(transaction, true, 'CHARGEBACK', event.arrivalMs + (3 + prng.exponential(11)) * DAY_MS);
      return;
    }
    if (dice < FALSE_CLAIM)
      this.add(transaction, true, 'CHARGEBACK', event.arrivalMs + (3 + prng.exponential(11)) * DAY_MS);
    else if (dice < FALSE_CLAIM + (event.pattern === 'ordinary' ? CLEARED_ORDINARY : CLEARED_LOOKALIKE)) {
      this.add(transaction, false, 'ANALYST', event.arrivalMs + prng.range(0.2, 36) * HOUR_MS);
    }
  }

  /** The next label given at or before this time, or null. Call until null; Infinity empties it. */
  takeDue(nowMs: number): Label | null {
    return this.pending.nextMs <= nowMs ? this.pending.pop() : null;
  }

  private add(transaction: Transaction, isFraud: boolean, source: LabelSource, atMs: number): void {
    const label: Label = {
      transaction_id: transaction.transaction_id,
      user_id: transaction.user_id,
      event_time: transaction.event_time,
      card_id: transaction.card_id,
      merchant_id: transaction.merchant_id,
      terminal_id: transaction.terminal_id,
      device_id: transaction.device_id,
      ip: transaction.ip,
      is_fraud: isFraud,
      source,
      labelled_at: Math.round(atMs),
    };
    this.pending.push(label.labelled_at, label);
  }
}

/** The labels of a whole simulation, in the order in which they were given. */
export function* simulateLabels(
  events: Iterable<SimulatedEvent>,
  mode: LabelMode,
  seed: number,
): Generator<Label, void, undefined> {
  const scheduler = new LabelScheduler(mode, seed);
  for (const event of events) {
    for (let label = scheduler.takeDue(event.arrivalMs); label !== null; label = scheduler.takeDue(event.arrivalMs))
      yield label;
    scheduler.observe(event);
  }
  for (let label = scheduler.takeDue(Infinity); label !== null; label = scheduler.takeDue(Infinity)) yield label;
}
