import { describe, expect, it } from 'vitest';
import { looksLikeCardNumber } from '../../../src/codec/card-number.ts';
import { isCurrency, minorUnitDigits } from '../../../src/domain/currency.ts';
import { validateTransaction } from '../../../src/codec/validate-transaction.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { Transaction } from '../../../src/domain/transaction.ts';
import { failureOf, sampleTransaction } from './sample.ts';

const long = 'x'.repeat(LIMITS.idLengthMax + 1);
const pan = '4111 1111 1111 1111';

describe('validation', () => {
  it('accepts what is in bounds', () => {
    const good: Partial<Transaction>[] = [
      {},
      { lat: null, lon: null, terminal_id: null, ip: null },
      { lat: -90, lon: 180 },
      { amount_minor: 0, event_time: 0 },
      { amount_minor: Number.MAX_SAFE_INTEGER, event_time: LIMITS.eventTimeMsMax },
      { user_id: 'x'.repeat(LIMITS.idLengthMax), ip: '2001:db8::1' },
      { attributes: { ['k'.repeat(64)]: 'v'.repeat(512) } },
      { merchant_id: 'Café \u0007 bell' },
    ];
    for (const over of good) expect(() => validateTransaction(sampleTransaction(over), true)).not.toThrow();
  });

  it.each<[string, string, Partial<Transaction>]>([
    ['FS_FIELD_MISSING', 'transaction_id', { transaction_id: '' }],
    ['FS_FIELD_MISSING', 'user_id', { user_id: '' }],
    ['FS_FIELD_MISSING', 'card_id', { card_id: '' }],
    ['FS_FIELD_MISSING', 'merchant_id', { merchant_id: '' }],
    ['FS_FIELD_MISSING', 'currency', { currency: '' }],
    ['FS_FIELD_MISSING', 'mcc', { mcc: '' }],
    ['FS_FIELD_MISSING', 'country', { country: '' }],
    ['FS_FIELD_TOO_LONG', 'transaction_id', { transaction_id: long }],
    ['FS_FIELD_TOO_LONG', 'user_id', { user_id: long }],
    ['FS_FIELD_TOO_LONG', 'card_id', { card_id: long }],
    ['FS_FIELD_TOO_LONG', 'merchant_id', { merchant_id: long }],
    ['FS_FIELD_TOO_LONG', 'terminal_id', { terminal_id: long }],
    ['FS_FIELD_TOO_LONG', 'device_id', { device_id: long }],
    ['FS_FIELD_TOO_LONG', 'ip', { ip: '1'.repeat(65) }],
    ['FS_FIELD_TOO_LONG', 'attributes (a key)', { attributes: { ['k'.repeat(65)]: '' } }],
    ['FS_FIELD_TOO_LONG', 'attributes (a value)', { attributes: { k: 'v'.repeat(513) } }],
    [
      'FS_FIELD_TOO_LONG',
      'attributes',
      { attributes: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) },
    ],
    ['FS_AMOUNT_INVALID', 'amount_minor', { amount_minor: -1 }],
    ['FS_AMOUNT_INVALID', 'amount_minor', { amount_minor: 2 ** 53 }],
    ['FS_AMOUNT_INVALID', 'amount_minor', { amount_minor: 1.5 }],
    ['FS_AMOUNT_INVALID', 'amount_minor', { amount_minor: Number.NaN }],
    ['FS_CURRENCY_UNKNOWN', 'currency', { currency: 'EUX' }],
    ['FS_CURRENCY_UNKNOWN', 'currency', { currency: 'eur' }],
    ['FS_CURRENCY_UNKNOWN', 'currency', { currency: 'EURO' }],
    ['FS_CURRENCY_UNKNOWN', 'currency', { currency: 'XAU' }],
    ['FS_COORDINATES_INVALID', 'lat', { lat: Number.NaN }],
    ['FS_COORDINATES_INVALID', 'lon', { lon: Number.NaN }],
    ['FS_COORDINATES_INVALID', 'lat', { lat: 90.01 }],
    ['FS_COORDINATES_INVALID', 'lon', { lon: -180.01 }],
    ['FS_COORDINATES_INVALID', 'lon', { lon: Number.POSITIVE_INFINITY }],
    ['FS_COORDINATES_INVALID', 'lat', { lat: null }],
    ['FS_COORDINATES_INVALID', 'lon', { lon: null }],
    ['FS_EVENT_TIME_INVALID', 'event_time', { event_time: -1 }],
    ['FS_EVENT_TIME_INVALID', 'event_time', { event_time: LIMITS.eventTimeMsMax + 1 }],
    ['FS_FIELD_INVALID', 'country', { country: 'de' }],
    ['FS_FIELD_INVALID', 'country', { country: 'DEU' }],
    ['FS_FIELD_INVALID', 'mcc', { mcc: '541' }],
    ['FS_FIELD_INVALID', 'mcc', { mcc: '54a1' }],
    ['FS_CARD_NUMBER', 'transaction_id', { transaction_id: pan }],
    ['FS_CARD_NUMBER', 'user_id', { user_id: pan }],
    ['FS_CARD_NUMBER', 'card_id', { card_id: pan }],
    ['FS_CARD_NUMBER', 'merchant_id', { merchant_id: pan }],
    ['FS_CARD_NUMBER', 'terminal_id', { terminal_id: pan }],
    ['FS_CARD_NUMBER', 'device_id', { device_id: pan }],
    ['FS_CARD_NUMBER', 'ip', { ip: pan }],
    ['FS_CARD_NUMBER', 'mcc', { mcc: pan }],
    ['FS_CARD_NUMBER', 'currency', { currency: pan }],
    ['FS_CARD_NUMBER', 'country', { country: pan }],
    ['FS_CARD_NUMBER', 'attributes', { attributes: { a: 'b', c: pan } }],
    ['FS_CARD_NUMBER', 'attributes', { attributes: { [pan]: 'b' } }],
    // whatever else is wrong: the payload must not be kept
    ['FS_CARD_NUMBER', 'card_id', { card_id: pan, user_id: '', amount_minor: -1 }],
  ])('%s of %s', (code, field, over) => {
    const failure = failureOf(() => validateTransaction(sampleTransaction(over), true));
    expect([failure.code, failure.place.field]).toEqual([code, field]);
    expect(failure.retriable).toBe(false);
    for (const value of Object.values(over)) {
      if (String(value).length > 4) expect(failure.message).not.toContain(String(value));
    }
  });

  it('the guard can be switched off', () => {
    expect(() => validateTransaction(sampleTransaction({ card_id: pan, user_id: pan }), false)).not.toThrow();
  });
});

