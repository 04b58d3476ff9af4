import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sent } from '../support/e2e-payments.ts';
import { readLog } from '../support/e2e-log.ts';
import { decodeDecision, DECISION } from '../support/e2e-topics.ts';
import { judge, type Verdict } from './judge.ts';
import { isExact } from './report.ts';
import { Scene } from './scene.ts';
import { Stage } from './stage.ts';
import { settingsOf } from '../support/e2e-run.ts';

/** The judge of the chaos must see each kind of wrong, else its verdicts are worth nothing. */

describe('the judge', () => {
  const stage = new Stage({ long: false, seed: 5, rate: 200 });
  let scene: Scene;
  beforeAll(async () => {
    scene = await Scene.make(stage, 'judge');
    await scene.decideSome();
  });
  afterAll(async () => {
    await scene?.close();
    await stage.strike();
  });

  const judged = (inputs?: Parameters<typeof judge>[0]['inputs']): Promise<Verdict> =>
    judge({
      bootstrap: scene.broker,
      topics: scene.place.topics,
      settings: settingsOf(scene.place, scene.world.settings),
      ...(inputs === undefined ? {} : { inputs }),
    });
  const write = (messages: readonly Sent[]): Promise<void> =>
    scene.world.kafka.send(scene.place.topics.decisions, messages);
  const decision = async (n: number) => {
    const [log] = await readLog(scene.broker, scene.place.topics.decisions);
    const raw = log!.records[n]!;
    return {
      raw,
      value: decodeDecision(raw),
      sent: { key: raw.key, value: raw.value!, partition: 0, headers: raw.headers },
    };
  };

  it('finds nothing wrong in what is right, and sees what the Java client sees', async () => {
    const verdict = await judged();
    expect(verdict.problems).toEqual([]);
    expect(verdict.outputs).toBe(verdict.inputs);
    expect(verdict.inputs).toBeGreaterThan(100);
    expect(await scene.world.askJava(scene.place.topics.decisions)).toBeGreaterThan(100);
  });

  it('sees a payment that nobody decided', async () => {
    const [log] = await readLog(scene.broker, scene.place.topics.transactions);
    const { records } = log!;
    const more = { ...records.at(-1)!, offset: records.at(-1)!.offset + 1 };
    const verdict = await judged(new Map([[0, [...records, more]]]));
    // the decision, and its case: all are flagged here
    expect(verdict.missing).toBe(2);
    expect(verdict.outputs).toBe(verdict.inputs - 1);
  });

  it('sees a history that differs by one payment', async () => {
    const [log] = await readLog(scene.broker, scene.place.topics.transactions);
    const { records } = log!;
    const seen = new Set<string>();
    const again = records.find(({ key }) => seen.size === seen.add(String(key)).size);
    const first = records.find(({ key }) => key === again!.key)!;
    // as if the first payment of that user had not been in the log, but in its place another user's
    const other = records.find(({ key }) => key !== first.key)!;
    const changed = records.map((one) => (one === first ? { ...other, offset: first.offset } : one));
    const verdict = await judged(new Map([[0, changed]]));
    expect(verdict.differing).toBeGreaterThan(2);
    expect(verdict.problems.join()).toContain(`/${again!.offset}`);
  });

  it('sees a decision that is there twice', async () => {
    await write([(await decision(5)).sent]);
    const verdict = await judged();
    expect(verdict.duplicates).toBe(1);
    expect(verdict.differing).toBe(0);
    expect(isExact({ ...verdict, scenario: '', faults: '', seconds: 0, loadLateMs: 0, notes: {} })).toBe(false);
  });

  it('sees a decision that is other than it must be, and one of no input', async () => {
    const { value, sent } = await decision(6);
    const before = await judged();
    await write([{ ...sent, value: DECISION.toBuffer({ ...value, score: value.score + 1e-12 }) }]);
    await write([{ ...sent, value: DECISION.toBuffer({ ...value, input_offset: 10_000_000 }) }]);
    const after = await judged();
    expect(after.duplicates).toBe(before.duplicates + 1);
    expect(after.differing).toBe(before.differing + 2);
  });
});
