import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run as exportFeatures } from '../../../src/commands/export-features.ts';
import { run as replay } from '../../../src/commands/replay.ts';
import { runSimulate } from '../../../src/commands/simulate.ts';
import { run as validate } from '../../../src/commands/validate.ts';
import { loadSettings } from '../../../src/config/load.ts';
import type { CommandName } from '../../../src/config/command-table.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import type { Transaction } from '../../../src/domain/transaction.ts';
import { simulate } from '../../../src/simulate/simulate.ts';
import { createTransactionFile } from '../../../src/transport/file/payment-files.ts';

const packageRoot = resolve(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'fraudstream-your-data-'));
afterAll(() => rmSync(folder, { recursive: true }));

const COMMANDS = { replay, 'export-features': exportFeatures, validate };

async function command(name: CommandName & keyof typeof COMMANDS, ...argv: string[]) {
  const loaded = loadSettings({
    command: name,
    argv,
    env: {},
    cwd: folder,
    packageRoot,
    nowMs: 0,
    readFile: (path) => readFileSync(path, 'utf8'),
  });
  if (loaded.kind !== 'settings') throw new Error(JSON.stringify(loaded));
  const written = { stdout: '', stderr: '' };
  const code = await COMMANDS[name]({
    ...loaded,
    args: [],
    stdout: { write: (text: string) => (written.stdout += text) },
    stderr: { write: (text: string) => (written.stderr += text) },
    log: SILENT_LOGGER,
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    signal: new AbortController().signal,
    version: '1',
    packageRoot,
  });
  return { code, ...written };
}

const FIELDS = [
  'transaction_id',
  'user_id',
  'card_id',
  'merchant_id',
  'mcc',
  'terminal_id',
  'device_id',
  'ip',
] as const;

function quoted(text: string | number | null): string {
  return text === null ? '' : `"${String(text).replaceAll('"', '""')}"`;
}

