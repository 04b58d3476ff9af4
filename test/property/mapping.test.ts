import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { minorUnits } from '../../src/mapping/decimal.ts';
import { ByteStream } from '../../src/transport/file/byte-stream.ts';
import { CsvRows } from '../../src/transport/file/csv-rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'fraudstream-mapping-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Minor units as a text of major units. */
function majorText(minor: number, digits: number): string {
  const text = String(minor).padStart(digits + 1, '0');
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

describe('amounts', () => {
  it('text → minor → text, whatever the currency', () => {
    const round = 'refuse' as const;
    const format = { unit: 'major', exponent: null, round, negative: 'refuse', decimal: '.', group: null, strip: null };
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 0, max: 5 }),
        (minor, digits, zeros) => {
          const text = majorText(minor, digits);
          const padded = `${text}${digits === 0 && zeros > 0 ? '.' : ''}${'0'.repeat(zeros)}`;
          expect(majorText(Number(minorUnits(padded, format as never, digits)), digits)).toBe(text);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('half to even is what integers say', () => {
    const format = { unit: 'major', exponent: null, round: 'half_even', negative: 'refuse', decimal: '.', group: null };
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 17n }), fc.integer({ min: 1, max: 8 }), (unscaled, extra) => {
        const scale = 10n ** BigInt(extra);
        const [floor, rest] = [unscaled / scale, unscaled % scale];
        const up = rest * 2n > scale || (rest * 2n === scale && floor % 2n === 1n);
        const expected = Number(up ? floor + 1n : floor);
        const digits = String(unscaled).padStart(2 + extra + 1, '0');
        const text = `${digits.slice(0, -2 - extra)}.${digits.slice(-2 - extra)}`;
        fc.pre(expected <= Number.MAX_SAFE_INTEGER);
        expect(minorUnits(text, { ...format, strip: null } as never, 2)).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('delimited files', () => {
  const cell = fc.oneof(
    fc.stringMatching(/^[a-z0-9 .]{0,8}$/),
    fc.string({ unit: fc.constantFrom('a', '"', ',', ';', '\n', '\r', ' ', 'ü', '€', '�'), maxLength: 8 }),
  );
  const plain = (text: string): boolean => !/[",;\r\n]/.test(text);

  it('are read as they were written, with the line and the bytes of each row', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 20 }),
        fc.constantFrom(',', ';'),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        async (table, delimiter, end, last) => {
          const written = table.map((row) =>
            row.map((text) => (plain(text) ? text : `"${text.replaceAll('"', '""')}"`)).join(delimiter),
          );
          const path = join(folder, `${run++}.csv`);
          writeFileSync(path, written.join(end) + (last ? end : ''));
          const csv = new CsvRows(await ByteStream.open(path), {
            encoding: 'utf-8',
            delimiter,
            quote: '"',
            trim: false,
          });
          const cells: unknown[] = [];
          const lines: number[] = [];
          try {
            for (let row = csv.take() ?? (await csv.next()); row !== null; row = csv.take() ?? (await csv.next())) {
              expect(row.bytes.toString()).toBe(written[cells.length]);
              cells.push(row.cells);
              lines.push(row.line);
            }
          } finally {
            await csv.close();
          }
          expect(cells).toEqual(table);
          let line = 1;
          for (const [k, text] of written.entries()) {
            expect(lines[k]).toBe(line);
            line += text.split('\n').length;
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
