import { describe, expect, it } from 'vitest';
import { BlobArena } from '../../../src/state/blob-arena.ts';

const MIB = 1 << 20;

/** Numbers in [0, 1), the same each time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const blobOf = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value & 255);

describe('BlobArena', () => {
  it('gives back what it was given, after any number of changes and cleanings', () => {
    const random = seeded(1);
    const arena = new BlobArena();
    const model: Uint8Array[] = [];
    let liveBytes = 0;
    for (let step = 0; step < 60_000; step++) {
      const kind = random();
      const length = kind < 0.001 ? Math.floor(random() * 3 * MIB) : Math.floor(random() * 1_500);
      const blob = blobOf(length, step);
      if (model.length < 5_000 || random() < 0.01) {
        expect(arena.add(blob)).toBe(model.length);
        model.push(blob);
      } else {
        const number = Math.floor(random() * model.length);
        liveBytes -= (model[number] as Uint8Array).length;
        arena.replace(number, blob);
        model[number] = blob;
      }
      liveBytes += length;
      if (step % 500 === 0) {
        arena.clean();
        // headers, ends of slabs and a quarter of garbage
        expect(arena.slabBytes).toBeLessThan(liveBytes * 1.6 + 6 * MIB);
      }
    }
    expect(arena.count).toBe(model.length);
    const wrong = model.filter((blob, number) => Buffer.compare(arena.view(number), blob) !== 0);
    expect(wrong).toEqual([]);
  });

  it('keeps views as they were', () => {
    const arena = new BlobArena();
    const numbers = Array.from({ length: 100 }, (_, i) => arena.add(blobOf(700, i)));
    const views = numbers.map((number) => arena.view(number));
    for (let round = 0; round < 500; round++) {
      for (const number of numbers) arena.replace(number, blobOf(700, round));
      arena.clean();
    }
    expect(arena.slabBytes).toBeLessThan(6 * MIB);
    expect(views.every((view, i) => view.length === 700 && view.every((value) => value === i))).toBe(true);
  });

  it('takes a view of itself as input', () => {
    const arena = new BlobArena();
    const first = arena.add(blobOf(100, 7));
    const second = arena.add(arena.view(first));
    arena.replace(first, arena.view(second).subarray(0, 50));
    expect(arena.view(first)).toEqual(blobOf(50, 7));
    expect(arena.view(second)).toEqual(blobOf(100, 7));
  });

  it('starts small', () => {
    const arena = new BlobArena();
    expect(arena.slabBytes).toBe(0);
    arena.add(blobOf(10, 1));
    expect(arena.slabBytes).toBeLessThanOrEqual(65_536);
  });
});
