import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Transaction } from '../../src/domain/transaction.ts';
import { computeFeatures, inexactWindows } from '../../src/features/compute.ts';
import { Extractor } from '../../src/features/extract.ts';
import { parseCatalogue } from '../../src/features/parse.ts';
import { compilePlan, type Plan } from '../../src/features/plan.ts';
import { decodeHistory } from '../../src/state/blob-decode.ts';
import { encodeHistory } from '../../src/state/blob-encode.ts';
import { EventView } from '../../src/state/event-view.ts';
import { UserHistory } from '../../src/state/history.ts';
import { measureAsOf } from '../../src/state/measure-as-of.ts';
import { Measures } from '../../src/state/measures.ts';
import { seeded } from '../support/random.ts';
import { transaction } from '../support/transaction.ts';

const DAY = 86_400_000;

function catalogue(windows: readonly string[], declined: string): string {
  const lines = ['version: 1', 'features:'];
  for (const window of windows) {
    lines.push(`  - { name: count_${window}, aggregate: count, window: ${window} }`);
    lines.push(`  - { name: sum_${window}, aggregate: sum, window: ${window} }`);
    lines.push(`  - { name: max_${window}, aggregate: max, window: ${window} }`);
    lines.push(`  - { name: old_count_${window}, aggregate: count, window: ${window}, delay: 2h }`);
    lines.push(`  - { name: old_min_${window}, aggregate: min, window: ${window}, delay: 2h }`);
    lines.push(`  - { name: merchants_${window}, aggregate: distinct, of: merchant_id, window: ${window} }`);
    lines.push(`  - { name: ips_${window}, aggregate: distinct, of: ip, window: ${window} }`);
    lines.push(`  - { name: refused_${window}, aggregate: count, window: ${window}, where: { channel: ${declined} } }`);
  }
  lines.push('  - { name: since_refused, aggregate: time_since_last, where: { channel: ATM } }');
  lines.push('  - { name: since_merchant, aggregate: time_since_value, of: merchant_id }');
  return lines.join('\n');
}

const planOf = (windows: readonly string[], declined = 'ATM'): Plan =>
  compilePlan(parseCatalogue(catalogue(windows, declined), 'busy.yaml'), DAY);

/** One busy user: late ones up to a day, few or ever new values. */
function* stream(seed: number, count: number, gapMs: number, merchants: number): Generator<Transaction> {
  const random = seeded(seed);
  let now = Date.UTC(2026, 0, 1);
  for (let k = 0; k < count; k++) {
    now += Math.floor(random() * 2 * gapMs);
    yield transaction({
      transaction_id: `t_${k}`,
      event_time: now - (random() < 0.02 ? Math.floor(random() * 1.05 * DAY) : 0),
      amount_minor: k % 7_001 === 700 ? 2 ** 40 + k : Math.floor(random() ** 3 * 90_000),
      merchant_id: `m_${Math.floor(random() * merchants)}`,
      ip: random() < 0.3 ? null : `ip_${Math.floor(random() ** 2 * merchants)}`,
      channel: random() < 0.02 ? 'ATM' : random() < 0.5 ? 'POS' : 'ECOM',
    });
  }
}

/** Measures, folds; the features of the event and whether they are estimated. */
class User {
  readonly plan: Plan;
  history: UserHistory;
  private readonly extractor: Extractor;
  private readonly view: EventView;
  private readonly measures: Measures;

  constructor(plan: Plan, history = new UserHistory(plan.layout)) {
    this.plan = plan;
    this.history = history;
    this.extractor = new Extractor(plan);
    this.view = new EventView(plan.layout);
    this.measures = new Measures(plan.layout);
  }

  /** @param measured false = only folded, as on a restart */
  take(payment: Transaction, offset: number, measured = true): { values: Float64Array; inexact: number } | null {
    this.extractor.extract(payment, offset, this.view);
    const { history, view, measures } = this;
    if (history.isLate(view.timeMs)) return null;
    if (!measured) {
      history.fold(view);
      return null;
    }
    if (history.isInOrder(view.timeMs)) history.measure(view, measures);
    else measureAsOf(history, view, { row: history.rows.upperBound(view.timeMs), beforeOffset: Infinity }, measures);
    const values = new Float64Array(this.plan.steps.length);
    computeFeatures(this.plan, view, measures, values, 0);
    history.fold(view);
    return { values, inexact: inexactWindows(measures) };
  }

  reload(): void {
    this.history = decodeHistory(encodeHistory(this.history), this.plan.layout, new EventView(this.plan.layout));
  }
}

const bytesOf = (user: User): Buffer => Buffer.from(encodeHistory(user.history));

