import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../src/domain/transaction.ts';
import { hash32 } from '../../src/features/hash.ts';
import { parseCatalogue } from '../../src/features/parse.ts';
import { compilePlan, type Plan } from '../../src/features/plan.ts';
import { EventMeasurer } from '../../src/pipeline/event-measurer.ts';
import type { DueLabel } from '../../src/pipeline/label-feed.ts';
import { newWork } from '../../src/pipeline/work.ts';
import { entityKey, entityPrefix } from '../../src/state/entity-keys.ts';
import { MemoryStateStore } from '../../src/state/memory-store.ts';
import { crashed, historiesOf, recordAt } from '../support/entity-world.ts';
import { seeded } from '../support/random.ts';
import { transaction } from '../support/transaction.ts';

const DAY = 86_400_000;

/** The same condition, as an entry of a map and as an expression. */
const SAME: readonly (readonly [map: string, expression: string])[] = [
  ['channel: ECOM', 'channel == "ECOM"'],
  ['channel: { not: ECOM }', '!(channel == "ECOM")'],
  ['mcc: ["5411", "7995"]', 'mcc in ["5411", "7995"]'],
  ['mcc: { not: ["5411", "7995"] }', '!(mcc in ["5411", "7995"])'],
  ['terminal_id: t_1', 'has(terminal_id) && terminal_id == "t_1"'],
  ['terminal_id: { not: t_1 }', 'terminal_id != "t_1"'],
  ['attributes.tag: a', 'attributes.tag == "a"'],
  ['attributes.tag: { not: [a, b] }', 'attributes["tag"] != "a" && attributes.tag != "b"'],
  ['amount_minor: { over: 3000 }', 'amount_minor > 3000'],
  ['amount_minor: { over: 500, at_most: 5000 }', '500 < amount_minor && amount_minor <= 5000'],
  ['label: fraud', 'label == "fraud"'],
  ['label: known', 'label != "unknown"'],
  ['label: [unknown, genuine]', '!(label == "fraud")'],
  ['r: { over: 1.2 }', 'r > 1.2'],
  ['r: { over: 0.5, at_most: 2 }', 'r <= 2 && r > 0.5'],
  ['r: { not: { over: 1.2 } }', '!(r > 1.2)'],
  ['pace: { at_most: 2 }', 'pace <= 2.0'],
];

/** Some of them, each of its own key: joined as a map and as an expression. */
function some(random: () => number, labelled: boolean): readonly [map: string, expression: string] {
  const chosen = new Map<string, readonly [string, string]>();
  const wanted = 1 + Math.floor(random() * 3);
  while (chosen.size < wanted) {
    const pair = SAME[Math.floor(random() * SAME.length)]!;
    const key = pair[0].split(':', 1)[0]!;
    if (labelled || key !== 'label') chosen.set(key, pair);
  }
  const pairs = [...chosen.values()];
  const maps = pairs.map(([map]) => map).join(', ');
  const expressions = pairs.map(([, expression]) => expression).sort(() => random() - 0.5);
  return [`{ ${maps} }`, `'${expressions.join(' && ')}'`];
}

const SHAPES = [
  'aggregate: count, window: 2d',
  'aggregate: count, window: 1d, delay: 1d',
  'aggregate: mean, window: 3d, current: exclude',
  'aggregate: max, window: 3d',
  'aggregate: max, of: r, window: 3d',
  'aggregate: share, window: 3d',
  'aggregate: rate, window: 3d, among',
  'aggregate: streak, among',
  'aggregate: count_since, since',
  'aggregate: trimmed_mean, window: 5d, trim: 0.1',
  'aggregate: time_since_last',
  'aggregate: time_since_nth_last, n: 2',
  'aggregate: matches',
];

function catalogues(random: () => number): [maps: Plan, expressions: Plan] {
  const lines: [string[], string[]] = [[], []];
  for (const list of lines) {
    list.push('version: 1', 'features:', '  - { name: amount, aggregate: amount }');
    list.push('  - { name: usual, aggregate: mean, window: 5d, current: exclude }');
    list.push('  - { name: r, aggregate: ratio, of: [amount, usual] }');
    list.push('  - { name: pace, aggregate: count, window: 6h }');
  }
  for (let n = 0; n < 12; n++) {
    const shape = SHAPES[n % SHAPES.length]!;
    const entity = shape.endsWith('matches') || random() < 0.5 ? '' : ', entity: terminal_id';
    const labelled = !shape.endsWith('matches');
    const where = some(random, labelled);
    const among = some(random, labelled);
    lines.forEach((list, form) => {
      const [what, key] = /^(.*), (among|since)$/.exec(shape)?.slice(1) ?? [shape];
      const second = key === undefined ? '' : `, ${key}: ${among[form]}`;
      list.push(`  - { name: f${n}, ${what}${entity}, where: ${where[form]}${second} }`);
    });
  }
  const [maps, expressions] = lines.map((list) => compilePlan(parseCatalogue(list.join('\n'), 'same.yaml'), DAY));
  return [maps!, expressions!];
}

