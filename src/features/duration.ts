const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** `10m`, `1 h`, `30d` → ms; null when it is not a duration. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,12})\s*(ms|s|min|m|h|d|w)$/.exec(text.trim());
  if (!match) return null;
  return Number(match[1]) * UNIT_MS[match[2]!]!;
}

/** `600000` → `10 min`, in the largest unit that divides it. */
export function describeDuration(durationMs: number): string {
  const units: [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ];
  for (const [name, unitMs] of units) if (durationMs % unitMs === 0) return `${durationMs / unitMs} ${name}`;
  return `${durationMs} ms`;
}
