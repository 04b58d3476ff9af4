import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { metric, type Program } from '../support/e2e-process.ts';
import { FIRST_EVENT_MS, Payments } from '../support/e2e-payments.ts';
import { REVEALING, startRun } from '../support/e2e-run.ts';
import {
  decidedAll,
  TestKafka,
  topicsOf,
  type DecisionRecord,
  type FlaggedRecord,
  type Payment,
} from '../support/e2e-topics.ts';
import { verify, type Outputs } from '../support/e2e-verify.ts';

/** Payments that are late, ahead of their time, or there before. */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('late, future and repeated payments', () => {
  const topics = topicsOf('unusual');
  const place = { kafka: inject('kafka'), redis: inject('redis'), topics };
  const kafka = new TestKafka(place.kafka);
  const payments = new Payments({ seed: 9, users: 1, partitions: 1 });
  const t = FIRST_EVENT_MS + 10 * DAY;
  const pay = (transactionId: string, eventTime: number, change: Partial<Payment> = {}): Payment =>
    payments.next({ transaction_id: transactionId, event_time: eventTime, amount_minor: 1_000, ...change });
  const first = pay('first', t);
  const steps: readonly { name: string; payment: Payment; recordMs: number }[] = [
    { name: 'first', payment: first, recordMs: t },
    { name: 'second', payment: pay('second', t + 60_000), recordMs: t + 60_000 },
    { name: 'repeat', payment: first, recordMs: t + 70_000 },
    { name: 'reused', payment: { ...first, amount_minor: 999_900, event_time: t + 80_000 }, recordMs: t + 80_000 },
    { name: 'out of order', payment: pay('out of order', t + 30_000), recordMs: t + 90_000 },
    { name: 'late', payment: pay('late', t - 2 * DAY), recordMs: t + 100_000 },
    { name: 'future', payment: pay('future', t + 2 * HOUR), recordMs: t + 110_000 },
    { name: 'last', payment: pay('last', t + 120_000), recordMs: t + 120_000 },
  ];
  let run: Program;
  let outputs: Outputs;
  const at = (name: string): { decision: DecisionRecord; features: FlaggedRecord['features'] } => {
    const id = `${topics.transactions}/0/${steps.findIndex((step) => step.name === name)}`;
    return { decision: outputs.decisions.get(id)!, features: outputs.flagged.get(id)!.features };
  };

  beforeAll(async () => {
    await kafka.createAll(topics, 1);
    await kafka.send(
      topics.transactions,
      steps.map(({ payment, recordMs }) => payments.message(payment, { timestamp: String(recordMs) })),
    );
    run = startRun(place, REVEALING);
    await decidedAll(kafka, topics, [run]);
    outputs = await verify(kafka, topics, { recount: false });
  });
  afterAll(async () => {
    await run?.kill9();
    await kafka.close();
  });

  it('decides a repeat from the history of the first, and says of which it is one', () => {
    const { decision, features } = at('repeat');
    expect(decision.duplicate_of).toBe(`${topics.transactions}/0/0`);
    expect(features).toEqual(at('first').features);
    expect(decision.score).toBe(at('first').decision.score);
    expect(at('first').decision.duplicate_of).toBeNull();
  });

  it('takes the same id with other content for a new payment, with a reason', () => {
    const { decision, features } = at('reused');
    expect(decision.duplicate_of).toBeNull();
    expect(decision.reasons.map(({ code }) => code)).toContain('transaction_id_reused');
    // first, second and itself: the repeat is not counted
    expect(features['count_1h']).toBe(3);
  });

  it('decides a payment that is out of order as of its own time', () => {
    expect(at('out of order').decision.late).toBe(false);
    expect(at('out of order').features['count_1h']).toBe(2);
  });

  it('decides late and future payments, marks them, and keeps them out of the history', () => {
    expect(at('late').decision.late).toBe(true);
    expect(at('future').decision.future).toBe(true);
    expect(at('last').decision).toMatchObject({ late: false, future: false });
    // first, second, reused, out of order and itself
    expect(at('last').features['count_1h']).toBe(5);
    expect(at('last').features['sum_1h']).toBe(4 * 1_000 + 999_900);
    expect(at('last').features['count_30d']).toBe(5);
  });

  it('counts them', async () => {
    expect(await metric(run, 'late_events_total')).toBe(1);
    expect(await metric(run, 'future_events_total')).toBe(1);
    expect(await metric(run, 'duplicate_events_total')).toBe(1);
    expect(await metric(run, 'reused_ids_total')).toBe(1);
  });
});
