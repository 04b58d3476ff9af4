/** Fields as one line of text: each percent-encoded, separated by spaces; an empty one is `-`. */
export function encodeWords(words: readonly (string | number)[]): string {
  return words.map((word) => (word === '' ? '-' : word === '-' ? '%2D' : encodeURIComponent(word))).join(' ');
}

/** null when it is not such a line of so many words. */
export function decodeWords(line: string, count: number): string[] | null {
  const words = line.split(' ');
  if (words.length !== count) return null;
  try {
    return words.map((word) => (word === '-' ? '' : decodeURIComponent(word)));
  } catch {
    return null;
  }
}

/** NaN unless it is an offset: an integer that a double holds, or −1 for none. */
export function offsetOf(word: string): number {
  return /^(?:-1|\d{1,16})$/.test(word) ? Number(word) : Number.NaN;
}
