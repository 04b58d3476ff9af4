import { describe, expect, it } from 'vitest';
import type { Decision } from '../../../src/domain/decision.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import type { Transaction } from '../../../src/domain/transaction.ts';
import { CacheBudget } from '../../../src/state/cache.ts';
import { PartitionHistories } from '../../../src/state/partition-histories.ts';
import type { Engine, BatchResult } from '../../../src/pipeline/engine.ts';
import type { InputRecord } from '../../../src/transport/record.ts';
import { comparable, decisionOf, engineOf, flaggedOf, ManualClock, smallPlan } from '../../support/pipeline-engine.ts';
import { ScriptedStore } from '../../support/pipeline-store.ts';
import { NOON_MS, recordOf } from '../../support/pipeline-world.ts';

const HOUR_MS = 3_600_000;

/** One engine, and the histories of its partition. */
class Desk {
  readonly plan = smallPlan();
  readonly clock = new ManualClock();
  readonly failures: unknown[] = [];
  readonly store: ScriptedStore;
  readonly histories: PartitionHistories;
  readonly engine: Engine;

  private constructor(store: ScriptedStore) {
    this.store = store;
    this.histories = new PartitionHistories(this.plan.layout, store, new CacheBudget(1e8));
    this.histories.restart(null);
    this.engine = engineOf(this.plan, this.clock, this.failures);
  }

  static async open(): Promise<Desk> {
    return new Desk(await ScriptedStore.open());
  }

  decide(records: readonly InputRecord[], histories: PartitionHistories | null = this.histories): Promise<BatchResult> {
    return this.engine.decide({ topic: 'transactions', partition: 0, records, highWatermark: -1 }, histories);
  }

  async decisions(records: readonly InputRecord[]): Promise<Decision[]> {
    const { outputs } = await this.decide(records);
    return outputs.filter((one) => one.stream === 'decisions').map(decisionOf);
  }
}

/** A payment of one user; their amount alone decides whether it is flagged (5000 or more) or blocked (9000). */
const of = (offset: number, change: Partial<Transaction> = {}): InputRecord =>
  recordOf(offset, { user_id: 'u_1', amount_minor: 1_000, ...change });

const broken = (offset: number): InputRecord => ({ ...of(offset), value: Buffer.from('ff00ff', 'hex') });

describe('records that cannot be read', () => {
  it('become dead letters and cost only themselves', async () => {
    const good = [of(0), of(2), of(4)];
    const desk = await Desk.open();
    const { outputs, report } = await desk.decide([
      good[0]!,
      broken(1),
      good[1]!,
      { ...of(3), value: null },
      good[2]!,
      { ...of(5), failure: new FraudstreamError('FS_BATCH_CORRUPT', 'checksum') },
    ]);
    const alone = await Desk.open();
    const expected = await alone.decide(good);
    expect(comparable(outputs.filter((one) => one.stream !== 'dead-letter'))).toEqual(comparable(expected.outputs));
    const letters = outputs.filter((one) => one.stream === 'dead-letter');
    expect(letters.map(({ headers }) => headers!['__connect.errors.offset']!.toString())).toEqual(['1', '3', '5']);
    expect(letters[0]!.value).toEqual(Buffer.from('ff00ff', 'hex'));
    expect(letters[2]!.value).toEqual(of(5).value);
    expect(Object.fromEntries(report.deadLetters)).toMatchObject({ FS_INPUT_TOMBSTONE: 1, FS_BATCH_CORRUPT: 1 });
    expect([...report.deadLetters.values()].reduce((sum, count) => sum + count, 0)).toBe(3);
    expect(report.records).toBe(6);
    // They are behind us: the next owner must not begin with them.
    expect(desk.histories.position).toBe(6);
  });

  it('alone in a batch ask neither the store nor the model', async () => {
    const desk = await Desk.open();
    desk.failures.push(new Error('the model must not be asked'));
    const { outputs } = await desk.decide([broken(0)]);
    expect(outputs.map(({ stream }) => stream)).toEqual(['dead-letter']);
    expect(desk.store.calls).not.toContain('load');
  });
});

