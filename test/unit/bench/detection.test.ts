import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

interface Comparison {
  readonly rows: number;
  readonly missing: number;
  readonly values: number;
  readonly above: number;
  readonly worst: { readonly error: number; readonly row: string | null; readonly column: string | null };
}

/** The benchmark is plain JavaScript over a build: it has no types of its own. */
const of = (name: string): Promise<unknown> =>
  import(pathToFileURL(join(import.meta.dirname, '../../../bench/detection', name)).href);
const { compareWithExpected } = (await of('expected.mjs')) as {
  compareWithExpected: (file: string, folder: string) => Promise<Comparison>;
};
const { markdown, overFolds } = (await of('table.mjs')) as {
  markdown: (rows: string[][]) => string;
  overFolds: (results: readonly { auc: number; ap: number; cp100: number }[]) => [number, number][];
};

const WINDOWS = ['1', '7', '30'];
const FEATURES = [
  'night',
  'weekend',
  'amount',
  ...WINDOWS.flatMap((n) => [`terminal_risk_${n}d`, `terminal_count_${n}d`, `user_mean_${n}d`, `user_count_${n}d`]),
];
const COLUMNS = [
  'TX_AMOUNT',
  'TX_DURING_WEEKEND',
  'TX_DURING_NIGHT',
  ...WINDOWS.flatMap((n) => [`CUSTOMER_ID_NB_TX_${n}DAY_WINDOW`, `CUSTOMER_ID_AVG_AMOUNT_${n}DAY_WINDOW`]),
  ...WINDOWS.flatMap((n) => [`TERMINAL_ID_NB_TX_${n}DAY_WINDOW`, `TERMINAL_ID_RISK_${n}DAY_WINDOW`]),
];

/** All values of a feature differ, so that a swapped column cannot pass. */
const valueOf = (row: number, feature: string): number => row * 100 + FEATURES.indexOf(feature) + 1;

function expectedOf(row: number): number[] {
  const user = WINDOWS.flatMap((n) => [valueOf(row, `user_count_${n}d`), valueOf(row, `user_mean_${n}d`) / 100]);
  const terminal = WINDOWS.flatMap((n) => [valueOf(row, `terminal_count_${n}d`), valueOf(row, `terminal_risk_${n}d`)]);
  return [valueOf(row, 'amount') / 100, valueOf(row, 'weekend'), valueOf(row, 'night'), ...user, ...terminal];
}

describe('values that the baseline features must have', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fraudstream-test-'));
    const rows = [0, 1, 2, 3];
    const matrix = new Float64Array(rows.flatMap((row) => FEATURES.map((feature) => valueOf(row, feature))));
    writeFileSync(join(folder, 'features.f64'), new Uint8Array(matrix.buffer));
    writeFileSync(join(folder, 'columns.json'), JSON.stringify({ features: FEATURES, rows: 4 }));
    const lines = rows.map((row) => `${row},1,u,${40 + row},5,0,`);
    writeFileSync(
      join(folder, 'rows.csv'),
      ['input_offset,event_time,user_id,transaction_id,amount_minor,label,label_time', ...lines, ''].join('\n'),
    );
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function compare(lines: readonly string[]): Promise<Comparison> {
    const file = join(folder, 'expected.csv.gz');
    writeFileSync(file, gzipSync([`TRANSACTION_ID,${COLUMNS.join(',')}`, ...lines, ''].join('\n')));
    return compareWithExpected(file, folder);
  }

  test('rows are found by id, amounts are compared in major units', async () => {
    const result = await compare([
      `43,${expectedOf(3).join(',')}`,
      `41,${expectedOf(1).join(',')}`,
      `9,${expectedOf(0).join(',')}`,
    ]);
    expect(result).toMatchObject({ rows: 2, missing: 1, values: 30, above: 0 });
    expect(result.worst.error).toBeLessThan(1e-15);
  });

  test('one value that is off is named', async () => {
    const off = expectedOf(2);
    off[8]! *= 1 + 1e-6;
    const result = await compare([`42,${off.join(',')}`]);
    expect(result).toMatchObject({ above: 1, worst: { row: '42', column: COLUMNS[8] } });
    expect(result.worst.error).toBeCloseTo(1e-6, 9);
  });

  test('a missing value is off, however large the others are', async () => {
    writeFileSync(join(folder, 'features.f64'), new Uint8Array(new Float64Array(4 * FEATURES.length).fill(NaN).buffer));
    expect(await compare([`42,${expectedOf(2).join(',')}`])).toMatchObject({ rows: 1, values: 15, above: 15 });
  });
});

test('mean and population standard deviation over folds', () => {
  const results = [
    { auc: 0.8, ap: 0.7, cp100: 0.3 },
    { auc: 0.9, ap: 0.7, cp100: 0.1 },
  ];
  const [auc, ap, cp100] = overFolds(results);
  expect(auc![0]).toBeCloseTo(0.85);
  expect(auc![1]).toBeCloseTo(0.05);
  expect(ap).toEqual([0.7, 0]);
  expect(cp100![1]).toBeCloseTo(0.1);
});

test('a table is as wide as its widest cells', () => {
  expect(
    markdown([
      ['a', 'b'],
      ['long', 'c'],
    ]),
  ).toBe('| a    | b   |\n| ---- | --- |\n| long | c   |');
});
