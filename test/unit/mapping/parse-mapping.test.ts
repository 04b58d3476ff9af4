import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { parseMapping } from '../../../src/mapping/parse-mapping.ts';

const FIELDS = `
  transaction_id: { column: id }
  user_id: { column: customer }
  event_time: { column: when, format: iso }
  amount: { column: amt, unit: major }
  currency: { value: EUR }
  card_id: { column: customer }
  merchant_id: { column: shop }
  mcc: { column: category, map: { gas_transport: 5541, vet: 0742 }, default: 5999 }
  country: { value: DE }`;
const GOOD = `version: 1\nfields:${FIELDS}\n`;

/** The problems of a mapping, without the name of the file. */
function problems(text: string): string[] {
  try {
    parseMapping(text, 'm.yaml');
    return [];
  } catch (error) {
    if (!(error instanceof FraudstreamError) || error.code !== 'FS_MAPPING_INVALID') throw error;
    const [, ...lines] = error.message.split('\n');
    for (const line of lines) expect(line).toMatch(/^m\.yaml:\d+: /);
    return lines.map((line) => line.slice('m.yaml:'.length));
  }
}

/** The good mapping with one field put otherwise. */
function withField(field: string, source: string): string {
  return GOOD.replace(new RegExp(`${field}: .*`), `${field}: ${source}`);
}