describe('the model fails', () => {
  it('the payments pass with score 0, and say so', async () => {
    const desk = await Desk.open();
    desk.failures.push(new FraudstreamError('FS_MODEL_FAILED', 'out of memory'));
    const { outputs, report } = await desk.decide([of(0, { amount_minor: 9_900 }), of(1)]);
    expect(outputs.map(({ stream }) => stream)).toEqual(['decisions', 'decisions']);
    for (const one of outputs.map(decisionOf)) {
      expect(one).toMatchObject({ score: 0, decision: 'ALLOW', flagged: false, exact: false });
      expect(one.degraded).toEqual(['model-unavailable']);
    }
    expect(report.degraded).toBe(2);
    // They are folded all the same, and the next batch is scored.
    const [next] = await desk.decisions([of(2, { amount_minor: 9_900 })]);
    expect(next).toMatchObject({ decision: 'BLOCK', degraded: [], exact: true });
    expect(next!.reasons.find(({ code }) => code === 'count_1h')?.value).toBe(3);
  });

  it('a bug in it is not taken for a failure', async () => {
    const desk = await Desk.open();
    desk.failures.push(new TypeError('x is undefined'));
    await expect(desk.decide([of(0)])).rejects.toThrow('x is undefined');
  });
});

describe('outputs', () => {
  it('are in the order of the input, the flagged record behind its decision', async () => {
    const desk = await Desk.open();
    const { outputs, report } = await desk.decide([
      of(0),
      of(1, { amount_minor: 9_500 }),
      of(2, { amount_minor: 6_000, user_id: 'u_2' }),
      of(3),
    ]);
    const seen = outputs.map((one) => {
      const decision = one.stream === 'flagged' ? flaggedOf(one).decision : decisionOf(one);
      return [one.stream, decision.input_offset, decision.decision, decision.flagged, one.key?.toString()];
    });
    expect(seen).toEqual([
      ['decisions', 0, 'ALLOW', false, 'u_1'],
      ['decisions', 1, 'BLOCK', true, 'u_1'],
      ['flagged', 1, 'BLOCK', true, 'u_1'],
      ['decisions', 2, 'ALLOW', true, 'u_2'],
      ['flagged', 2, 'ALLOW', true, 'u_2'],
      ['decisions', 3, 'ALLOW', false, 'u_1'],
    ]);
    expect(report).toMatchObject({ records: 4, blocked: 1, flagged: 2, degraded: 0 });
    expect(outputs.every((one) => one.timestampMs === desk.clock.wallMs && one.partition === 0)).toBe(true);
  });

  it('say what they were made from', async () => {
    const desk = await Desk.open();
    const [decision] = await desk.decisions([of(7)]);
    expect(decision).toMatchObject({
      decision_id: 'transactions/0/7',
      transaction_id: 't_7',
      user_id: 'u_1',
      model_version: 'additive-1',
      policy_version: 'policy-1',
      catalogue_fingerprint: desk.plan.fingerprint,
      input_topic: 'transactions',
      input_partition: 0,
      input_offset: 7,
      event_time: NOON_MS + 7_000,
      decision_time: desk.clock.wallMs,
      exact: true,
      late: false,
      future: false,
      duplicate_of: null,
    });
    expect(decision!.degraded).toEqual([]);
    expect(decision!.reasons).toEqual([]);
  });

  it('carry on the trace and event headers, and no others', async () => {
    const desk = await Desk.open();
    const headers = {
      traceparent: Buffer.from('00-1'),
      tracestate: Buffer.from('a=1'),
      ce_id: Buffer.from('e1'),
      authorization: Buffer.from('secret'),
    };
    const records = [{ ...of(0, { amount_minor: 9_900 }), headers }, { ...broken(1), headers }, of(2)];
    const { outputs } = await desk.decide(records);
    const [letter, decision, flagged, plain] = outputs;
    const { authorization, ...passed } = headers;
    expect(decision!.headers).toEqual(passed);
    expect(flagged!.headers).toEqual(passed);
    expect(plain!.headers).toBeNull();
    // A dead letter is the record as it came.
    expect(letter!.headers).toMatchObject({ ...passed, authorization });
  });

  it('are the same however the records are cut into batches', async () => {
    const records = Array.from({ length: 40 }, (_, k) => recordOf(k, { amount_minor: ((k * 37) % 11) * 1_000 }));
    const whole = await Desk.open();
    const expected = comparable((await whole.decide(records)).outputs);
    for (const size of [1, 3, 7]) {
      const desk = await Desk.open();
      const seen: string[] = [];
      for (let at = 0; at < records.length; at += size) {
        seen.push(...comparable((await desk.decide(records.slice(at, at + size))).outputs));
      }
      expect(seen).toEqual(expected);
    }
  });
});

