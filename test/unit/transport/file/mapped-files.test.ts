import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import avro from 'avsc';
import { afterAll, describe, expect, it } from 'vitest';
import { createLabelDecoder } from '../../../../src/codec/decision-decoder.ts';
import { createAvroTransactionDecoder } from '../../../../src/codec/transaction-decoder.ts';
import type { Label, Transaction } from '../../../../src/domain/transaction.ts';
import { parseMapping } from '../../../../src/mapping/parse-mapping.ts';
import { RowTally } from '../../../../src/mapping/row-tally.ts';
import type { InputRecord } from '../../../../src/transport/record.ts';
import type { Source } from '../../../../src/transport/source.ts';
import { openLabelFiles, openTransactionFiles } from '../../../../src/transport/file/file-source.ts';

const folder = mkdtempSync(join(tmpdir(), 'fraudstream-mapped-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MAPPING = `
version: 1
fields:
  transaction_id: { column: id }
  user_id: { template: "u-{customer}" }
  event_time: { column: when, format: "yyyy-MM-dd HH:mm:ss", timezone: "+02:00" }
  amount: { column: amt, unit: major }
  currency: { column: cur }
  card_id: { column: customer }
  merchant_id: { column: shop }
  mcc: { column: category, map: { gas: 5541, food: 5411 } }
  country: { value: DE }
  channel: { column: how, map: { web: ECOM }, default: POS }
  terminal_id: { column: till }
  lat: { column: y }
  lon: { column: x }
attributes:
  note: { column: note }
label:
  column: verdict
  fraud: [F]
  genuine: [G]
  delay: 7d
  source: ANALYST
skip_when:
  - { column: how, in: [declined] }
`;
const HEADER = 'id,customer,when,amt,cur,shop,category,how,till,y,x,note,verdict';
const ROW = ['t1', '7', '2018-04-01 14:00:00', '12.50', 'EUR', 'm1', 'gas', 'web', '', '52.5', '13.4', 'a "b", c', 'F'];
const EXPECTED: Transaction = {
  transaction_id: 't1',
  user_id: 'u-7',
  event_time: Date.UTC(2018, 3, 1, 12),
  amount_minor: 1_250,
  currency: 'EUR',
  card_id: '7',
  merchant_id: 'm1',
  mcc: '5541',
  terminal_id: null,
  device_id: null,
  ip: null,
  country: 'DE',
  channel: 'ECOM',
  lat: 52.5,
  lon: 13.4,
  attributes: { note: 'a "b", c' },
};

let files = 0;
function write(text: string | Buffer, extension = 'csv'): string {
  const path = join(folder, `f${files++}.${extension}`);
  writeFileSync(path, text);
  return path;
}

/** ROW with some cells put otherwise, by column. */
function row(change: Record<string, string> = {}): string {
  return HEADER.split(',')
    .map((name, k) => change[name] ?? ROW[k] ?? '')
    .map((cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(',');
}

function csv(...rows: string[]): string {
  return write([HEADER, ...rows, ''].join('\n'));
}

async function readAll(source: Source): Promise<InputRecord[]> {
  const records: InputRecord[] = [];
  for (let next = await source.read(); next !== null; next = await source.read()) records.push(...next.batch.records);
  await source.close();
  return records;
}

async function read(paths: string[], mapping = MAPPING, cardNumberGuard = true) {
  const tally = new RowTally();
  const mapped = { mapping: parseMapping(mapping, 'm.yaml'), tally, cardNumberGuard };
  const records = await readAll(await openTransactionFiles({ paths, mapped, batchSize: 3 }));
  const decoder = createAvroTransactionDecoder({ cardNumberGuard });
  const payments = records.filter((record) => !record.failure).map((record) => decoder.decode(record));
  return { records, payments, tally, lines: tally.lines('payments').map((line) => line.replaceAll(`${folder}/`, '')) };
}

async function readLabels(paths: string[], mapping = MAPPING): Promise<{ labels: Label[]; tally: RowTally }> {
  const tally = new RowTally();
  const records = await readAll(
    await openLabelFiles({ paths, mapped: { mapping: parseMapping(mapping, 'm.yaml'), tally } }),
  );
  const decoder = createLabelDecoder(null);
  return { labels: records.map((record) => decoder.decode(record.value!)), tally };
}

describe('a mapped CSV file', () => {
  it('gives payments in the bundled schema, as other files do', async () => {
    const { records, payments, lines } = await read([csv(row())]);
    expect(payments).toEqual([EXPECTED]);
    const { topic, partition, offset, timestampMs, key, headers } = records[0]!;
    expect({ topic, partition, offset, timestampMs, key, headers }).toEqual({
      topic: 'transactions',
      partition: 0,
      offset: 0,
      timestampMs: -1,
      key: null,
      headers: null,
    });
    expect(lines).toEqual([]);
  });

  it('may be compressed, have a byte order mark, other line ends and its columns in any order', async () => {
    const text = `\ufeff${[HEADER, row(), '', row({ id: 't2' })].join('\r\n')}`;
    const turned = [
      'verdict,note,x,y,till,how,category,shop,cur,amt,when,customer,id',
      'G,,1,2,k,web,food,m,JPY,5,2018-04-02 00:00:00,8,t3',
    ];
    const paths = [write(gzipSync(text), 'csv.gz'), write(turned.join('\n'), 'txt')];
    const { payments } = await read(paths);
    expect(payments.slice(0, 2)).toEqual([EXPECTED, { ...EXPECTED, transaction_id: 't2' }]);
    expect(payments[2]).toMatchObject({ transaction_id: 't3', amount_minor: 5, lat: 2, lon: 1, attributes: {} });
  });

  it('may have another delimiter, no header, other texts for no value, spaces around cells and another encoding', async () => {
    const layout = `
file: { delimiter: ";", quote: "'", header: false, columns: [${HEADER}], nulls: ["", "-"], trim: true, encoding: latin1 }`;
    const line = 't1; 7 ;2018-04-01 14:00:00;12.50;EUR;m1;gas;web;-; 52.5;13.4; \'a "b", c\' ;F';
    const { payments } = await read([write(Buffer.from(line, 'latin1'))], layout + MAPPING);
    expect(payments).toEqual([EXPECTED]);
    const umlaut = await read([write(Buffer.from(line.replace("'a", "'ä"), 'latin1'))], layout + MAPPING);
    expect(umlaut.payments[0]?.attributes['note']).toBe('ä "b", c');
  });

  it('counts rows over all files where that is the id', async () => {
    const mapping = MAPPING.replace('transaction_id: { column: id }', 'transaction_id: { row_number: true }');
    const paths = [csv(row(), row({ how: 'declined' }), row({ amt: 'x' })), csv(row())];
    const { payments, tally } = await read(paths, mapping);
    expect(payments.map((payment) => payment.transaction_id)).toEqual(['1', '4']);
    expect({ rows: tally.rows, skipped: tally.skipped, refused: tally.refused }).toEqual({
      rows: 4,
      skipped: 1,
      refused: 1,
    });
  });

  it.each([
    [{ id: '' }, 'transaction_id, column "id": no value'],
    [{ customer: '' }, 'user_id, column "u-{customer}": no value'],
    [
      { id: 'x'.repeat(200) },
      'transaction_id, column "id": a field is longer than its limit: more than 128 characters',
    ],
    [{ when: '2018-04-31 14:00:00' }, 'event_time, column "when": not a time of its format'],
    [
      { when: '1960-04-01 14:00:00' },
      'event_time, column "when": the event time is before 1970 or after year 9999: send milliseconds since 1970',
    ],
    [{ amt: '' }, 'amount, column "amt": no value'],
    [{ amt: '12,50' }, 'amount, column "amt": not a decimal number'],
    [{ amt: '-1' }, 'amount, column "amt": below zero; skip such rows, or say `negative: absolute`'],
    [
      { amt: '1.005' },
      'amount, column "amt": more decimals than the currency has; say `round: half_even`, or correct unit or exponent',
    ],
    [
      { amt: '1.5', cur: 'JPY' },
      'amount, column "amt": more decimals than the currency has; say `round: half_even`, or correct unit or exponent',
    ],
    [{ cur: 'EURO' }, 'currency, column "cur": no ISO 4217 code such as EUR'],
    [{ cur: '' }, 'currency, column "cur": no value'],
    [{ category: 'sports' }, 'mcc, column "category": no entry in the map, and no default'],
    [{ category: '' }, 'mcc, column "category": no value'],
    [{ y: 'north' }, 'lat, column "y": not a number of degrees'],
    [{ y: '95' }, 'lat, column "y": lat/lon are not both present and on Earth: not within -90 to 90 degrees'],
    [{ x: '' }, 'lon, column "x": lat/lon are not both present and on Earth: only lat is there'],
    [{ note: 'x'.repeat(600) }, 'attributes (a value): a field is longer than its limit: more than 512 characters'],
  ])('refuses a row: %#', async (change, reason) => {
    const bad = row(change);
    const path = csv(row(), bad, row({ id: 't3' }));
    const { records, lines } = await read([path]);
    expect(records.map((record) => record.offset)).toEqual([0, 1, 2]);
    const { failure, value } = records[1]!;
    expect(failure?.code).toBe('FS_ROW_UNMAPPED');
    expect(failure?.message).toBe(`a row of a file cannot be made a payment: ${path}:3: ${reason}`);
    expect(failure?.place).toMatchObject({ topic: 'transactions', partition: 0, offset: 1 });
    expect(value?.toString()).toBe(bad);
    expect(lines[0]).toBe('1 of 3 rows are no payments:');
    expect(lines[1]).toBe(`  1: ${reason} (${path.slice(folder.length + 1)}:3)`);
  });

  it('refuses what is no row, and goes on behind it', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`${HEADER}\n${row()}\n1,2,3\n${row()},4\n`),
      Buffer.from(`${row({ note: 'one "quote" too few' }).replace('few"', 'few')}\n${row({ id: 't2' })}\n`),
      Buffer.from(row({ note: 'ä' }), 'latin1'),
      Buffer.from(`\n${row({ id: 't3', note: 'two\nlines' })}\nt4,"never closed\n${row({ id: 't5', note: '' })}\n`),
    ]);
    const { payments, records, lines } = await read([write(bytes)]);
    expect(payments.map((payment) => payment.transaction_id)).toEqual(['t1', 't2', 't3', 't5']);
    expect(records).toHaveLength(9);
    const name = lines[1]?.match(/f\d+\.csv/)?.[0] ?? '';
    expect(lines).toEqual([
      '5 of 9 rows are no payments:',
      `  2: its quotes do not work out (${name}:5, ${name}:10)`,
      `  1: the row has fewer cells than there are columns (${name}:3)`,
      `  1: the row has more cells than there are columns (${name}:4)`,
      `  1: not valid UTF-8; say \`file: { encoding: latin1 }\` when it is that (${name}:7)`,
    ]);
  });

  it('takes a line of any length in constant memory', async () => {
    const long = row({ note: 'x'.repeat(3_000_000) });
    const { payments, records } = await read([csv(row(), long, row({ id: 't2' }))]);
    expect(payments.map((payment) => payment.transaction_id)).toEqual(['t1', 't2']);
    const bad = records.filter((record) => record.failure);
    expect(bad.map((record) => record.value?.toString()).join('')).toBe(long);
    expect(bad.every((record) => /:3: longer than a record may be$/.test(record.failure?.message ?? ''))).toBe(true);
    expect(Math.max(...bad.map((record) => record.value?.length ?? 0))).toBeLessThan(1_100_000);
  });

  it('keeps no bytes of a refused row with a card number in any column', async () => {
    const path = csv(row({ customer: '4111111111111111' }), row({ note: '4111 1111 1111 1111', amt: 'x' }));
    const { records, lines } = await read([path]);
    expect(records.map((record) => record.failure?.code)).toEqual(['FS_CARD_NUMBER', 'FS_CARD_NUMBER']);
    expect(lines.join('\n')).toContain('card_id, column "customer": an id looks like a card number');
    expect(lines.join('\n')).toContain('amount, column "amt": not a decimal number');
    expect(lines.join('\n')).not.toContain('1111');
    const off = await read([path], MAPPING, false);
    expect(off.records.map((record) => record.failure?.code)).toEqual([undefined, 'FS_ROW_UNMAPPED']);
  });

  it('says which rows are out of order', async () => {
    const path = csv(row(), row({ when: '2018-04-01 12:30:00' }), row({ when: '2018-04-01 15:00:00' }), row());
    const { payments, lines } = await read([path]);
    expect(payments).toHaveLength(4);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^2 rows are earlier than a row before them, by up to 1\.5 h \(first f\d+\.csv:3, f\d+\.csv:5\)/,
    );
  });

  it('without a column of the mapping is refused before the first file is read', async () => {
    const good = csv(row());
    const bad = write('id,customers,when\n');
    await expect(read([good, bad])).rejects.toThrow(
      /there is no column "customer" \(m\.yaml:5\); did you mean customers\?/,
    );
    await expect(read([write(`${HEADER},id\n`)])).rejects.toThrow(/there is more than one column "id"/);
    await expect(openTransactionFiles({ paths: [good] })).rejects.toThrow(/--mapping FILE/);
    const empty = await read([write('')]);
    expect(empty.records).toEqual([]);
  });

  it('that is damaged as gzip is said to be so', async () => {
    const whole = gzipSync([HEADER, row(), row()].join('\n'));
    await expect(read([write(whole.subarray(0, -10), 'csv.gz')])).rejects.toThrow(/has lost its end/);
    await expect(read([write('id,customer\n', 'csv.gz')])).rejects.toThrow(/no gzip file/);
  });
});

