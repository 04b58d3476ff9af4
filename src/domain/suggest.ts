/** Edit distance with swaps of neighbours (optimal string alignment), given up beyond `most`. */
export function editDistance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    before = above;
    above = row;
  }
  return above[b.length] ?? 0;
}

/** The known word nearest to what was written; null when none is near, so that no nonsense is offered. */
function nearest(written: string, known: Iterable<string>): string | null {
  if (written.length > 100) return null;
  const most = Math.max(1, Math.floor(written.length / 4));
  let best: string | null = null;
  let least = most + 1;
  for (const word of known) {
    const distance = editDistance(written.toLowerCase(), word.toLowerCase(), least);
    if (distance < least) {
      least = distance;
      best = word;
    }
  }
  return best;
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(written: string, known: Iterable<string>): string {
  const word = nearest(written, known);
  return word === null ? '' : `; did you mean ${word}?`;
}
