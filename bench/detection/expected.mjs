// Compares exported features with the values that they must have, row by row.
import { createReadStream, openSync, readFileSync, readSync, closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Column of the expected file → feature of the baseline catalogue; `scale` makes minor units what the file has. */
const COLUMNS = [
  ['TX_AMOUNT', 'amount', 0.01],
  ['TX_DURING_WEEKEND', 'weekend', 1],
  ['TX_DURING_NIGHT', 'night', 1],
  ...['1', '7', '30'].flatMap((n) => [
    [`CUSTOMER_ID_NB_TX_${n}DAY_WINDOW`, `user_count_${n}d`, 1],
    [`CUSTOMER_ID_AVG_AMOUNT_${n}DAY_WINDOW`, `user_mean_${n}d`, 0.01],
  ]),
  ...['1', '7', '30'].flatMap((n) => [
    [`TERMINAL_ID_NB_TX_${n}DAY_WINDOW`, `terminal_count_${n}d`, 1],
    [`TERMINAL_ID_RISK_${n}DAY_WINDOW`, `terminal_risk_${n}d`, 1],
  ]),
];

export const EXPECTED_ERROR_MAX = 1e-9;

/** @returns { rows, missing, values, worst: { error, row, column }, above }: how many values are off by more than allowed */
export async function compareWithExpected(expectedFile, folder) {
  const expected = readExpected(expectedFile);
  const { features } = JSON.parse(readFileSync(join(folder, 'columns.json'), 'utf8'));
  const places = COLUMNS.map(([, feature]) => {
    const place = features.indexOf(feature);
    if (place < 0) throw new Error(`the catalogue has no feature ${feature}`);
    return place;
  });
  const found = await positionsOf(join(folder, 'rows.csv'), new Set(expected.rows.keys()));
  const matrix = openSync(join(folder, 'features.f64'), 'r');
  const bytes = Buffer.alloc(features.length * 8);
  const result = { rows: 0, missing: 0, values: 0, above: 0, worst: { error: 0, row: null, column: null } };
  try {
    for (const [id, wanted] of expected.rows) {
      const position = found.get(id);
      if (position === undefined) {
        result.missing++;
        continue;
      }
      readSync(matrix, bytes, 0, bytes.length, position * bytes.length);
      result.rows++;
      for (const [k, [column, , scale]] of COLUMNS.entries()) {
        const got = bytes.readDoubleLE(places[k] * 8) * scale;
        const error = relativeError(got, wanted[expected.columns.indexOf(column)]);
        result.values++;
        if (!(error <= EXPECTED_ERROR_MAX)) result.above++;
        if (!(error <= result.worst.error)) result.worst = { error, row: id, column };
      }
    }
  } finally {
    closeSync(matrix);
  }
  return result;
}

/** NaN where there is no value */
function relativeError(got, wanted) {
  return got === wanted ? 0 : Math.abs(got - wanted) / Math.abs(wanted);
}

function readExpected(file) {
  const bytes = readFileSync(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  const [header, ...lines] = text.trim().split(/\r?\n/);
  const [, ...columns] = header.split(',');
  const rows = new Map();
  for (const line of lines) {
    const [id, ...values] = line.split(',');
    rows.set(String(Number(id)), values.map(Number));
  }
  return { columns, rows };
}

async function positionsOf(file, ids) {
  const found = new Map();
  let position = -1;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    if (position >= 0) {
      const id = line.split(',', 4)[3];
      if (ids.has(id)) found.set(id, position);
    }
    position++;
  }
  return found;
}