describe('labels in the rows of payments', () => {
  it('come with the delay of the mapping; rows without one have none', async () => {
    const path = csv(row(), row({ id: 't2', verdict: 'G' }), row({ id: 't3', verdict: '' }), row({ how: 'declined' }));
    const { labels, tally } = await readLabels([path]);
    expect(labels).toEqual([
      {
        transaction_id: 't1',
        user_id: 'u-7',
        event_time: EXPECTED.event_time,
        card_id: '7',
        merchant_id: 'm1',
        terminal_id: null,
        device_id: null,
        ip: null,
        is_fraud: true,
        source: 'ANALYST',
        labelled_at: EXPECTED.event_time + 7 * 86_400_000,
      },
      expect.objectContaining({ transaction_id: 't2', is_fraud: false }),
    ]);
    expect(tally.lines('labels')).toEqual([]);
  });

  it('or with the time in a column; what is no verdict is reported', async () => {
    const mapping = MAPPING.replace('delay: 7d', 'at: { column: note, format: iso }');
    const path = csv(
      row({ note: '2018-04-03T00:00:00Z' }),
      row({ id: 't2', note: '2018-04-01T11:00:00Z' }),
      row({ id: 't3', note: 'soon' }),
      row({ id: 't4', note: '' }),
      row({ id: 't5', verdict: '?' }),
      row({ id: 't6', when: 'x' }),
    );
    const { labels, tally } = await readLabels([path], mapping);
    expect(labels.map((label) => [label.transaction_id, label.labelled_at])).toEqual([['t1', Date.UTC(2018, 3, 3)]]);
    const lines = tally.lines('labels').join('\n');
    expect(lines).toContain('4 of 6 rows are no labels');
    expect(lines).toContain('label.at, column "note": before the payment');
    expect(lines).toContain('label.at, column "note": not a time of its format');
    expect(lines).toContain('label.at, column "note": no value');
    expect(lines).toContain('label, column "verdict": neither among the texts for fraud nor for genuine');
  });
});

