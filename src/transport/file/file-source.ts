import { stat } from 'node:fs/promises';
import type { AvroType } from '../../codec/avro-schema.ts';
import { FraudstreamError } from '../../domain/errors.ts';
import type { InputRecord } from '../record.ts';
import type { Source, SourceBatch } from '../source.ts';
import type { FileFormat } from '../../mapping/mapping.ts';
import { fileError } from './byte-stream.ts';
import { ContainerReader } from './container-reader.ts';
import { LineReader } from './line-reader.ts';
import { mappedRecords, openMappedCsv, openMappedLines } from './mapped-files.ts';
import { MappedRows, type MappedInput } from './mapped-rows.ts';
import { UnreadableRow, type FileValue, type OpenFile } from './open-file.ts';
import { ContainerFile, JsonLines, type Convert } from './record-files.ts';
import { labelFormat, type RecordFormat, transactionFormat } from './record-format.ts';

export interface FileSourceOptions {
  /** `.avro` (object container) and `.jsonl` files, with a mapping also `.csv`; each also with `.gz`; read in this order */
  readonly paths: readonly string[];
  /** name that the records carry; default `transactions` or `labels` */
  readonly topic?: string;
  /** records; default 1,000 */
  readonly batchSize?: number;
  /** JSON text; used instead of the schema in the header of container files */
  readonly writerSchema?: string;
  /** what makes payments of the rows of other files; without it they are records of ours */
  readonly mapped?: MappedInput;
}

/**
 * Payments from files: each record's value is one Transaction in the bundled schema, bare Avro. Partition 0, offset =
 * index over all files, no timestamp (-1), no key. What cannot be read (a damaged block, a line that is no payment)
 * comes as a record of its raw bytes, for the decoder to refuse; a row that the mapping refuses comes so with its
 * failure. Throws FS_FILE_INVALID, FS_SCHEMA_INCOMPATIBLE.
 */
export function openTransactionFiles(options: FileSourceOptions): Promise<Source> {
  return FileSource.open(transactionFormat(), 'transactions', options);
}

/** Labels from files, likewise; with a mapping the verdicts that stand in the rows of payments. */
export function openLabelFiles(options: FileSourceOptions): Promise<Source> {
  return FileSource.open(labelFormat(), 'labels', options);
}

class FileSource implements Source {
  private readonly format: RecordFormat;
  private readonly options: FileSourceOptions;
  private readonly topic: string;
  private readonly batchSize: number;
  private readonly mapped: MappedRows | null;
  private readonly sizes: readonly number[];
  private readonly totalBytes: number;
  private fileIndex = 0;
  private file: OpenFile | null = null;
  private bytesBefore = 0;
  private offset = 0;

  private constructor(
    format: RecordFormat,
    what: 'transactions' | 'labels',
    options: FileSourceOptions,
    sizes: readonly number[],
  ) {
    this.format = format;
    this.options = options;
    this.topic = options.topic ?? what;
    this.mapped = options.mapped === undefined ? null : new MappedRows(options.mapped, what);
    this.batchSize = options.batchSize ?? 1_000;
    this.sizes = sizes;
    this.totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  }

  static async open(
    format: RecordFormat,
    what: 'transactions' | 'labels',
    options: FileSourceOptions,
  ): Promise<FileSource> {
    const batchSize = options.batchSize ?? 1_000;
    if (!Number.isSafeInteger(batchSize) || batchSize < 1 || batchSize > 1_000_000) {
      throw new FraudstreamError('FS_CONFIG_INVALID', 'the batch size of a file source must be 1 to 1,000,000');
    }
    const sizes: number[] = [];
    for (const path of options.paths) {
      kindOf(path, options.mapped);
      // All files are looked at before the first is read: a wrong name is said at once, not after an hour.
      sizes.push((await stat(path).catch((error: unknown) => Promise.reject(fileError(error, path)))).size);
    }
    const source = new FileSource(format, what, options, sizes);
    // So are the names of their columns.
    if (options.mapped !== undefined) for (const path of options.paths) await (await source.openFile(path)).close();
    return source;
  }

  async read(): Promise<SourceBatch | null> {
    const values: FileValue[] = [];
    while (values.length < this.batchSize) {
      this.file ??= await this.openNext();
      if (this.file === null) break;
      if (!(await this.file.fill(values, this.batchSize))) {
        await this.file.close();
        this.file = null;
        this.bytesBefore += this.sizes[this.fileIndex++] ?? 0;
      }
    }
    if (values.length === 0) return null;
    const first = this.offset;
    this.offset += values.length;
    const topic = this.topic;
    const records = values.map((value, i): InputRecord => {
      const place = { topic, partition: 0, offset: first + i, timestampMs: -1, key: null, headers: null };
      if (!(value instanceof UnreadableRow)) return { ...place, value };
      Object.assign(value.failure.place, { topic, partition: 0, offset: first + i });
      return { ...place, value: value.bytes, failure: value.failure };
    });
    const done = this.bytesBefore + (this.file?.position ?? 0);
    return {
      batch: { topic, partition: 0, records, highWatermark: -1 },
      progress: this.totalBytes === 0 ? 1 : Math.min(1, done / this.totalBytes),
    };
  }

  async close(): Promise<void> {
    const file = this.file;
    this.file = null;
    this.fileIndex = this.options.paths.length;
    await file?.close();
  }

  private async openNext(): Promise<OpenFile | null> {
    const path = this.options.paths[this.fileIndex];
    return path === undefined ? null : this.openFile(path);
  }

  private async openFile(path: string): Promise<OpenFile> {
    const { mapped, options } = this;
    const kind = kindOf(path, options.mapped);
    if (mapped !== null && kind === 'csv') return openMappedCsv(path, mapped);
    if (mapped !== null && kind === 'jsonl') return openMappedLines(path, mapped);
    if (kind === 'jsonl') return new JsonLines(await LineReader.open(path), this.format);
    const corrupt = (bytes: Buffer): FileValue | null =>
      mapped === null ? bytes : mapped.refuse({ field: '', column: null, reason: 'a damaged block' }, bytes, path, 0);
    const converter = (schema: string, type: AvroType): Convert | null =>
      mapped === null ? this.format.converter(schema) : mappedRecords(type, mapped, path);
    return ContainerFile.over(await ContainerReader.open(path), { converter, corrupt }, options.writerSchema, path);
  }
}

function kindOf(path: string, mapped: MappedInput | undefined): FileFormat {
  const given = mapped?.mapping.layout.format ?? null;
  if (given !== null) return given;
  const name = path.replace(/\.gz$/, '');
  if (name.endsWith('.avro')) return 'avro';
  if (name.endsWith('.jsonl')) return 'jsonl';
  const isDelimited = /\.(csv|tsv|txt)$/.test(name);
  if (isDelimited && mapped !== undefined) return 'csv';
  const what = isDelimited
    ? 'a mapping must say what its columns are: --mapping FILE (docs/your-data.md)'
    : 'the name must end in .avro or .jsonl, with a mapping also in .csv';
  throw new FraudstreamError('FS_FILE_INVALID', `${path}: ${what}`);
}