describe('busy users', () => {
  for (const [name, gapMs, merchants, count] of [
    ['with rows whose details are gone', 60_000, 300, 6_000],
    ['with panes', 1_500, 300, 37_000],
    ['with more values than the dictionary holds', 4_000, 200_000, 26_000],
  ] as const) {
    it(`${name}: the same answers and the same bytes whenever they are stored`, () => {
      const plan = planOf(['1m', '1h', '1d', '7d']);
      const straight = new User(plan);
      const stored = new User(plan);
      const random = seeded(99);
      let offset = 0;
      let inexact = 0;
      for (const payment of stream(3, count, gapMs, merchants)) {
        offset += 1 + Math.floor(random() * 50);
        const measured = random() < 2_000 / count;
        const a = straight.take(payment, offset, measured);
        const b = stored.take(payment, offset, measured);
        if (a === null || b === null) {
          expect(b).toBe(a);
          continue;
        }
        if (a.inexact !== 0) inexact++;
        if (a.inexact !== b.inexact || !a.values.every((value, k) => Object.is(value, b.values[k]))) {
          expect.fail(`offset ${offset}: ${[...a.values].join(' ')} but stored ${[...b.values].join(' ')}`);
        }
        if (random() < 0.002) stored.reload();
      }
      expect(bytesOf(stored).equals(bytesOf(straight))).toBe(true);
      if (gapMs === 1_500) expect(straight.history.panes.length).toBeGreaterThan(0);
      if (merchants === 200_000) expect(straight.history.dictionaryFloorMs).toBeGreaterThan(0);
      if (gapMs === 60_000) expect(inexact).toBeLessThan(count / 100);
    });
  }

  it('late payments within the rows with details have exact distinct counts', () => {
    const plan = planOf(['1h', '7d']);
    const user = new User(plan);
    const past: Transaction[] = [];
    const random = seeded(5);
    let offset = 0;
    let compared = 0;
    for (const payment of stream(8, 5_000, 60_000, 400)) {
      const answer = user.take(payment, offset++);
      if (answer === null) continue;
      const late = payment.event_time < (past.at(-1)?.event_time ?? 0);
      if (answer.inexact === 0 && (late || random() < 0.05)) {
        compared++;
        for (const [window, ms] of [
          ['1h', 3_600_000],
          ['7d', 7 * DAY],
        ] as const) {
          const seen = past.filter(
            (one) => one.event_time <= payment.event_time && one.event_time > payment.event_time - ms,
          );
          const merchants = new Set([...seen, payment].map((one) => one.merchant_id)).size;
          const total = [...seen, payment].reduce((sum, one) => sum + one.amount_minor, 0);
          const untilMs = payment.event_time - 2 * 3_600_000;
          const old = past.filter((one) => one.event_time <= untilMs && one.event_time > untilMs - ms);
          expect(answer.values[plan.names.indexOf(`merchants_${window}`)]).toBe(merchants);
          expect(answer.values[plan.names.indexOf(`old_count_${window}`)]).toBe(old.length);
          expect(answer.values[plan.names.indexOf(`sum_${window}`)]).toBe(total);
        }
      }
      past.push(payment);
      past.sort((a, b) => a.event_time - b.event_time);
    }
    expect(compared).toBeGreaterThan(200);
  });

  it('other filters: what rows without details cannot answer is marked until they have gone, stored or not', () => {
    const before = new User(planOf(['1h', '1d'], 'ATM'));
    let offset = 0;
    const payments = [...stream(4, 5_500, 20_000, 50)];
    for (const payment of payments.slice(0, 3_000)) before.take(payment, offset++);
    expect(before.history.detailStart).toBeGreaterThan(before.history.rows.start);
    const plan = planOf(['1h', '1d'], 'ECOM');
    expect(plan.layout.fingerprint).toBe(before.plan.layout.fingerprint);
    const blob = encodeHistory(before.history);
    const straight = new User(plan, decodeHistory(blob, plan.layout, new EventView(plan.layout)));
    const stored = new User(plan, decodeHistory(blob, plan.layout, new EventView(plan.layout)));
    let marked = 0;
    for (const [k, payment] of payments.slice(3_000).entries()) {
      const a = straight.take(payment, offset);
      const b = stored.take(payment, offset++);
      if (a?.inexact) marked++;
      expect(b).toEqual(a);
      if (k % 300 === 0) stored.reload();
    }
    expect(marked).toBeGreaterThan(0);
    expect(bytesOf(stored).equals(bytesOf(straight))).toBe(true);
  });

  it('longer windows are marked until the history is long enough, shorter ones are exact at once', () => {
    const month = planOf(['1h', '7d']);
    const day = planOf(['1h', '1d']);
    const user = new User(day);
    const payments = [...stream(6, 1_400, 15 * 60_000, 50)];
    let offset = 0;
    for (const payment of payments.slice(0, 600)) user.take(payment, offset++);
    const longer = new User(
      month,
      decodeHistory(encodeHistory(user.history), month.layout, new EventView(month.layout)),
    );
    const first = longer.take(payments[600]!, offset++);
    expect(first?.inexact).toBe(0b1010);
    for (const payment of payments.slice(601, 700)) {
      longer.take(payment, offset++);
      if (offset % 20 === 0) longer.reload();
    }
    expect(longer.take(payments[700]!, offset++)?.inexact).toBe(0b1010);
    for (const payment of payments.slice(701)) longer.take(payment, offset++);
    const last = longer.take(transaction({ ...payments.at(-1)!, transaction_id: 'end' }), offset++);
    expect(last?.inexact).toBe(0);
    const shorter = new User(day, decodeHistory(encodeHistory(longer.history), day.layout, new EventView(day.layout)));
    expect(shorter.take(transaction({ ...payments.at(-1)!, transaction_id: 'end2' }), offset)?.inexact).toBe(0);
  });

  it('a user who was never seen before has complete windows, however long', () => {
    const day = new User(planOf(['1h', '1d']));
    day.take(transaction(), 1);
    const week = planOf(['1h', '7d']);
    const longer = new User(week, decodeHistory(encodeHistory(day.history), week.layout, new EventView(week.layout)));
    expect(longer.take(transaction({ transaction_id: 't_2' }), 2)?.inexact).toBe(0);
  });

  it('rows are bounded', () => {
    const user = new User(planOf(['1h', '7d']));
    let offset = 0;
    for (const payment of stream(1, LIMITS.rowsMax + 3_000, 100, 20)) {
      if (!user.history.isLate(payment.event_time)) user.take(payment, offset++, false);
    }
    expect(user.history.rows.length).toBeLessThanOrEqual(LIMITS.rowsMax);
    expect(user.history.rows.length + user.history.panes.reduce((sum, pane) => sum + pane.totals[0]!, 0)).toBe(offset);
  });
});
