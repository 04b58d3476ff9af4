import { seeded } from '../support/random.ts';

/** All chance of one seed. Streams with names are independent: a change in one use does not shift the others. */
export class Random {
  private readonly next: () => number;
  private readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
    this.next = seeded(seed);
  }

  /** Another generator that depends on this one's seed and the name alone. */
  stream(name: string): Random {
    let hash = this.seed ^ 0x9e3779b9;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    return new Random(hash ^ (hash >>> 15));
  }

  /** in [0, 1) */
  unit(): number {
    return this.next();
  }

  /** integer in [from, to] */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new Error('nothing to pick from');
    return from[Math.floor(this.next() * from.length)] as T;
  }

  /** Mostly small, sometimes up to the maximum: delays of a network. */
  skewed(max: number): number {
    const unit = this.next();
    return Math.floor(max * unit * unit * unit);
  }
}
