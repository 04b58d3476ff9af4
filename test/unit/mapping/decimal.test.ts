import { describe, expect, it } from 'vitest';
import { AMOUNT_REASONS, minorUnits } from '../../../src/mapping/decimal.ts';
import type { AmountFormat } from '../../../src/mapping/mapping.ts';

const MAJOR: AmountFormat = {
  unit: 'major',
  exponent: null,
  round: 'refuse',
  negative: 'refuse',
  decimal: '.',
  group: null,
  strip: null,
};

function read(text: string, change: Partial<AmountFormat> = {}, digits = 2): number | string {
  return minorUnits(text, { ...MAJOR, ...change }, digits);
}

describe('amounts', () => {
  it.each([
    ['12.50', 2, 1_250],
    ['12.5', 2, 1_250],
    ['12', 2, 1_200],
    ['+12.', 2, 1_200],
    ['.5', 2, 50],
    ['0.07', 2, 7],
    ['12.5000', 2, 1_250],
    ['0000012.50', 2, 1_250],
    ['-0.00', 2, 0],
    ['1.005', 3, 1_005],
    ['500', 0, 500],
    ['500.00', 0, 500],
    ['90071992547409.91', 2, Number.MAX_SAFE_INTEGER],
    ['1.15', 2, 115],
    ['4.35', 2, 435],
    ['8.2', 3, 8_200],
  ])('%s with %i decimals is %i minor units', (text, digits, minor) => {
    expect(read(text, {}, digits)).toBe(minor);
  });

  it('in minor units are taken as they are', () => {
    expect(read('1250', { unit: 'minor' })).toBe(1_250);
    expect(read('1250.0', { unit: 'minor' })).toBe(1_250);
    expect(read('1250.5', { unit: 'minor' })).toBe(AMOUNT_REASONS.decimals);
  });

  it.each(['', '.', '-', 'abc', '12,50', '1 250', '0x10', '12.5.0', '12.50 EUR', '$12', '--1', '1_000', '١٢', 'NaN'])(
    '%j is no decimal number',
    (text) => {
      expect(read(text)).toBe(AMOUNT_REASONS.notDecimal);
    },
  );

  it('are never rounded unasked, then half to even', () => {
    expect(read('12.505')).toBe(AMOUNT_REASONS.decimals);
    const round = 'half_even';
    const rounded = ['12.505', '12.515', '12.5050001', '12.504999', '12.506', '0.005', '0.015', '12.50000'];
    expect(rounded.map((text) => read(text, { round }))).toEqual([1_250, 1_252, 1_251, 1_250, 1_251, 0, 2, 1_250]);
    expect(read('0.5', { round }, 0)).toBe(0);
    expect(read('1.5', { round }, 0)).toBe(2);
    expect(read('90071992547409.915', { round })).toBe(AMOUNT_REASONS.tooLarge);
  });

  it('below zero are refused unless the sign means nothing', () => {
    expect(read('-12.50')).toBe(AMOUNT_REASONS.negative);
    expect(read('-12.50', { negative: 'absolute' })).toBe(1_250);
  });

  it('beyond what is exact are refused', () => {
    for (const text of ['90071992547409.92', '90071992547410', '9'.repeat(40), '9007199254740993']) {
      expect(read(text)).toBe(AMOUNT_REASONS.tooLarge);
    }
    expect(read('9007199254740991', { unit: 'minor' })).toBe(Number.MAX_SAFE_INTEGER);
    expect(read('9007199254740992', { unit: 'minor' })).toBe(AMOUNT_REASONS.tooLarge);
    expect(read('1.25e3')).toBe(AMOUNT_REASONS.floating);
  });

  it('have the separators of their country', () => {
    const german: Partial<AmountFormat> = { decimal: ',', group: '.' };
    expect(read('1.234.567,89', german)).toBe(123_456_789);
    expect(read('12,5', german)).toBe(1_250);
    expect(read("1'234.50", { group: "'" })).toBe(123_450);
    expect(read('12,34,567.00', { group: ',' })).toBe(123_456_700);
    // a decimal of another country must not become a hundred times as much
    for (const text of ['12,50', '1,2,3', ',123', '1234,567', '1,23', '1,,234', '1,1234']) {
      expect(read(text, { group: ',' })).toBe(AMOUNT_REASONS.grouping);
    }
    expect(read('1,234.5,6', { group: ',' })).toBe(AMOUNT_REASONS.notDecimal);
  });

  it('may have a sign of their currency before or behind', () => {
    for (const text of ['$12.50', '12.50 $', '$ 12.50', '12.50', '+$12.50']) {
      expect(read(text, { strip: '$' })).toBe(1_250);
    }
    expect(read('-$99.00', { strip: '$', negative: 'absolute' })).toBe(9_900);
    expect(read('$$5', { strip: '$' })).toBe(AMOUNT_REASONS.notDecimal);
  });
});
