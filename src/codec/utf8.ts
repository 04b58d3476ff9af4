/**
 * True when bytes[start, end) is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
 * Node's decoders put U+FFFD in place of what is broken, which would make two different ids one.
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end) {
    const b = bytes[i]!;
    if (b < 0x80) {
      i++;
    } else if (b >= 0xc2 && b <= 0xdf) {
      if (i + 1 >= end || !isContinuation(bytes[i + 1]!)) return false;
      i += 2;
    } else if (b >= 0xe0 && b <= 0xef) {
      if (i + 2 >= end) return false;
      const second = bytes[i + 1]!;
      if (!isContinuation(second) || !isContinuation(bytes[i + 2]!)) return false;
      if (b === 0xe0 && second < 0xa0) return false;
      if (b === 0xed && second > 0x9f) return false;
      i += 3;
    } else if (b >= 0xf0 && b <= 0xf4) {
      if (i + 3 >= end) return false;
      const second = bytes[i + 1]!;
      if (!isContinuation(second) || !isContinuation(bytes[i + 2]!) || !isContinuation(bytes[i + 3]!)) return false;
      if (b === 0xf0 && second < 0x90) return false;
      if (b === 0xf4 && second > 0x8f) return false;
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