describe('a flagged record', () => {
  it('holds every feature, and null where there is none', async () => {
    const desk = await Desk.open();
    const { outputs } = await desk.decide([of(0, { amount_minor: 9_900 })]);
    const flagged = flaggedOf(outputs[1]!);
    expect(flagged.features).toEqual({
      amount: 9_900,
      count_1h: 1,
      count_1d: 1,
      sum_1h: 9_900,
      sum_1d: 9_900,
      merchants_1d: 1,
      countries_1d: 1,
      mean_1d: null,
      since_last: null,
    });
    expect(flagged.history).toEqual([]);
    expect(flagged.transaction).toMatchObject({ transaction_id: 't_0', amount_minor: 9_900 });
    expect(flagged.decision).toEqual(decisionOf(outputs[0]!));
  });

  it('holds at most ten earlier payments of this user, newest first, without itself and what came later', async () => {
    const desk = await Desk.open();
    const before = Array.from({ length: 12 }, (_, k) => of(k, { amount_minor: 100 + k }));
    const stranger = of(12, { user_id: 'u_2' });
    const batch = [...before, stranger, of(13, { amount_minor: 9_900 }), of(14)];
    const { outputs } = await desk.decide(batch);
    const flagged = flaggedOf(outputs.find(({ stream }) => stream === 'flagged')!);
    expect(flagged.history).toEqual(
      Array.from({ length: 10 }, (_, k) => ({
        event_time: NOON_MS + (11 - k) * 1_000,
        amount_minor: 111 - k,
        input_offset: 11 - k,
      })),
    );
    expect(flagged.features).toMatchObject({ count_1d: 13, since_last: 2 });
  });

  it('holds at most five reasons, strongest first', async () => {
    const desk = await Desk.open();
    const { outputs } = await desk.decide([of(0, { amount_minor: 9_900 })]);
    const { reasons } = flaggedOf(outputs[1]!).decision;
    // Seven rules apply; those of the least weight are left out.
    expect(reasons).toHaveLength(5);
    expect(reasons.map(({ code }) => code)).not.toContain('countries_1d');
    expect(decisionOf(outputs[0]!).reasons).toEqual(reasons);
  });

  it('of a reused id begins with that reason, and has five all the same', async () => {
    const desk = await Desk.open();
    const { outputs, report } = await desk.decide([of(0), of(1, { transaction_id: 't_0', amount_minor: 9_900 })]);
    const { reasons } = decisionOf(outputs[1]!);
    expect(reasons).toHaveLength(5);
    expect(reasons[0]!.code).toBe('transaction_id_reused');
    expect(report.reused).toBe(1);
  });
});

describe('payments out of their time', () => {
  it('from the future are decided, marked, counted, and not folded', async () => {
    const desk = await Desk.open();
    const ahead = { ...of(0, { event_time: NOON_MS + 300_001 }), timestampMs: NOON_MS };
    const edge = { ...of(1, { event_time: NOON_MS + 300_000 }), timestampMs: NOON_MS };
    const { outputs, report } = await desk.decide([ahead, edge]);
    const [first, second] = outputs.map(decisionOf);
    expect(first).toMatchObject({ future: true, late: false });
    expect(second).toMatchObject({ future: false, late: false });
    expect(report.future).toBe(1);
    const next = await desk.decide([of(2, { event_time: NOON_MS + 300_001, amount_minor: 9_900 })]);
    expect(flaggedOf(next.outputs[1]!).features).toMatchObject({ count_1d: 2 });
  });

  it('too late are decided as of their own time, marked, counted, and not folded', async () => {
    const desk = await Desk.open();
    const late = of(1, { event_time: NOON_MS - 24 * HOUR_MS - 1, amount_minor: 9_900 });
    const edge = of(2, { event_time: NOON_MS - 24 * HOUR_MS });
    const { outputs, report } = await desk.decide([of(0), late, edge]);
    const decisions = outputs.filter(({ stream }) => stream === 'decisions').map(decisionOf);
    expect(decisions.map((one) => one.late)).toEqual([false, true, false]);
    expect(report.late).toBe(1);
    const flagged = flaggedOf(outputs.find(({ stream }) => stream === 'flagged')!);
    expect(flagged.features).toMatchObject({ count_1d: 1 });
    expect(flagged.history).toEqual([]);
    const next = await desk.decide([of(3, { event_time: NOON_MS - 12 * HOUR_MS, amount_minor: 9_900 })]);
    // With the one at the edge and itself.
    expect(flaggedOf(next.outputs[1]!).features).toMatchObject({ count_1d: 2 });
  });

  it('a repeat names the first, and is counted once', async () => {
    const desk = await Desk.open();
    const again = { ...of(0), offset: 1 };
    const { outputs, report } = await desk.decide([of(0), again, of(2, { amount_minor: 9_900 })]);
    const decisions = outputs.filter(({ stream }) => stream === 'decisions').map(decisionOf);
    expect(decisions.map((one) => one.duplicate_of)).toEqual([null, 'transactions/0/0', null]);
    expect(decisions[1]!.score).toBe(decisions[0]!.score);
    expect(report.repeated).toBe(1);
    expect(flaggedOf(outputs.at(-1)!).features).toMatchObject({ count_1d: 2 });
  });
});