function payments(random: () => number, count: number): Transaction[] {
  let now = Date.UTC(2026, 0, 1);
  return Array.from({ length: count }, (_, k) => {
    now += Math.floor(random() ** 2 * 8 * 3_600_000);
    return transaction({
      transaction_id: `t_${k}`,
      user_id: `u_${Math.floor(random() * 3)}`,
      event_time: random() < 0.1 ? now - Math.floor(random() * 0.9 * DAY) : now,
      amount_minor: Math.floor(random() ** 2 * 10_000),
      mcc: ['5411', '7995', '4829'][Math.floor(random() * 3)]!,
      terminal_id: random() < 0.2 ? null : `t_${Math.floor(random() * 2)}`,
      channel: random() < 0.5 ? 'ECOM' : 'POS',
      attributes: random() < 0.3 ? {} : { tag: 'abc'.charAt(Math.floor(random() * 3)) },
    });
  });
}

interface Verdict {
  readonly after: number;
  readonly of: Transaction;
  readonly fraud: boolean;
}

/** One row of features per payment. Flushes, crashes and verdicts come at the same places for the same seed. */
async function run(plan: Plan, log: readonly Transaction[], verdicts: readonly Verdict[], seed: number) {
  const random = seeded(seed);
  const queue: DueLabel[] = [];
  const measurer = new EventMeasurer(plan, Infinity, { take: (): DueLabel[] => queue.splice(0) });
  const store = await new MemoryStateStore().open({ topic: 't', partition: 0 });
  let state = historiesOf(plan, store);
  state.restart(null);
  let labelled = false;
  const rows: number[][] = [];
  for (let offset = 0; offset < log.length; offset++) {
    verdicts.forEach(({ after, of, fraud }, k) => {
      if (after !== offset) return;
      labelled = true;
      queue.push({
        dueMs: -Infinity,
        keys: [of.user_id, entityKey(entityPrefix('terminal_id'), [of.terminal_id])],
        label: {
          transactionHash: hash32(of.transaction_id, 0),
          timeMs: of.event_time,
          labelledAtMs: k * 1_000,
          fraud,
          offset: k,
        },
      });
    });
    const work = newWork(recordAt(offset), log[offset]!);
    await measurer.load([work], state);
    const out = new Float64Array(plan.steps.length);
    measurer.take(work, state, out, 0);
    rows.push([...out]);
    state.position = offset + 1;
    if (random() < 0.1) {
      await state.flush();
      labelled = false;
    }
    const dies = random() < 0.2;
    if (!labelled && dies) state = await crashed(plan, store, state, log, offset + 1, random, measurer);
  }
  return rows;
}

describe('conditions that are expressions', () => {
  it('give the features that the same conditions give as a map, with verdicts, late payments and crashes', async () => {
    let told = 0;
    for (let seed = 1; seed <= 16; seed++) {
      const random = seeded(seed * 577);
      const [maps, expressions] = catalogues(random);
      const log = payments(random, 120);
      const verdicts = log.flatMap((of, k): Verdict[] =>
        random() < 0.6 ? [{ after: k + 1 + Math.floor(random() * 30), of, fraud: random() < 0.5 }] : [],
      );
      verdicts.sort((a, b) => a.after - b.after);
      const expected = await run(maps, log, verdicts, seed);
      const actual = await run(expressions, log, verdicts, seed);
      expected.forEach((row, k) => {
        row.forEach((value, f) => {
          if (!Object.is(actual[k]![f], value)) {
            const { where, among } = maps.catalogue.features[f]!;
            const what = JSON.stringify({ where, among });
            expect.fail(`seed ${seed}, payment ${k}, ${maps.names[f]} ${what}: ${actual[k]![f]} instead of ${value}`);
          }
          if (f > 3 && value > 0) told++;
        });
      });
    }
    expect(told).toBeGreaterThan(3_000);
  });
});
