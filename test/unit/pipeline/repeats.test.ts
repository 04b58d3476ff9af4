import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../../src/domain/transaction.ts';
import { Engine } from '../../../src/pipeline/engine.ts';
import { KIND, type Kind } from '../../../src/pipeline/event-kind.ts';
import { compilePlan } from '../../../src/features/plan.ts';
import { CacheBudget } from '../../../src/state/cache.ts';
import { MemoryStateStore } from '../../../src/state/memory-store.ts';
import { PartitionHistories } from '../../../src/state/partition-histories.ts';
import { everyAggregate } from '../../support/catalogue.ts';
import { seeded } from '../../support/random.ts';
import { transaction } from '../../support/transaction.ts';

const HOUR = 3_600_000;
const T = Date.UTC(2026, 0, 15, 12);
const plan = compilePlan(everyAggregate(), 24 * HOUR);

/** One user through the real engine; payments travel as objects. */
class Desk {
  histories: PartitionHistories;
  private readonly store;
  private readonly engine: Engine;
  private offset = 0;

  private constructor(store: Awaited<ReturnType<MemoryStateStore['open']>>) {
    this.store = store;
    this.histories = new PartitionHistories(plan.layout, store, new CacheBudget(1e9));
    this.histories.restart(null);
    const scorer = {
      modelVersion: 'none',
      featureNames: [],
      columns: new Int32Array(0),
      thresholds: { flag: 1, block: 1 },
      score: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    this.engine = new Engine(
      plan,
      {
        decoder: {
          prepare: () => Promise.resolve(),
          decode: (record) => JSON.parse(record.value!.toString()) as Transaction,
        },
        encoder: { encodeDecision: () => Buffer.alloc(0), encodeFlagged: () => Buffer.alloc(0) },
        scorer,
        policy: { version: 'p', thresholds: scorer.thresholds },
        clock: { nowMs: () => T, monotonicMs: () => 0 },
      },
      { futureSkewMs: 300_000 },
    );
  }

  static async open(): Promise<Desk> {
    return new Desk(await new MemoryStateStore().open({ topic: 't', partition: 0 }));
  }

  async take(payment: Transaction, recordMs = -1): Promise<{ kind: Kind; values: number[]; offset: number }> {
    const offset = this.offset++;
    const value = Buffer.from(JSON.stringify(payment));
    const record = { topic: 't', partition: 0, offset, timestampMs: recordMs, key: null, value, headers: null };
    const batch = { topic: 't', partition: 0, records: [record], highWatermark: -1 };
    let answer: { kind: Kind; values: number[]; offset: number } | null = null;
    await this.engine.exportRows(batch, this.histories, (work, values) => {
      answer = { kind: work.kind, values: [...values], offset };
    });
    this.histories.position = offset + 1;
    return answer!;
  }

  async reload(): Promise<void> {
    await this.histories.flush();
    this.histories.restart(this.histories.watermark);
    expect((await this.store.readState()).watermark).toBe(this.offset);
  }

  async rows(user = 'u_1'): Promise<number> {
    return (await this.histories.load([user]))[0]!.history.rows.length;
  }
}

function payment(id: string, minutes: number, change: Partial<Transaction> = {}): Transaction {
  return transaction({ transaction_id: id, event_time: T + minutes * 60_000, ...change });
}

describe('repeats', () => {
  it('of a first payment get its features: own payment left out, nothing known before', async () => {
    const desk = await Desk.open();
    const first = await desk.take(payment('a', 0));
    const again = await desk.take(payment('a', 0));
    expect(again.kind).toBe(KIND.repeat);
    expect(again.values).toEqual(first.values);
    expect(await desk.rows()).toBe(1);
  });

  it('get the features of the first, whatever came in between, three times, stored or not', async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const random = seeded(seed);
      const desk = await Desk.open();
      const make = (k: number, minutes: number): Transaction =>
        payment(`t_${seed}_${k}`, minutes, {
          amount_minor: Math.floor(random() * 20_000),
          merchant_id: `m_${Math.floor(random() * 8)}`,
          country: random() < 0.8 ? 'DE' : 'FR',
          channel: random() < 0.5 ? 'ECOM' : 'POS',
          ip: random() < 0.5 ? null : `10.0.0.${Math.floor(random() * 5)}`,
          lat: 50 + random(),
          attributes: random() < 0.2 ? { auth_result: 'declined' } : {},
        });
      const before = Math.floor(random() * 6);
      for (let k = 0; k < before; k++) await desk.take(make(k, -600 + k * 50));
      const repeated = make(100, 0);
      const first = await desk.take(repeated);
      for (let round = 0; round < 3; round++) {
        for (let k = 0; k < 6; k++) await desk.take(make(200 + round * 10 + k, Math.floor(random() * 600 - 400)));
        if (random() < 0.5) await desk.reload();
        const folded = await desk.rows();
        const again = await desk.take(repeated);
        expect(again.kind).toBe(KIND.repeat);
        expect(again.values).toEqual(first.values);
        expect(await desk.rows()).toBe(folded);
      }
    }
  });

  it('with attributes in another order are still repeats; with any other content they are new payments', async () => {
    const desk = await Desk.open();
    await desk.take(payment('a', 0, { attributes: { x: '1', y: '2' } }));
    expect((await desk.take(payment('a', 0, { attributes: { y: '2', x: '1' } }))).kind).toBe(KIND.repeat);
    const others: Partial<Transaction>[] = [
      { amount_minor: 1_251 },
      { currency: 'USD' },
      { card_id: 'c_2' },
      { merchant_id: 'm_2' },
      { mcc: '5812' },
      { terminal_id: null },
      { device_id: 'd_1' },
      { ip: '10.0.0.1' },
      { country: 'FR' },
      { channel: 'ECOM' },
      { lat: 52.53 },
      { lat: null, lon: null },
      { event_time: T + 1 },
      { attributes: { x: '2', y: '1' } },
      { attributes: {} },
    ];
    let rows = await desk.rows();
    for (const change of others) {
      const answer = await desk.take(payment('a', 0, { attributes: { x: '1', y: '2' }, ...change }));
      expect([change, answer.kind]).toEqual([change, KIND.reused]);
      expect(await desk.rows()).toBe(++rows);
    }
  });

  it('payments from the future and too late ones change nothing that comes after', async () => {
    const plain = await Desk.open();
    const disturbed = await Desk.open();
    for (let k = 0; k < 20; k++) {
      const one = payment(`t_${k}`, k * 90, { merchant_id: `m_${k % 4}` });
      const a = await plain.take(one, one.event_time);
      const b = await disturbed.take(one, one.event_time);
      expect(b.values).toEqual(a.values);
      const now = one.event_time;
      const future = await disturbed.take(payment(`f_${k}`, k * 90 + 6, { merchant_id: 'm_f' }), now);
      expect(future.kind).toBe(KIND.future);
      const late = await disturbed.take(payment(`l_${k}`, k * 90 - 24 * 60 - 1, { merchant_id: 'm_l' }), now);
      expect(late.kind).toBe(KIND.late);
      const edge = payment(`e_${k}`, k * 90 + 5);
      expect((await disturbed.take(edge, now + 60_000)).kind).toBe(KIND.normal);
      await plain.take(edge, now + 60_000);
    }
    expect(await disturbed.rows()).toBe(await plain.rows());
  });
});