const OBJECT_MAPPING = `
version: 1
fields:
  transaction_id: { column: id }
  user_id: { column: customer.id }
  event_time: { column: when, format: milliseconds }
  amount: { column: amt, unit: major }
  currency: { value: EUR }
  card_id: { column: customer.card }
  merchant_id: { column: shop }
  mcc: { value: 5411 }
  country: { value: DE }
label: { column: fraud, fraud: ["true"], genuine: ["false"], delay: 1d }
`;
const OBJECT = { id: 17, customer: { id: 'c', card: 'k' }, when: 1_530_000_000_123, amt: 12.5, shop: 'm', fraud: true };

describe('a mapped JSONL file', () => {
  it('has fields, and fields of fields, as columns', async () => {
    const path = write(
      `${JSON.stringify(OBJECT)}\n\n${JSON.stringify({ ...OBJECT, amt: '8.20', fraud: null })}`,
      'jsonl',
    );
    const { payments } = await read([path], OBJECT_MAPPING);
    expect(payments.map((payment) => payment.amount_minor)).toEqual([1_250, 820]);
    expect(payments[0]).toMatchObject({
      transaction_id: '17',
      user_id: 'c',
      card_id: 'k',
      event_time: 1_530_000_000_123,
    });
    const { labels } = await readLabels([path], OBJECT_MAPPING);
    expect(labels.map((label) => label.is_fraud)).toEqual([true]);
  });

  it.each([
    ['{', 'not JSON'],
    ['[1]', 'not an object'],
    [JSON.stringify({ ...OBJECT, id: [1] }), 'column "id": neither a text, a number nor a truth value'],
    [
      JSON.stringify(OBJECT).replace('17', '12345678901234567890'),
      'column "id": an integer beyond 2^53; write it as a text',
    ],
    [JSON.stringify({ ...OBJECT, id: '\ud800' }), 'column "id": holds half a character'],
    [
      JSON.stringify(OBJECT).replace('12.5', '9007199254740.993'),
      'amount, column "amt": a floating-point number of more digits than it can carry exactly; write amounts as texts or integers',
    ],
    [JSON.stringify({ ...OBJECT, customer: 3 }), 'user_id, column "customer.id": no value'],
    [`{"id":"${'x'.repeat(2_000_000)}"}`, 'longer than a record may be'],
  ])('refuses a line: %#', async (line, reason) => {
    const path = write(`\n${line}\n${JSON.stringify(OBJECT)}\n`, 'jsonl');
    const { records, payments, lines } = await read([path], OBJECT_MAPPING);
    expect(records[0]?.failure?.message).toBe(`a row of a file cannot be made a payment: ${path}:2: ${reason}`);
    expect(payments).toHaveLength(1);
    expect(lines[1]).toContain(`${reason} (`);
  });
});

