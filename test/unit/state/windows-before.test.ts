import { describe, expect, it } from 'vitest';
import { windowsBefore } from '../../../src/state/layout.ts';

const HOUR_MS = 3_600_000;
const WINDOWS = {
  windowsMs: Float64Array.of(HOUR_MS, 24 * HOUR_MS, Infinity, HOUR_MS),
  delaysMs: Float64Array.of(0, 0, 0, 2 * HOUR_MS),
};
const KNOWN_MS = 100 * HOUR_MS;

describe('windows that reach back before what is known', () => {
  it.each([
    ['at its begin', KNOWN_MS, 0b1111],
    ['a moment before the first window is whole', KNOWN_MS + HOUR_MS - 1, 0b1111],
    ['the first window is whole', KNOWN_MS + HOUR_MS, 0b1110],
    ['the one with a delay is whole', KNOWN_MS + 3 * HOUR_MS, 0b110],
    ['the second window is whole', KNOWN_MS + 24 * HOUR_MS, 0b100],
    ['a window over all is never whole', KNOWN_MS * 1_000, 0b100],
  ])('%s', (_, eventMs, mask) => {
    expect(windowsBefore(WINDOWS, eventMs, KNOWN_MS)).toBe(mask);
  });

  it('there are none when history is known from the beginning', () => {
    expect(windowsBefore(WINDOWS, 0, 0)).toBe(0);
    expect(windowsBefore(WINDOWS, 0, -Infinity)).toBe(0);
  });
});