describe('a mapping', () => {
  it('is read with its columns and their lines; texts stay as written', () => {
    const mapping = parseMapping(GOOD, 'm.yaml');
    expect([...mapping.columns]).toEqual([
      ['id', 3],
      ['customer', 4],
      ['shop', 9],
      ['category', 10],
      ['when', 5],
      ['amt', 6],
    ]);
    expect(mapping.ids.mcc.map?.get('vet')).toBe('0742');
    expect(mapping.ids.mcc.fallback).toBe('5999');
    expect(mapping.layout).toEqual({
      format: null,
      encoding: 'utf-8',
      delimiter: ',',
      quote: '"',
      trim: false,
      columns: null,
      nulls: [''],
    });
    expect(mapping.label).toBeNull();
  });

  it('says how the file is written', () => {
    const file = 'file: { format: csv, delimiter: tab, quote: none, trim: true, nulls: [NA, ""], encoding: latin1 }';
    expect(parseMapping(`${file}\n${GOOD}`, 'm').layout).toMatchObject({
      format: 'csv',
      delimiter: '\t',
      quote: null,
      trim: true,
      nulls: ['NA', ''],
      encoding: 'latin1',
    });
    const columns = 'file: { header: false, columns: [id, customer, when, amt, shop, category] }';
    expect(parseMapping(`${columns}\n${GOOD}`, 'm').layout.columns).toHaveLength(6);
    expect(problems(`${columns.replace('amt', 'amnt')}\n${GOOD}`)).toEqual([
      '7: there is no column "amt" in file: columns; did you mean amnt?',
    ]);
  });

  it.each([
    ['', '1: a mapping must be a map with version, file, fields, attributes, label, skip_when'],
    ['version: 2\n' + GOOD.slice(11), '1: a mapping begins with "version: 1"'],
    [GOOD.replace('fields', 'feilds'), '2: unknown key "feilds" in a mapping; did you mean fields?'],
    [GOOD.replace('user_id', 'userid'), '4: unknown key "userid" in fields; did you mean user_id?'],
    [GOOD.replace('user_id', 'userid'), '2: user_id is missing; when the file has none, say what it is: { value: … }'],
    [
      withField('amount', '{ column: amt }'),
      '6: amount needs a unit: major (12.50 is twelve euros fifty) or minor (1250 is the same)',
    ],
    [
      withField('amount', '{ column: amt, unit: majr }'),
      '6: amount: unit: "majr" is none of major, minor; did you mean major?',
    ],
    [
      withField('amount', '{ column: amt, unit: major, round: up }'),
      '6: amount: round: "up" is none of refuse, half_even',
    ],
    [
      withField('amount', '{ column: amt, unit: major, exponent: -2 }'),
      '6: amount: exponent must be 0 to 9: the decimals of the minor unit',
    ],
    [
      withField('amount', '{ column: amt, unit: major, group_separator: "." }'),
      '6: amount: group_separator is the decimal separator, a digit or a sign',
    ],
    [
      withField('amount', '{ column: amt, unit: major, strip: "-" }'),
      '6: amount: strip must be a text without digits, signs and separators',
    ],
    [
      withField('event_time', '{ column: when }'),
      '5: event_time needs a format: iso, seconds, milliseconds, microseconds or a pattern such as "yyyy-MM-dd HH:mm:ss"',
    ],
    [
      withField('event_time', '{ column: when, format: yyyy-mm-dd }'),
      '5: event_time: format: a time pattern needs a month (MM)',
    ],
    [
      withField('event_time', '{ column: when, format: iso, timezone: Europe/Berlin }'),
      '5: event_time: timezone must be UTC or a fixed offset such as "+01:00"',
    ],
    [
      withField('event_time', '{ column: when, format: iso, since: 2018-04-01 }'),
      '5: event_time: since belongs to seconds, milliseconds, microseconds',
    ],
    [
      withField('event_time', '{ column: when, format: seconds, since: April }'),
      '5: event_time: since must be a date such as 2018-04-01 or 2018-04-01T00:00:00Z',
    ],
    [
      withField('event_time', '{ column: when, format: seconds, timezone: UTC }'),
      '5: event_time: seconds have no timezone',
    ],
    [withField('currency', '{ value: EURO }'), '7: currency: "EURO" is no ISO 4217 code such as EUR'],
    [withField('country', '{ value: de }'), '11: country: "de" is not two capitals'],
    [withField('mcc', '{ column: category, map: { gas: 541 } }'), '10: mcc: "541" is not four digits'],
    [withField('mcc', '{ column: category, default: none }'), '10: mcc: "none" is not four digits'],
    [
      withField('country', '{ value: DE, column: x }'),
      '11: country needs exactly one of column, value, template, row_number',
    ],
    [withField('country', '{ value: DE, default: DE }'), '11: country: map and default belong to a column or template'],
    [withField('country', 'DE'), '11: country must be a map with column, value, template, row_number, map, default'],
    [withField('country', '{ column: [a] }'), '11: country: column needs a plain value'],
    [
      withField('card_id', '{ template: "c{customer" }'),
      '8: card_id: "c{customer" has a brace too many: columns are {name}, a brace is {{ or }}',
    ],
    [withField('transaction_id', '{ row_number: yes }'), '3: transaction_id: row_number can only be true'],
    [
      GOOD.replace('fields:', 'fields:\n  channel: { column: c, map: { web: ECOMM } }'),
      '3: channel: "ECOMM" is none of POS, ECOM, ATM, MOTO, P2P, OTHER; did you mean ECOM?',
    ],
    [GOOD.replace('fields:', 'fields:\n  lat: { column: y }'), '2: lat and lon belong together: give both or neither'],
    [`${GOOD}attributes: { "a b": { column: x } }`, '12: attributes: "a b" must be 1–64 letters, digits, _ . -'],
    [
      `${GOOD}attributes: { __proto__: { column: x } }`,
      '12: attributes: "__proto__" must be 1–64 letters, digits, _ . -',
    ],
    [
      `${GOOD}label: { column: y, fraud: [1], genuine: [0] }`,
      '12: label needs either delay, such as 7d, or at: the column with the time of the verdict',
    ],
    [
      `${GOOD}label: { column: y, fraud: [1], delay: 7d }`,
      '12: label needs a column, and lists of the texts that mean fraud and genuine',
    ],
    [`${GOOD}label: { column: y, fraud: [1], genuine: [1], delay: 7d }`, '12: label: "1" means both fraud and genuine'],
    [
      `${GOOD}label: { column: y, fraud: [1], genuine: [0], delay: 7 }`,
      '12: label: delay: "7" is not a duration such as 7d or 0',
    ],
    [
      `${GOOD}label: { column: y, fraud: 1, genuine: [0], delay: 7d }`,
      '12: label: fraud must be a list of plain values, such as [A, B]',
    ],
    [
      `${GOOD}skip_when: [{ column: s, in: [A], not_in: [B] }]`,
      '12: a rule of skip_when has a column and either in or not_in, a list of texts',
    ],
    [`${GOOD}skip_when: { column: s }`, '12: skip_when must be a list'],
    [`file: { delimiter: ";;" }\n${GOOD}`, '1: file: delimiter must be one ASCII character or tab'],
    [`file: { delimiter: "'", quote: "'" }\n${GOOD}`, '1: file: delimiter and quote are the same'],
    [
      `file: { header: false }\n${GOOD}`,
      '1: file: columns names the columns of a file without a header, and only of it',
    ],
    [`file: { trim: maybe }\n${GOOD}`, '1: file: trim: "maybe" is none of true, false'],
    [`${GOOD}version: 1\n`, '12: not valid YAML (duplicate key)'],
    ['a: [', '1: not valid YAML (bad indent)'],
  ])('%#: a problem has its line and what to do', (text, problem) => {
    expect(problems(text)).toContain(problem);
  });

  it('reports all its problems at once', () => {
    const text = withField('country', '{ value: de }').replace('value: EUR', 'value: eur');
    expect(problems(text)).toHaveLength(2);
  });
});