describe('a mapped file', () => {
  it('is replayed as the same payments in Avro are, byte for byte', async () => {
    const payments: Transaction[] = [...simulate({ users: 60, days: 3, seed: 5 })].map(
      ({ transaction }) => transaction,
    );
    const avro = await createTransactionFile(join(folder, 'same.avro'), 'avro');
    for (const payment of payments) await avro.append(payment);
    await avro.close();
    const keys = [...new Set(payments.flatMap((payment) => Object.keys(payment.attributes)))];
    const rows = payments.map((payment) => {
      const texts = [...FIELDS, 'country', 'channel', 'currency'] as const;
      const cells: (string | number | null)[] = texts.map((name) => payment[name]);
      cells.push(payment.event_time / 1_000, payment.amount_minor, payment.lat, payment.lon);
      return [...cells, ...keys.map((key) => payment.attributes[key] ?? null)].map(quoted).join(',');
    });
    const columns = [...FIELDS, 'country', 'channel', 'currency', 'time', 'amount', 'lat', 'lon', ...keys];
    writeFileSync(join(folder, 'same.csv'), [columns.join(','), ...rows].join('\n'));
    const same = [...FIELDS, 'country', 'channel', 'currency', 'lat', 'lon'].map(
      (name) => `  ${name}: { column: ${name} }`,
    );
    const mapping = [
      'version: 1\nfields:',
      '  event_time: { column: time, format: seconds }',
      '  amount: { column: amount, unit: minor }',
      ...same,
      ...(keys.length === 0 ? [] : ['attributes:', ...keys.map((key) => `  ${key}: { column: ${key} }`)]),
    ];
    writeFileSync(join(folder, 'same.yaml'), mapping.join('\n'));

    const first = await command('replay', '--in', join(folder, 'same.avro'), '--out', join(folder, 'a'));
    const arguments_ = ['--in', join(folder, 'same.csv'), '--mapping', 'same.yaml', '--out', join(folder, 'b')];
    const second = await command('replay', ...arguments_);
    expect([first.code, second.code]).toEqual([0, 0]);
    for (const name of ['decisions.avro', 'flagged.avro', 'dead-letter.jsonl']) {
      expect(readFileSync(join(folder, 'b', name)).equals(readFileSync(join(folder, 'a', name))), name).toBe(true);
    }
    expect(readFileSync(join(folder, 'a', 'dead-letter.jsonl'), 'utf8')).toBe('');
    expect(readFileSync(join(folder, 'a', 'decisions.avro')).length).toBeGreaterThan(10_000);
  });

  it('goes from the example of docs/your-data.md to features with labels and a backtest', async () => {
    const out = join(folder, 'example');
    await runSimulate(
      {
        seed: 3,
        users: 150,
        days: 12,
        startMs: Date.UTC(2026, 2, 2),
        payments: null,
        fraudShare: 0.02,
        sink: 'file',
        out,
        format: 'jsonl',
        ratePerSecond: 1,
        labels: 'all',
      },
      { clock: { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() } },
    );
    const script = join(packageRoot, 'scripts/example-payments.mjs');
    const made = spawnSync(process.execPath, [script, out], { encoding: 'utf8', timeout: 60_000 });
    expect(made.stderr).toBe('');
    const csv = readFileSync(join(out, 'payments.csv'), 'utf8').trimEnd().split('\n');
    const frauds = csv.filter((line) => line.endsWith(',1')).length;
    expect(frauds).toBeGreaterThan(5);

    const mapping = ['--mapping', join(packageRoot, 'config/example-mapping.yaml'), '--in', join(out, 'payments.csv')];
    const exported = await command('export-features', ...mapping, '--out', join(out, 'features'));
    // No row is refused, and none is out of order.
    expect(exported.stderr).not.toMatch(/rows/);
    const rows = readFileSync(join(out, 'features/rows.csv'), 'utf8').trimEnd().split('\n').slice(1);
    expect(rows).toHaveLength(csv.length - 1);
    expect(rows.filter((row) => /,1,\d+$/.test(row))).toHaveLength(frauds);
    expect(rows.filter((row) => /,0,\d+$/.test(row))).toHaveLength(rows.length - frauds);
    const [, time, , , , , labelledAt] = (rows[0] ?? '').split(',');
    expect(Number(labelledAt) - Number(time)).toBe(7 * 86_400_000);

    const backtest = await command('replay', ...mapping, '--out', join(out, 'backtest'));
    expect(backtest.code).toBe(0);
    expect(backtest.stdout).toContain(`against ground truth (${frauds} frauds)`);
    expect(backtest.stdout).toContain('dead letters 0');
  });

  it('with rows that do not map has dead letters, and says why at the end', async () => {
    const path = join(folder, 'bad.csv');
    const lines = readFileSync(join(folder, 'example/payments.csv'), 'utf8').split('\n').slice(0, 20);
    lines.splice(3, 0, `x,2026-03-02 00:00:00,${'a,'.repeat(11)}1`, 'x,y');
    writeFileSync(path, lines.join('\n'));
    const input = ['--mapping', join(packageRoot, 'config/example-mapping.yaml'), '--in', path];
    const replayed = await command('replay', ...input, '--out', join(folder, 'bad'));
    expect(replayed.stdout).toContain('FS_ROW_UNMAPPED: 2');
    expect(replayed.stdout).toContain('2 of 21 rows are no payments:');
    expect(replayed.stdout).toContain(`the row has fewer cells than there are columns (${path}:5)`);
    const letters = readFileSync(join(folder, 'bad/dead-letter.jsonl'), 'utf8').trimEnd().split('\n');
    const last = JSON.parse(letters[1] ?? '') as { code: string; value: string };
    expect(last.code).toBe('FS_ROW_UNMAPPED');
    expect(Buffer.from(last.value, 'base64').toString()).toBe('x,y');
    const exported = await command('export-features', ...input, '--out', join(folder, 'bad-features'));
    expect(exported.stderr).toContain('2 of 21 rows are no payments:');
  });

  it('is checked by validate', async () => {
    const good = await command('validate', '--mapping', join(packageRoot, 'config/example-mapping.yaml'));
    expect(good.stdout).toContain('✓ mapping: 14 columns, with a label');
    writeFileSync(join(folder, 'wrong.yaml'), 'version: 1\nfields:\n  userid: { column: a }\n');
    const wrong = await command('validate', '--mapping', 'wrong.yaml');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(
      /mapping\.file: .*wrong\.yaml:3: unknown key "userid" in fields; did you mean user_id\?/,
    );
    const gone = await command('validate', '--mapping', 'gone.yaml');
    expect(gone.stderr).toMatch(/gone\.yaml cannot be read \(ENOENT\) \[FS_MAPPING_INVALID\]/);
  });
});
