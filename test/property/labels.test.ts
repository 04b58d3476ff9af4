import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../src/domain/transaction.ts';
import { computeFeatures, inexactWindows } from '../../src/features/compute.ts';
import { Extractor } from '../../src/features/extract.ts';
import { hash32 } from '../../src/features/hash.ts';
import { parseCatalogue } from '../../src/features/parse.ts';
import { compilePlan, type Plan } from '../../src/features/plan.ts';
import { decodeHistory } from '../../src/state/blob-decode.ts';
import { encodeHistory } from '../../src/state/blob-encode.ts';
import { EventView } from '../../src/state/event-view.ts';
import { UserHistory } from '../../src/state/history.ts';
import { foldLabel, type LabelView } from '../../src/state/label-fold.ts';
import { measureAsOf } from '../../src/state/measure-as-of.ts';
import { Measures } from '../../src/state/measures.ts';
import { naiveFeatures, type Seen } from '../support/naive-features.ts';
import { seeded } from '../support/random.ts';
import { transaction } from '../support/transaction.ts';

const DAY = 86_400_000;

function catalogue(): string {
  const lines = ['version: 1', 'features:'];
  for (const [window, delay] of [
    ['1d', '0s'],
    ['7d', '0s'],
    ['2d', '1d'],
    ['7d', '7d'],
  ]) {
    const where = `window: ${window}, delay: ${delay}`;
    const name = `${window}_${delay}`;
    lines.push(`  - { name: count_${name}, aggregate: count, ${where} }`);
    lines.push(`  - { name: frauds_${name}, aggregate: count, ${where}, where: { label: fraud } }`);
    lines.push(`  - { name: risk_${name}, aggregate: rate, ${where}, where: { label: fraud } }`);
    lines.push(
      `  - { name: known_${name}, aggregate: rate, ${where}, where: { label: fraud }, among: { label: [fraud, genuine] } }`,
    );
    lines.push(`  - { name: clean_mean_${name}, aggregate: mean, ${where}, where: { label: { not: fraud } } }`);
    lines.push(`  - { name: clean_max_${name}, aggregate: max, ${where}, where: { label: { not: fraud } } }`);
    lines.push(`  - { name: good_min_${name}, aggregate: min, ${where}, where: { label: genuine, channel: ECOM } }`);
  }
  lines.push('  - { name: since_fraud, aggregate: time_since_last, where: { label: fraud } }');
  lines.push('  - { name: since_good, aggregate: time_since_last, where: { label: genuine } }');
  lines.push('  - { name: since_open, aggregate: time_since_last, where: { label: unknown, channel: ECOM } }');
  lines.push('  - { name: places, aggregate: distinct, of: merchant_id, window: 7d }');
  return lines.join('\n');
}

const plan = compilePlan(parseCatalogue(catalogue(), 'labels.yaml'), DAY);

function payments(seed: number, count: number, gapMs: number): Transaction[] {
  const random = seeded(seed);
  let now = Date.UTC(2026, 0, 1);
  return Array.from({ length: count }, (_, k) => {
    now += Math.floor(random() ** 2 * 2 * gapMs);
    if (random() < 0.003) now += Math.floor(random() * 30 * DAY);
    return transaction({
      transaction_id: `t_${random() < 0.02 ? k - 1 : k}`,
      event_time: random() < 0.1 ? now - Math.floor(random() * 0.9 * DAY) : now,
      amount_minor: Math.floor(random() * 50) * 100,
      merchant_id: `m_${Math.floor(random() * 5)}`,
      channel: random() < 0.5 ? 'ECOM' : 'POS',
    });
  });
}

/** In the order of their log. Some twice, with another verdict; some of payments that never come. */
function verdicts(seed: number, of: readonly Transaction[]): LabelView[] {
  const random = seeded(seed * 31 + 7);
  const labels: LabelView[] = [];
  for (const payment of of) {
    for (let n = random() < 0.6 ? 1 : 0; n > 0; n = random() < 0.2 ? 1 : 0) {
      labels.push({
        transactionHash: hash32(random() < 0.03 ? `lost_${labels.length}` : payment.transaction_id, 0),
        timeMs: payment.event_time,
        fraud: random() < 0.4,
        labelledAtMs: payment.event_time + Math.floor(random() * 20) * 500_000,
        offset: 0,
      });
    }
  }
  const order = labels.map((label) => ({ label, key: label.timeMs + (random() - 0.3) * 12 * DAY }));
  order.sort((a, b) => a.key - b.key);
  return order.map(({ label }, k) => ({ ...label, offset: k * 3 }));
}

/** Where in the log of payments each verdict is folded: never before the ones before it. */
function interleaving(random: () => number, labels: number, count: number, kind: number): number[] {
  if (kind === 0) return Array.from({ length: labels }, () => 0);
  if (kind === 1) return Array.from({ length: labels }, () => count);
  const places = Array.from({ length: labels }, () => Math.floor(random() * (count + 1)));
  return places.sort((a, b) => a - b);
}

class Oracle {
  readonly verdicts = new Map<string, { fraud: boolean; atS: number }>();

  learn(label: LabelView): void {
    const key = `${label.transactionHash} ${label.timeMs}`;
    const atS = Math.floor(label.labelledAtMs / 1_000);
    const known = this.verdicts.get(key);
    if (!known || atS >= known.atS) this.verdicts.set(key, { fraud: label.fraud, atS });
  }