describe('card numbers', () => {
  it.each([
    '4111111111111111',
    '4111-1111-1111-1111',
    '4111 1111 1111 1111',
    ' 4111111111111111 ',
    '378282246310005',
    '4222222222222',
    '6011000990139424',
    '6304000000000000000',
  ])('%s is one', (id) => {
    expect(looksLikeCardNumber(id)).toBe(true);
  });

  it.each([
    '',
    '4111111111111112',
    '422222222222',
    '42222222222222222222',
    '4111  111111111111',
    'x4111111111111111',
    '4111111111111111x',
    '4111_1111_1111_1111',
    'card-0001',
    '-------------',
    '550e8400-e29b-41d4-a716-446655440000',
  ])('%s is none', (id) => {
    expect(looksLikeCardNumber(id)).toBe(false);
  });
});

describe('currencies', () => {
  it('knows the digits of the minor unit', () => {
    const digits = ['EUR', 'JPY', 'KWD', 'CLF', 'USD', 'HRK'].map(minorUnitDigits);
    expect(digits).toEqual([2, 0, 3, 4, 2, 2]);
  });

  it('accepts what is paid in, withdrawn codes of a replay included', () => {
    const codes =
      'AED ARS AUD BGN BHD BRL CAD CHF CLP CNY CZK DKK EUR GBP HRK HUF IDR ILS INR ISK JPY KRW MXN NOK NZD OMR PLN RON ' +
      'SEK SGD SLE THB TND TRY UAH USD VES VND XAF XCG XOF ZAR ZWG';
    expect(codes.split(' ').filter((code) => !isCurrency(code))).toEqual([]);
  });

  it.each(['', 'E', 'EU', 'EURO', 'eur', 'XXX', 'XTS', 'ÄÖÜ', '[[[', 'AAA'])('%s is none', (code) => {
    expect(minorUnitDigits(code)).toBeNull();
  });
});
