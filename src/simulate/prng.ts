import { exp, ln } from './portable-math.ts';

/** 32-bit finalizer of MurmurHash3: spreads every input bit over the output. */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A stable 32-bit hash of a few integers. */
export function hashInts(a: number, b: number, c = 0, d = 0): number {
  return mix32(mix32(mix32(mix32(a ^ 0x9e3779b9) + (b | 0)) + Math.imul(c, 0x27d4eb2f)) + Math.imul(d, 0x165667b1));
}

/**
 * sfc32, the small fast counting generator of Chris Doty-Humphrey's PractRand: 128 bits of state, period at least
 * 2^32, passes PractRand and BigCrush. Not for secrets.
 */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** Equal (seed, stream) give equal sequences; streams of one seed are independent. */
  constructor(seed: number, stream: number) {
    this.a = mix32(seed);
    this.b = mix32(Math.floor(seed / 0x1_0000_0000) ^ 0x5bd1e995);
    this.c = mix32(stream ^ 0x2545f491);
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 0 … 2^32 - 1 */
  next(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + t) | 0;
    return t >>> 0;
  }

  /** 0 ≤ x < 1 */
  unit(): number {
    return this.next() / 4294967296;
  }

  chance(probability: number): boolean {
    return this.next() < probability * 4294967296;
  }

  /** integer, 0 … n - 1 */
  below(n: number): number {
    return Math.floor(this.unit() * n);
  }

  /** integer, from … to, both included */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** low ≤ x < high */
  range(low: number, high: number): number {
    return low + this.unit() * (high - low);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('pick from an empty list');
    return item;
  }

  /** Index drawn by cumulative weights (ascending, last = total). */
  weighted(cumulative: readonly number[]): number {
    const last = cumulative.length - 1;
    const x = this.unit() * (cumulative[last] ?? 0);
    for (let i = 0; i < last; i++) if (x < (cumulative[i] ?? 0)) return i;
    return last;
  }

  /** Mean 0, deviation 1, within ±3.5: the sum of four uniforms (Irwin–Hall), without transcendental functions. */
  normal(): number {
    return (this.unit() + this.unit() + this.unit() + this.unit() - 2) * 1.7320508075688772;
  }

  /** Heavy to the right, median `median`. */
  logNormal(median: number, sigma: number): number {
    return median * exp(sigma * this.normal());
  }

  exponential(mean: number): number {
    return -mean * ln(1 - this.unit());
  }

  /** Knuth's product method; mean up to about 200. */
  poisson(mean: number): number {
    const limit = exp(-mean);
    let product = this.unit();
    let n = 0;
    while (product > limit && n < 1_000) {
      product *= this.unit();
      n++;
    }
    return n;
  }
}

/** Running sums of weights, for `Prng.weighted`. */
export function cumulate(weights: readonly number[]): number[] {
  let sum = 0;
  return weights.map((weight) => (sum += weight));
}
