import { mix32 } from './prng.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

const TRIPLES: readonly string[] = Array.from(
  { length: 32_768 },
  (_, i) => ALPHABET.charAt(i >> 10) + ALPHABET.charAt((i >> 5) & 31) + ALPHABET.charAt(i & 31),
);

const HALF_MASK = 0x3fffffff;

/**
 * Opaque ids such as `t_k3v7…`: a prefix and 12 base-32 characters. A four-round Feistel network over 60 bits, keyed
 * by the seed, makes them unique and orderless: an id tells neither when nor why it was made. With 12 characters it
 * never holds the 13 digits of a card number.
 */
export class TokenFactory {
  private readonly prefix: string;
  private readonly key: number;
  private count = 0;

  constructor(prefix: string, seed: number) {
    this.prefix = prefix;
    let key = mix32(seed ^ 0x51ed270b);
    for (let i = 0; i < prefix.length; i++) key = mix32(key ^ prefix.charCodeAt(i));
    this.key = key;
  }

  next(): string {
    const n = this.count++;
    let left = Math.floor(n / 0x4000_0000) & HALF_MASK;
    let right = n & HALF_MASK;
    for (let round = 0; round < 4; round++) {
      const swap = (left ^ mix32(right ^ Math.imul(this.key, 2 * round + 1))) & HALF_MASK;
      left = right;
      right = swap;
    }
    return (
      this.prefix +
      (TRIPLES[left >> 15] ?? '') +
      (TRIPLES[left & 32_767] ?? '') +
      (TRIPLES[right >> 15] ?? '') +
      (TRIPLES[right & 32_767] ?? '')
    );
  }
}