describe('without history', () => {
  it('a payment is decided from itself, and nothing is kept of it', async () => {
    const desk = await Desk.open();
    await desk.decide([of(0)]);
    const { outputs } = await desk.decide([of(1, { amount_minor: 9_900 })], null);
    const flagged = flaggedOf(outputs[1]!);
    expect(flagged.decision).toMatchObject({ decision: 'BLOCK', exact: false });
    expect(flagged.decision.degraded).toEqual(['no-history']);
    expect(flagged.history).toEqual([]);
    expect(flagged.features).toMatchObject({ amount: 9_900, since_last: null });
    expect(desk.histories.position).toBe(1);
    const next = await desk.decide([of(2, { amount_minor: 9_900 })]);
    expect(flaggedOf(next.outputs[1]!).features).toMatchObject({ count_1d: 2 });
  });
});

describe('what holds up a batch', () => {
  it('a store that is away is found out before anything was folded', async () => {
    const desk = await Desk.open();
    const records = [of(0), of(1, { amount_minor: 9_900 })];
    desk.store.fail('load', 'before', 'after');
    await expect(desk.decide(records)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    await expect(desk.decide(records)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    const alone = await Desk.open();
    expect(comparable((await desk.decide(records)).outputs)).toEqual(comparable((await alone.decide(records)).outputs));
  });

  it('a history that is ahead of the input is never decided from', async () => {
    const desk = await Desk.open();
    await desk.decide([of(5)]);
    await expect(desk.decide([of(5)])).rejects.toMatchObject({ code: 'FS_STATE_AHEAD', place: { offset: 5 } });
  });

  it('folding silently keeps out what deciding keeps out', async () => {
    const records = [
      of(0),
      { ...of(1, { event_time: NOON_MS + 300_001 }), timestampMs: NOON_MS },
      of(2, { event_time: NOON_MS - 24 * HOUR_MS - 1 }),
      { ...of(0), offset: 3 },
      of(4, { transaction_id: 't_0', amount_minor: 2_000 }),
    ];
    const decided = await Desk.open();
    await decided.decide(records);
    const folded = await Desk.open();
    await folded.engine.foldSilently(records, folded.histories);
    const next = [of(5, { event_time: NOON_MS + 600_000, amount_minor: 9_900 })];
    const { outputs } = await folded.decide(next);
    expect(flaggedOf(outputs[1]!).features).toMatchObject({ count_1d: 3 });
    expect(comparable(outputs)).toEqual(comparable((await decided.decide(next)).outputs));
  });

  it('folding silently twice is folding once', async () => {
    const desk = await Desk.open();
    const records = [of(0), broken(1), of(2)];
    await desk.engine.foldSilently(records, desk.histories);
    await desk.engine.foldSilently(records, desk.histories);
    expect(desk.histories.position).toBe(3);
    const { outputs } = await desk.decide([of(3, { amount_minor: 9_900 })]);
    expect(flaggedOf(outputs[1]!).features).toMatchObject({ count_1d: 3 });
  });
});

describe('where a batch is cut', () => {
  it('changes nothing in what is said of a flagged payment', async () => {
    // One user, hours apart and then close together: later payments make the history drop what explains earlier ones.
    const records = Array.from({ length: 700 }, (_, k) =>
      of(k, {
        event_time: NOON_MS + (k < 40 ? k * 5 * HOUR_MS : 39 * 5 * HOUR_MS + k * 1_000),
        amount_minor: 5_000 + 37 * k,
      }),
    );
    const decideIn = async (size: number): Promise<string[]> => {
      const desk = await Desk.open();
      const out: string[] = [];
      for (let at = 0; at < records.length; at += size) {
        out.push(...comparable((await desk.decide(records.slice(at, at + size))).outputs));
      }
      return out;
    };
    const oneByOne = await decideIn(1);
    expect(oneByOne).toHaveLength(2 * records.length);
    expect(await decideIn(7)).toEqual(oneByOne);
    expect(await decideIn(records.length)).toEqual(oneByOne);
  });
});
