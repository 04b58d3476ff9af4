import { describe, expect, it } from 'vitest';
import { cosDegrees, exp, ln } from '../../../src/simulate/portable-math.ts';
import { Prng } from '../../../src/simulate/prng.ts';
import { TimeHeap } from '../../../src/simulate/time-heap.ts';
import { TokenFactory } from '../../../src/simulate/tokens.ts';

describe('portable math', () => {
  it('agrees with Math', () => {
    for (let x = -20; x <= 20; x += 0.37) expect(exp(x) / Math.exp(x)).toBeCloseTo(1, 12);
    for (let x = 1e-9; x < 1e9; x *= 1.7) expect(Math.abs(ln(x) - Math.log(x))).toBeLessThan(1e-11);
    for (let d = -75; d <= 75; d++) expect(cosDegrees(d)).toBeCloseTo(Math.cos((d * Math.PI) / 180), 5);
  });
});

describe('Prng', () => {
  const draw = (seed: number, stream: number): number[] => {
    const prng = new Prng(seed, stream);
    return Array.from({ length: 20_000 }, () => prng.unit());
  };
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

  it('is uniform, repeatable, and its streams differ', () => {
    const values = draw(1, 1);
    expect(draw(1, 1)).toEqual(values);
    expect(mean(values)).toBeCloseTo(0.5, 2);
    expect(draw(1, 2)[0]).not.toBe(values[0]);
    expect(draw(2 ** 40 + 1, 1)[0]).not.toBe(values[0]);
  });

  it('draws the distributions that it names', () => {
    const prng = new Prng(5, 5);
    const many = (one: () => number): number[] => Array.from({ length: 40_000 }, one);
    const normal = many(() => prng.normal());
    expect(mean(normal)).toBeCloseTo(0, 1);
    expect(mean(normal.map((x) => x * x))).toBeCloseTo(1, 1);
    expect(mean(many(() => prng.exponential(3))) / 3).toBeCloseTo(1, 1);
    expect(mean(many(() => prng.poisson(4))) / 4).toBeCloseTo(1, 1);
    expect(mean(many(() => prng.weighted([1, 4])))).toBeCloseTo(0.75, 1);
  });
});

describe('TokenFactory', () => {
  it('never repeats and does not count', () => {
    const factory = new TokenFactory('t_', 9);
    const tokens = Array.from({ length: 200_000 }, () => factory.next());
    expect(new Set(tokens).size).toBe(200_000);
    expect([...tokens].sort()).not.toEqual(tokens);
    expect(tokens.every((token) => /^t_[a-z2-7]{12}$/.test(token))).toBe(true);
    expect(new TokenFactory('t_', 10).next()).not.toBe(tokens[0]);
  });
});

describe('TimeHeap', () => {
  it('gives items by time, equal times in the order of pushing', () => {
    const prng = new Prng(1, 9);
    const items = Array.from({ length: 2_000 }, (_, order) => ({ at: prng.below(100), order }));
    const heap = new TimeHeap<{ at: number; order: number }>();
    for (const item of items) heap.push(item.at, item);
    const out = Array.from({ length: heap.size }, () => heap.pop());
    expect(out).toEqual(items.toSorted((a, b) => a.at - b.at || a.order - b.order));
    expect(heap.pop()).toBeNull();
    expect(heap.nextMs).toBe(Infinity);
  });
});
