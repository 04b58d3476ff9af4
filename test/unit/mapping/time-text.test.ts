import { describe, expect, it } from 'vitest';
import { compileTime, offsetToMs } from '../../../src/mapping/time-text.ts';
import type { TimeFormat } from '../../../src/mapping/mapping.ts';

const NOON = Date.UTC(2018, 3, 1, 12);
const HOUR = 3_600_000;

function read(format: TimeFormat, text: string): number {
  return compileTime(format)(text);
}

describe('times', () => {
  it.each([
    ['2018-04-01T12:00:00Z', 0],
    ['2018-04-01T12:00:00', 0],
    ['2018-04-01 12:00', 0],
    ['2018-04-01T12:00:00.250Z', 250],
    ['2018-04-01T12:00:00,5Z', 500],
    ['2018-04-01T12:00:00.123456789Z', 123],
    ['2018-04-01T14:00:00+02:00', 0],
    ['2018-04-01T06:30:00-0530', 0],
    ['2018-04-01', -12 * HOUR],
  ])('ISO 8601: %s', (text, afterNoon) => {
    expect(read({ kind: 'iso', offsetMs: 0 }, text)).toBe(NOON + afterNoon);
  });

  it('without an offset are of the time zone of the mapping, with one of their own', () => {
    const berlin: TimeFormat = { kind: 'iso', offsetMs: 2 * HOUR };
    expect(read(berlin, '2018-04-01T14:00:00')).toBe(NOON);
    expect(read(berlin, '2018-04-01T12:00:00Z')).toBe(NOON);
  });

  it.each([
    '',
    'yesterday',
    '2018-04-31',
    '2018-02-29',
    '1900-02-29',
    '2018-13-01',
    '2018-00-01',
    '2018-04-00',
    '2018-04-01T24:00:00',
    '2018-04-01T12:60',
    '2018-04-01T12:00:60',
    '2018-04-01T12:00:00+15:00',
    '2018-04-01T12',
    '0050-04-01',
    '2018-04-01T12:00:00Z ',
  ])('%j is none', (text) => {
    expect(read({ kind: 'iso', offsetMs: 0 }, text)).toBeNaN();
  });

  it('29 February is there in leap years', () => {
    expect(read({ kind: 'iso', offsetMs: 0 }, '2020-02-29')).toBe(Date.UTC(2020, 1, 29));
    expect(read({ kind: 'iso', offsetMs: 0 }, '2000-02-29')).toBe(Date.UTC(2000, 1, 29));
  });

  it('are counted in seconds, milliseconds or microseconds, exactly', () => {
    const seconds: TimeFormat = { kind: 'count', unit: 'seconds', sinceMs: 0 };
    expect(read(seconds, '1530000000')).toBe(1_530_000_000_000);
    // a float would say …122
    expect(read(seconds, '1530000000.123')).toBe(1_530_000_000_123);
    expect(read(seconds, '1530000000.1239')).toBe(1_530_000_000_123);
    expect(read(seconds, '1530000000.')).toBe(1_530_000_000_000);
    expect(read(seconds, '1.5300000001234567e+9')).toBe(1_530_000_000_123);
    expect(read({ kind: 'count', unit: 'milliseconds', sinceMs: 0 }, '1530000000123')).toBe(1_530_000_000_123);
    expect(read({ kind: 'count', unit: 'milliseconds', sinceMs: 0 }, '12.9')).toBe(12);
    expect(read({ kind: 'count', unit: 'microseconds', sinceMs: 0 }, '1530000000123999')).toBe(1_530_000_000_123);
    for (const text of ['', '-', '1 2', 'abc', '1,5', '0x10', '99999999999999999']) {
      expect(read(seconds, text)).toBeNaN();
    }
  });

  it('are counted from another day', () => {
    const since: TimeFormat = { kind: 'count', unit: 'seconds', sinceMs: Date.UTC(2018, 3, 1) };
    expect(read(since, '43200')).toBe(NOON);
    expect(read(since, '-0.5')).toBe(Date.UTC(2018, 3, 1) - 500);
    expect(read(since, '-0.0005')).toBe(Date.UTC(2018, 3, 1) - 1);
    expect(read({ ...since, unit: 'microseconds' }, '-1500')).toBe(Date.UTC(2018, 3, 1) - 2);
  });

  it.each([
    ['yyyy-MM-dd HH:mm:ss', '2018-04-01 12:00:00'],
    ['dd.MM.yyyy HH:mm', '01.04.2018 12:00'],
    ['d/M/yyyy h:mm a', '1/4/2018 12:00 PM'],
    ['MM/dd/yy hh:mm:ss a', '04/01/18 12:00:00 pm'],
    ["yyyyMMdd'T'HHmmss", '20180401T120000'],
    ['dd-MMM-yyyy HH', '01-apr-2018 12'],
    ['yyyy-MM-dd HH:mm:ss.SSSXXX', '2018-04-01 14:00:00.000+02:00'],
    ['yyyy-MM-dd HH:mm:ss.SSSSSS', '2018-04-01 12:00:00.000999'],
    ['yyyy-MM-dd HHmmXX', '2018-04-01 1300+0100'],
  ])('of the pattern %s', (pattern, text) => {
    expect(read({ kind: 'pattern', pattern, offsetMs: 0 }, text)).toBe(NOON);
  });

  it('of a pattern have the time zone of the mapping, and midnight is 12 am', () => {
    const format: TimeFormat = { kind: 'pattern', pattern: 'dd.MM.yyyy hh:mm a', offsetMs: 2 * HOUR };
    expect(read(format, '01.04.2018 02:00 PM')).toBe(NOON);
    expect(read(format, '01.04.2018 12:30 AM')).toBe(NOON - 13.5 * HOUR);
    for (const text of ['01.04.2018 13:00 PM', '01.04.2018 00:00 AM', '1.4.2018 02:00 PM', '31.04.2018 02:00 PM']) {
      expect(read(format, text)).toBeNaN();
    }
  });

  it.each([
    ['yyyy-mm-dd', /needs a month/],
    ['HH:mm', /needs a year/],
    ['yyyy-MM-DD', /"DD" in a time pattern is none of/],
    ['yyyy-MM-dd hh:mm', /belong together/],
    ['yyyy-MM-dd dd', /says a part twice/],
    ['yyyy-MM-ddTHH:mm', /"T" in a time pattern/],
  ])('a pattern such as %s cannot be read', (pattern, why) => {
    expect(() => compileTime({ kind: 'pattern', pattern, offsetMs: 0 })).toThrow(why);
  });

  it('offsets are fixed', () => {
    expect(['UTC', 'Z', '+01:00', '-0530'].map(offsetToMs)).toEqual([0, 0, HOUR, -5.5 * HOUR]);
    expect(['Europe/Berlin', '+1', '+15:00', '+01:60'].map(offsetToMs)).toEqual([NaN, NaN, NaN, NaN]);
  });
});
