import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { maskUrl, Secret } from '../../../src/config/secret.ts';
import { didYouMean, editDistance } from '../../../src/domain/suggest.ts';
import { formatBytes, formatDuration, parseBytes, parseDurationMs, parseTimeMs } from '../../../src/config/values.ts';

describe('durations', () => {
  it.each([
    ['0', 0],
    ['250ms', 250],
    ['10s', 10_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['30d', 2_592_000_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
    expect(parseDurationMs(formatDuration(ms))).toBe(ms);
  });

  it.each(['', '10', '10 s', '-1s', '1w', '1s ', 's', '1e3s', 'Infinitys', '１s'])('%j is none', (text) => {
    expect(parseDurationMs(text)).toBeNull();
  });
});

describe('sizes', () => {
  it.each([
    ['1048576', 1_048_576],
    ['64KiB', 65_536],
    ['1kB', 1_000],
    ['1.5MiB', 1_572_864],
    ['2GiB', 2_147_483_648],
    ['128 MiB', 134_217_728],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
    expect(parseBytes(formatBytes(bytes))).toBe(bytes);
  });

  it.each(['', '-1', '1TiB', 'MiB', '1 2', '99999999999GiB'])('%j is none', (text) => {
    expect(parseBytes(text)).toBeNull();
  });
});

describe('times', () => {
  const now = Date.UTC(2026, 0, 10, 12);

  it.each([
    ['2026-01-09', Date.UTC(2026, 0, 9)],
    ['2026-01-09T10:00', Date.UTC(2026, 0, 9, 10)],
    ['2026-01-09T10:00:00Z', Date.UTC(2026, 0, 9, 10)],
    ['2026-01-09T10:00:00.250+02:00', Date.UTC(2026, 0, 9, 8, 0, 0, 250)],
    ['2h', Date.UTC(2026, 0, 10, 10)],
  ])('%s', (text, ms) => {
    expect(parseTimeMs(text, now)).toBe(ms);
  });

  it.each(['2026-02-30', '2026-13-01', 'yesterday', '2026', '2026-01-09 10:00', '2026-01-09T25:00Z'])(
    '%j is none',
    (text) => {
      expect(parseTimeMs(text, now)).toBeNull();
    },
  );
});

describe('suggestions', () => {
  it('come only from near words', () => {
    expect(didYouMean('kafka.borkers', ['kafka.brokers', 'redis.url'])).toBe('; did you mean kafka.brokers?');
    expect(didYouMean('zzz', ['kafka.brokers'])).toBe('');
    expect(didYouMean('x'.repeat(5_000), ['kafka.brokers'])).toBe('');
  });

  it('count a swap of neighbours as one edit', () => {
    expect(editDistance('ab', 'ba', 3)).toBe(1);
    expect(editDistance('kitten', 'sitting', 5)).toBe(3);
  });
});

describe('secrets', () => {
  it('show nothing', () => {
    const secret = new Secret('hunter2');
    const shown = [String(secret), `${secret}`, JSON.stringify({ secret }), inspect({ secret }), inspect(secret)];
    expect(shown.join(' ')).not.toContain('hunter2');
    expect(Object.values(secret)).toEqual([]);
    expect(secret.reveal()).toBe('hunter2');
  });

  it.each([
    ['redis://u:hunter2@h:6379/0?x=hunter2#hunter2', 'redis://u:[secret]@h:6379/0'],
    ['redis://:hunter2@h:6379', 'redis://:[secret]@h:6379'],
    ['redis://u@h:6379/', 'redis://u@h:6379'],
    ['hunter2', '[secret]'],
    ['', ''],
  ])('in %s are masked', (url, shown) => {
    expect(maskUrl(url)).toBe(shown);
  });
});
