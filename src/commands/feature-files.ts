import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { join } from 'node:path';
import { FraudstreamError } from '../domain/errors.ts';
import type { Transaction } from '../domain/transaction.ts';
import { csvCell } from '../observability/terminal.ts';
import type { KnownLabel } from './labels.ts';

/**
 * Feature rows on disk. `binary`: `features.f64` (row-major, little-endian float64, NaN = no value) and `rows.csv`
 * (`input_offset,event_time,user_id,transaction_id,amount_minor,label,label_time`; label 1, 0 or empty = unknown).
 * `csv`: `features.csv` with the same columns and then the features.
 */
export class FeatureFiles {
  rows = 0;
  private readonly table: WriteStream;
  private readonly matrix: WriteStream | null;
  private lines: string[] = [];
  private chunk = new Float64Array(64 * 1024);
  private used = 0;

  private constructor(table: WriteStream, matrix: WriteStream | null) {
    this.table = table;
    this.matrix = matrix;
  }

  static async open(folder: string, names: readonly string[], format: 'binary' | 'csv'): Promise<FeatureFiles> {
    const binary = format === 'binary';
    const table = await openFile(join(folder, binary ? 'rows.csv' : 'features.csv'));
    const matrix = binary ? await openFile(join(folder, 'features.f64')) : null;
    const files = new FeatureFiles(table, matrix);
    const columns = 'input_offset,event_time,user_id,transaction_id,amount_minor,label,label_time';
    files.lines.push(binary ? columns : `${columns},${names.join(',')}`);
    return files;
  }

  add(offset: number, transaction: Transaction, values: Float64Array, label: KnownLabel | null): void {
    this.rows++;
    const verdict = label === null ? ',' : `${label.fraud ? 1 : 0},${label.labelledMs}`;
    const { event_time, user_id, transaction_id, amount_minor } = transaction;
    let line = `${offset},${event_time},${csvCell(user_id)},${csvCell(transaction_id)},${amount_minor},${verdict}`;
    if (this.matrix) {
      if (this.used + values.length > this.chunk.length) {
        const bigger = new Float64Array(Math.max(this.chunk.length * 2, values.length));
        bigger.set(this.chunk.subarray(0, this.used));
        this.chunk = bigger;
      }
      this.chunk.set(values, this.used);
      this.used += values.length;
    } else for (const value of values) line += Number.isNaN(value) ? ',' : `,${value}`;
    this.lines.push(line);
  }

  /** Between batches: what was added goes to the files; waits when the disk is slower. */
  async write(): Promise<void> {
    if (this.lines.length > 0) {
      const text = `${this.lines.join('\n')}\n`;
      this.lines = [];
      await put(this.table, text);
    }
    if (this.matrix && this.used > 0) {
      const bytes = Buffer.from(this.chunk.buffer, 0, this.used * 8);
      await put(this.matrix, Buffer.from(bytes));
      this.used = 0;
    }
  }

  async close(): Promise<void> {
    await this.write();
    for (const stream of [this.table, this.matrix]) {
      if (!stream) continue;
      stream.end();
      await finished(stream);
    }
  }
}

async function openFile(path: string): Promise<WriteStream> {
  const stream = createWriteStream(path);
  try {
    await once(stream, 'open');
  } catch (error) {
    throw new FraudstreamError('FS_FILE_INVALID', `${path} cannot be written`, {}, { cause: error });
  }
  return stream;
}

async function put(stream: WriteStream, data: string | Buffer): Promise<void> {
  if (!stream.write(data)) await once(stream, 'drain');
}
