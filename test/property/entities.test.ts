import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../src/domain/transaction.ts';
import { parseCatalogue } from '../../src/features/parse.ts';
import { compilePlan, entityName } from '../../src/features/plan.ts';
import { EventMeasurer } from '../../src/pipeline/event-measurer.ts';
import { isFolded } from '../../src/pipeline/event-kind.ts';
import { newWork } from '../../src/pipeline/work.ts';
import { MemoryStateStore } from '../../src/state/memory-store.ts';
import { crashed, historiesOf, idOf, recordAt } from '../support/entity-world.ts';
import { naiveFeatures, type Seen } from '../support/naive-features.ts';
import { seeded } from '../support/random.ts';
import { transaction } from '../support/transaction.ts';

const DAY = 86_400_000;

function catalogue(): string {
  const lines = ['version: 1', 'features:', '  - { name: amount, aggregate: amount }'];
  for (const [name, entity] of [
    ['user', 'user_id'],
    ['terminal', 'terminal_id'],
    ['shop', 'merchant_id'],
    ['pair', '[user_id, merchant_id]'],
    ['tag', 'attributes.tag'],
  ]) {
    for (const [window, delay] of name === 'shop'
      ? [['3h', '0s']]
      : [
          ['1d', '0s'],
          ['7d', '0s'],
          ['2d', '1d'],
        ]) {
      const what = `entity: ${entity}, window: ${window}, delay: ${delay}`;
      lines.push(`  - { name: count_${name}_${window}, aggregate: count, ${what} }`);
      lines.push(`  - { name: mean_${name}_${window}, aggregate: mean, ${what}, where: { channel: ECOM } }`);
    }
    lines.push(`  - { name: users_${name}, aggregate: distinct, of: user_id, entity: ${entity}, window: 2h }`);
    lines.push(`  - { name: since_${name}, aggregate: time_since_last, entity: ${entity} }`);
    lines.push(`  - { name: zscore_${name}, aggregate: zscore, entity: ${entity}, window: 1d }`);
  }
  return lines.join('\n');
}

const plan = compilePlan(parseCatalogue(catalogue(), 'entities.yaml'), DAY);

function payments(seed: number, count: number): Transaction[] {
  const random = seeded(seed);
  let now = Date.UTC(2026, 0, 1);
  const log: Transaction[] = [];
  for (let k = 0; k < count; k++) {
    now += Math.floor(random() ** 3 * 12 * 3_600_000);
    const dice = random();
    const again = dice < 0.05 && k > 5 ? log[k - 1 - Math.floor(random() * 5)]! : null;
    log.push(
      again ??
        transaction({
          transaction_id: `t_${k}`,
          user_id: `u_${Math.floor(random() * 4)}`,
          event_time: random() < 0.15 ? now - Math.floor(random() * 1.5 * DAY) : now,
          amount_minor: Math.floor(random() * 10_000),
          merchant_id: `m_${Math.floor(random() * 3)}`,
          terminal_id: random() < 0.3 ? null : `t_${Math.floor(random() * 3)}`,
          channel: random() < 0.5 ? 'ECOM' : 'POS',
          attributes: random() < 0.5 ? { tag: `${Math.floor(random() * 2)}` } : {},
        }),
    );
  }
  return log;
}

const near = (a: number, b: number): boolean =>
  Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));

describe('entities', () => {
  it('each has its own history: features equal a naive recount, also when folded again after any crash', async () => {
    const measurer = new EventMeasurer(plan, Infinity);
    let compared = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const random = seeded(seed * 77);
      const log = payments(seed, 160);
      const store = await new MemoryStateStore().open({ topic: 't', partition: 0 });
      let state = historiesOf(plan, store);
      state.restart(null);
      const lists = new Map<string, { folded: Seen[]; newest: number }>();
      for (let offset = 0; offset < log.length; offset++) {
        const payment = log[offset]!;
        const work = newWork(recordAt(offset), payment);
        await measurer.load([work], state);
        const out = new Float64Array(plan.steps.length);
        measurer.take(work, state, out, 0);
        state.position = offset + 1;
        for (const { name, fields, layout } of plan.entities) {
          const id = idOf(fields, payment);
          const key = `${name} ${id}`;
          const list = lists.get(key) ?? { folded: [], newest: -Infinity };
          lists.set(key, list);
          // What a repeat sees is told by other tests.
          const expected =
            id === null || work.kind === 2
              ? null
              : naiveFeatures(plan.catalogue, payment, list.folded, layout.lookbackMs, layout.horizonMs);
          plan.catalogue.features.forEach((feature, f) => {
            if (entityName(feature) !== name || (expected === null && id !== null)) return;
            if (work.kind === 3) return;
            if (payment.event_time < list.newest - DAY) return;
            compared++;
            if (!near(out[f]!, expected === null ? NaN : expected[f]!)) {
              expect.fail(`seed ${seed}, payment ${offset}, ${feature.name}: ${out[f]} instead of ${expected?.[f]}`);
            }
          });
          if (id === null || !isFolded(work.kind) || payment.event_time < list.newest - DAY) continue;
          if (payment.event_time - list.newest >= layout.horizonMs) list.folded.length = 0;
          list.folded.push({ transaction: payment, offset });
          list.newest = Math.max(list.newest, payment.event_time);
        }
        if (random() < 0.1) await state.flush();
        if (random() < 0.05) state = await crashed(plan, store, state, log, offset + 1, random, measurer);
      }
    }
    expect(compared).toBeGreaterThan(20_000);
  });

  it('a key of one entity is never that of another, or of a user', () => {
    const { layout } = compilePlan(
      parseCatalogue(
        'version: 1\nfeatures:\n  - { name: a, aggregate: count, window: 1h, entity: terminal_id }\n  - { name: b, aggregate: count, window: 1h }',
        'f.yaml',
      ),
      DAY,
    );
    expect(layout.beside.map(({ keyPrefix }) => keyPrefix)).toEqual(['\u0001terminal_id\u0001']);
    expect(layout.fingerprint).not.toBe(
      compilePlan(parseCatalogue('version: 1\nfeatures:\n  - { name: b, aggregate: count, window: 1h }', 'f.yaml'), DAY)
        .layout.fingerprint,
    );
  });
});
