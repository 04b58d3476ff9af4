/**
 * CRC-32C (Castagnoli), as record batches use it. Slicing-by-16: sixteen tables, one look-up per byte and only one
 * dependency per 16 bytes (Kounavis and Berry, "A Systematic Approach to Building High Performance, Software-based,
 * CRC Generators", 2005).
 */

const POLYNOMIAL = 0x82f63b78;
const SLICES = 16;

function makeTables(): Int32Array[] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[byte] = crc;
  }
  const tables = [first];
  for (let slice = 1; slice < SLICES; slice++) {
    const previous = tables[slice - 1] as Int32Array;
    const table = new Int32Array(256);
    for (let byte = 0; byte < 256; byte++) {
      const crc = previous[byte] as number;
      table[byte] = (crc >>> 8) ^ (first[crc & 0xff] as number);
    }
    tables.push(table);
  }
  return tables;
}

// Sixteen constants instead of an array of arrays: the compiler then keeps each base address.
const [T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, TA, TB, TC, TD, TE, TF] = makeTables() as [
  Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array,
  Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array,
]; // prettier-ignore

/** The checksum of bytes [start, end) as an unsigned 32-bit integer. The indexes are in range by the loops' bounds. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1;
  let i = start;
  const b = bytes;
  const last = end - SLICES;
  while (i <= last) {
    crc =
      TF[(b[i]! ^ crc) & 0xff]! ^
      TE[b[i + 1]! ^ ((crc >>> 8) & 0xff)]! ^
      TD[b[i + 2]! ^ ((crc >>> 16) & 0xff)]! ^
      TC[b[i + 3]! ^ (crc >>> 24)]! ^
      TB[b[i + 4]!]! ^
      TA[b[i + 5]!]! ^
      T9[b[i + 6]!]! ^
      T8[b[i + 7]!]! ^
      T7[b[i + 8]!]! ^
      T6[b[i + 9]!]! ^
      T5[b[i + 10]!]! ^
      T4[b[i + 11]!]! ^
      T3[b[i + 12]!]! ^
      T2[b[i + 13]!]! ^
      T1[b[i + 14]!]! ^
      T0[b[i + 15]!]!;
    i += SLICES;
  }
  while (i < end) {
    crc = (crc >>> 8) ^ T0[(crc ^ b[i]!) & 0xff]!;
    i++;
  }
  return ~crc >>> 0;
}
