import { describe, expect, it } from 'vitest';
import { windowsBefore } from '../../../src/features/compute.ts';

const HOUR_MS = 3_600_000;
const WINDOWS_MS = Float64Array.of(HOUR_MS, 24 * HOUR_MS, Infinity);
const KNOWN_MS = 100 * HOUR_MS;

describe('windows that reach back before what is known', () => {
  it.each([
    ['at its begin', KNOWN_MS, 0b111],
    ['a moment before the first window is whole', KNOWN_MS + HOUR_MS - 1, 0b111],
    ['the first window is whole', KNOWN_MS + HOUR_MS, 0b110],
    ['the second window is whole', KNOWN_MS + 24 * HOUR_MS, 0b100],
    ['a window over all is never whole', KNOWN_MS * 1_000, 0b100],
  ])('%s', (_, eventMs, mask) => {
    expect(windowsBefore(WINDOWS_MS, eventMs, KNOWN_MS)).toBe(mask);
  });

  it('there are none when history is known from the beginning', () => {
    expect(windowsBefore(WINDOWS_MS, 0, 0)).toBe(0);
    expect(windowsBefore(WINDOWS_MS, KNOWN_MS, 0)).toBe(0);
  });
});
