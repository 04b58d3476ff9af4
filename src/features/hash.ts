/**
 * 40-bit string hash: two multiply-xor lanes over UTF-16 units, mixed at the end (after the public-domain cyrb53 by
 * bryc). Fast for short ids and the same on every machine. Not a cryptographic hash: a known collision lets a payer
 * confuse only the history of a user whose ids they choose anyway.
 */
export function hash40(text: string, seed: number): number {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  for (let k = 0; k < text.length; k++) {
    const unit = text.charCodeAt(k);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (b & 0xff) * 2 ** 32 + (a >>> 0);
}

/** The low lane of hash40: 0 … 2^32 - 1. */
export function hash32(text: string, seed: number): number {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  for (let k = 0; k < text.length; k++) {
    const unit = text.charCodeAt(k);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
  }
  return (Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)) >>> 0;
}

const doubles = new Float64Array(1);
const words = new Uint32Array(doubles.buffer);

/** Folds a number into a running 32-bit hash. */
export function mixNumber(hash: number, value: number): number {
  doubles[0] = value;
  let h = Math.imul(hash ^ words[0]!, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15) ^ words[1]!, 0x85ebca6b);
  return h ^ (h >>> 13);
}
