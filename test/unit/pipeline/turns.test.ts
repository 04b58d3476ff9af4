import { describe, expect, it } from 'vitest';
import { Turns } from '../../../src/pipeline/turns.ts';

describe('turns', () => {
  /** Work that ends when it is told to; `log` says who has begun and ended, in order. */
  function work(log: string[], name: string): { readonly run: () => Promise<string>; readonly end: () => void } {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const run = async (): Promise<string> => {
      log.push(`${name} begins`);
      await ended;
      log.push(`${name} ends`);
      return name;
    };
    return { run, end };
  }

  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('many run at a time; one alone waits for them, and all that come later wait for it', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const [a, b, single, c, d] = ['a', 'b', 'single', 'c', 'd'].map((name) => work(log, name)) as [
      ReturnType<typeof work>,
      ReturnType<typeof work>,
      ReturnType<typeof work>,
      ReturnType<typeof work>,
      ReturnType<typeof work>,
    ];
    const all = Promise.all([
      turns.run(false, a.run),
      turns.run(false, b.run),
      turns.run(true, single.run),
      turns.run(false, c.run),
      turns.run(false, d.run),
    ]);
    await settle();
    expect(log.splice(0)).toEqual(['a begins', 'b begins']);
    b.end();
    await settle();
    expect(log.splice(0)).toEqual(['b ends']);
    a.end();
    await settle();
    expect(log.splice(0)).toEqual(['a ends', 'single begins']);
    single.end();
    await settle();
    expect(log.splice(0)).toEqual(['single ends', 'c begins', 'd begins']);
    c.end();
    d.end();
    expect(await all).toEqual(['a', 'b', 'single', 'c', 'd']);
  });

  it('one after the other when each is alone, also when one fails', async () => {
    const turns = new Turns();
    let running = 0;
    let most = 0;
    const run = async (fails: boolean): Promise<void> => {
      most = Math.max(most, ++running);
      await settle();
      running--;
      if (fails) throw new Error('fails');
    };
    const outcomes = await Promise.allSettled(
      [true, false, true, false].map((fails) => turns.run(true, () => run(fails))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(most).toBe(1);
  });
});