  /** Of two payments with the same id at the same time the first has the verdict. */
  tell(folded: readonly Seen[]): void {
    const told = new Set<string>();
    for (const seen of folded) {
      const key = `${hash32(seen.transaction.transaction_id, 0)} ${seen.transaction.event_time}`;
      const verdict = told.has(key) ? undefined : this.verdicts.get(key);
      told.add(key);
      seen.label = verdict === undefined ? 'unknown' : verdict.fraud ? 'fraud' : 'genuine';
    }
  }
}

interface Run {
  readonly plan: Plan;
  readonly payments: readonly Transaction[];
  readonly labels: readonly LabelView[];
  readonly places: readonly number[];
  readonly random: () => number;
  readonly reloads: number;
  readonly check?: (k: number, history: UserHistory, event: EventView, oracle: Oracle) => void;
}

function fold({ plan: { layout }, random, ...run }: Run, extractor: Extractor): Buffer {
  let history = new UserHistory(layout);
  const event = new EventView(layout);
  const oracle = new Oracle();
  let next = 0;
  for (let k = 0; k <= run.payments.length; k++) {
    while (next < run.labels.length && run.places[next]! <= k) {
      const label = run.labels[next++]!;
      foldLabel(history, label);
      if (random() < 0.05) expect(foldLabel(history, label)).toBe('known');
      oracle.learn(label);
      if (random() < run.reloads) history = reloaded(history);
    }
    if (k === run.payments.length) break;
    extractor.extract(run.payments[k]!, k * 7, event);
    run.check?.(k, history, event, oracle);
    if (!history.isLate(event.timeMs)) history.fold(event);
    if (random() < run.reloads) history = reloaded(history);
  }
  return Buffer.from(encodeHistory(history));
}

function reloaded(history: UserHistory): UserHistory {
  const blob = encodeHistory(history);
  const again = decodeHistory(blob, history.layout, new EventView(history.layout));
  expect(Buffer.from(encodeHistory(again)).equals(Buffer.from(blob))).toBe(true);
  return again;
}

function measured(history: UserHistory, event: EventView, measures: Measures): Float64Array {
  if (history.isInOrder(event.timeMs)) history.measure(event, measures);
  else measureAsOf(history, event, { row: history.rows.upperBound(event.timeMs), beforeOffset: Infinity }, measures);
  const out = new Float64Array(plan.steps.length);
  computeFeatures(plan, event, measures, out, 0);
  return out;
}

const near = (a: number, b: number): boolean =>
  Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));

describe('verdicts', () => {
  it('features over them equal a naive recount, whenever the verdicts come', () => {
    const extractor = new Extractor(plan);
    const measures = new Measures(plan.layout);
    let compared = 0;
    for (let seed = 1; seed <= 16; seed++) {
      const random = seeded(seed * 101);
      const log = payments(seed, 110, 16 * 3_600_000);
      const labels = verdicts(seed, log);
      const folded: Seen[] = [];
      let newest = -Infinity;
      const check = (k: number, history: UserHistory, event: EventView, oracle: Oracle): void => {
        const payment = log[k]!;
        if (history.isLate(event.timeMs)) return;
        oracle.tell(folded);
        const { lookbackMs, horizonMs } = plan.layout;
        const expected = naiveFeatures(plan.catalogue, payment, folded, lookbackMs, horizonMs);
        const actual = measured(history, event, measures);
        expect(inexactWindows(measures)).toBe(0);
        for (let f = 0; f < actual.length; f++) {
          compared++;
          if (near(actual[f]!, expected[f]!)) continue;
          expect.fail(`seed ${seed}, payment ${k}, ${plan.names[f]}: ${actual[f]} instead of ${expected[f]}`);
        }
        if (payment.event_time - newest >= horizonMs) folded.length = 0;
        folded.push({ transaction: payment, offset: k * 7 });
        newest = Math.max(newest, payment.event_time);
      };
      const places = interleaving(random, labels.length, log.length, 2);
      fold({ plan, payments: log, labels, places, random, reloads: 0.03, check }, extractor);
    }
    expect(compared).toBeGreaterThan(40_000);
  });

  it('commute with payments: the stored bytes are the same for every interleaving', () => {
    const extractor = new Extractor(plan);
    let labelled = 0;
    for (let seed = 1; seed <= 24; seed++) {
      const log = payments(seed, 120, seed % 3 === 0 ? DAY : 8 * 3_600_000);
      const labels = verdicts(seed, log);
      const bytes = [0, 1, 2, 2, 2].map((kind, n) => {
        const random = seeded(seed * 1_009 + n);
        const places = interleaving(random, labels.length, log.length, kind);
        return fold({ plan, payments: log, labels, places, random, reloads: 0.05 }, extractor);
      });
      for (const one of bytes) expect(one.equals(bytes[0]!), `seed ${seed}`).toBe(true);
      const { rows } = decodeHistory(bytes[0]!, plan.layout, new EventView(plan.layout));
      for (let row = rows.start; row < rows.end; row++) if (rows.label(row) !== 0) labelled++;
    }
    expect(labelled).toBeGreaterThan(200);
  });

  it('commute with the payments of busy users, also when the oldest are in panes', () => {
    const extractor = new Extractor(plan);
    for (const [seed, count, gapMs] of [
      [1, 5_000, 60_000],
      [2, 19_000, 10_000],
    ] as const) {
      const log = payments(seed, count, gapMs);
      const labels = verdicts(seed, log);
      const bytes = [0, 1, 2].map((kind) => {
        const random = seeded(seed * 1_009 + kind);
        const places = interleaving(random, labels.length, log.length, kind);
        return fold(
          { plan, payments: log, labels: labels.slice(-1_000), places: places.slice(-1_000), random, reloads: 0.0005 },
          extractor,
        );
      });
      for (const one of bytes) expect(one.equals(bytes[0]!)).toBe(true);
    }
  });
});