describe('a mapped Avro file', () => {
  const schema = {
    type: 'record',
    name: 'Foreign',
    fields: [
      { name: 'id', type: 'long' },
      {
        name: 'customer',
        type: { type: 'record', name: 'C', fields: ['id', 'card'].map((name) => ({ name, type: 'string' })) },
      },
      { name: 'when', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'amt', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
      { name: 'shop', type: { type: 'enum', name: 'Shop', symbols: ['m', 'n'] } },
      { name: 'weight', type: 'float' },
      { name: 'fraud', type: ['null', 'boolean'] },
    ],
  };
  const type = avro.Type.forSchema(schema as avro.Schema);

  function container(records: unknown[], codec: 'null' | 'deflate'): Buffer {
    const long = (n: number): Buffer => avro.Type.forSchema('long').toBuffer(n);
    const text = (part: string): Buffer => Buffer.concat([long(Buffer.byteLength(part)), Buffer.from(part)]);
    const plain = Buffer.concat(records.map((one) => type.toBuffer(one)));
    const data = codec === 'deflate' ? deflateRawSync(plain) : plain;
    const sync = Buffer.from('0123456789abcdef');
    const meta = ['avro.schema', JSON.stringify(schema), 'avro.codec', codec].map(text);
    const head = [Buffer.from('Obj\u0001', 'latin1'), long(2), ...meta, long(0), sync];
    return Buffer.concat([...head, long(records.length), long(data.length), data, sync]);
  }
  const record = (change: object = {}): object => ({
    ...OBJECT,
    amt: Buffer.from([0x04, 0xe2]),
    weight: Math.fround(5.1),
    fraud: true,
    ...change,
  });

  it('of any schema: decimals, enums, unions, records in records', async () => {
    const bytes = container([record(), record({ shop: 'n', amt: Buffer.from([0xff]), fraud: null })], 'deflate');
    const path = write(bytes, 'avro');
    const { payments, lines } = await read([path], OBJECT_MAPPING);
    expect(payments).toHaveLength(1);
    expect(payments[0]).toMatchObject({ transaction_id: '17', amount_minor: 1_250, merchant_id: 'm', user_id: 'c' });
    expect(lines[1]).toMatch(/below zero.*\.avro:2\)$/);
    const float = OBJECT_MAPPING.replace('column: amt', 'column: weight');
    expect((await read([path], float)).payments.map((payment) => payment.amount_minor)).toEqual([510, 510]);
    const gz = write(gzipSync(bytes), 'avro.gz');
    expect((await readLabels([gz], OBJECT_MAPPING)).labels.map((label) => label.is_fraud)).toEqual([true]);
  });

  it('whose schema has not the columns is refused, and a damaged block is', async () => {
    const bytes = container([record()], 'null');
    const path = write(bytes, 'avro');
    await expect(read([path], OBJECT_MAPPING.replace('column: shop', 'column: shops'))).rejects.toThrow(
      /there is no column "shops" \(m\.yaml:10\); did you mean shop\?/,
    );
    const damaged = Buffer.from(bytes);
    damaged[damaged.length - 1]! ^= 1;
    const { records } = await read([write(damaged, 'avro')], OBJECT_MAPPING);
    expect(records.map((one) => one.failure?.code)).toEqual(['FS_ROW_UNMAPPED']);
  });
});
