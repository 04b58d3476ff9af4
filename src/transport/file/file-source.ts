import { stat } from 'node:fs/promises';
import { parseAvroSchema } from '../../codec/avro-schema.ts';
import { FraudstreamError } from '../../domain/errors.ts';
import type { InputRecord } from '../record.ts';
import type { Source, SourceBatch } from '../source.ts';
import { fileError } from './byte-stream.ts';
import { ContainerReader } from './container-reader.ts';
import { LineReader } from './line-reader.ts';
import { labelFormat, type RecordFormat, transactionFormat } from './record-format.ts';
import { compileRecordEnd } from './record-skip.ts';

export interface FileSourceOptions {
  /** `.avro` (object container) and `.jsonl` files, read in this order */
  readonly paths: readonly string[];
  /** name that the records carry; default `transactions` or `labels` */
  readonly topic?: string;
  /** records; default 1,000 */
  readonly batchSize?: number;
  /** JSON text; used instead of the schema in the header of container files */
  readonly writerSchema?: string;
}

/**
 * Payments from files: each record's value is one Transaction in the bundled schema, bare Avro. Partition 0, offset =
 * index over all files, no timestamp (-1), no key. What cannot be read (a damaged block, a line that is no payment)
 * comes as a record of its raw bytes, for the decoder to refuse. Throws FS_FILE_INVALID, FS_SCHEMA_INCOMPATIBLE.
 */
export function openTransactionFiles(options: FileSourceOptions): Promise<Source> {
  return FileSource.open(transactionFormat(), { topic: 'transactions', ...options });
}

/** Labels from files, likewise. */
export function openLabelFiles(options: FileSourceOptions): Promise<Source> {
  return FileSource.open(labelFormat(), { topic: 'labels', ...options });
}

/** One open file. `fill` appends values until `limit` is reached or the file ends (false). */
interface OpenFile {
  readonly position: number;
  fill(values: Buffer[], limit: number): Promise<boolean>;
  close(): Promise<void>;
}

class FileSource implements Source {
  private readonly format: RecordFormat;
  private readonly options: FileSourceOptions;
  private readonly topic: string;
  private readonly batchSize: number;
  private readonly sizes: readonly number[];
  private readonly totalBytes: number;
  private fileIndex = 0;
  private file: OpenFile | null = null;
  private bytesBefore = 0;
  private offset = 0;

  private constructor(format: RecordFormat, options: FileSourceOptions, sizes: readonly number[]) {
    this.format = format;
    this.options = options;
    this.topic = options.topic ?? '';
    this.batchSize = options.batchSize ?? 1_000;
    this.sizes = sizes;
    this.totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  }

  static async open(format: RecordFormat, options: FileSourceOptions): Promise<FileSource> {
    const batchSize = options.batchSize ?? 1_000;
    if (!Number.isSafeInteger(batchSize) || batchSize < 1 || batchSize > 1_000_000) {
      throw new FraudstreamError('FS_CONFIG_INVALID', 'the batch size of a file source must be 1 to 1,000,000');
    }
    const sizes: number[] = [];
    for (const path of options.paths) {
      kindOf(path);
      // All files are looked at before the first is read: a wrong name is said at once, not after an hour.
      sizes.push((await stat(path).catch((error: unknown) => Promise.reject(fileError(error, path)))).size);
    }
    return new FileSource(format, options, sizes);
  }

  async read(): Promise<SourceBatch | null> {
    const values: Buffer[] = [];
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
    const records = values.map((value, i): InputRecord => ({
      topic,
      partition: 0,
      offset: first + i,
      timestampMs: -1,
      key: null,
      value,
      headers: null,
    }));
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
    if (path === undefined) return null;
    if (kindOf(path) === 'jsonl') return new JsonLines(await LineReader.open(path), this.format);
    return ContainerFile.over(await ContainerReader.open(path), this.format, this.options.writerSchema, path);
  }
}

class JsonLines implements OpenFile {
  private readonly lines: LineReader;
  private readonly format: RecordFormat;

  constructor(lines: LineReader, format: RecordFormat) {
    this.lines = lines;
    this.format = format;
  }

  get position(): number {
    return this.lines.position;
  }

  async fill(values: Buffer[], limit: number): Promise<boolean> {
    while (values.length < limit) {
      const line = this.lines.take() ?? (await this.lines.next());
      if (line === null) return false;
      if (line.bytes.length === 0) continue;
      if (line.overlong) values.push(line.bytes);
      else values.push(this.encode(line.bytes) ?? line.bytes);
    }
    return true;
  }

  async close(): Promise<void> {
    await this.lines.close();
  }

  private encode(line: Buffer): Buffer | null {
    let json: unknown;
    try {
      json = JSON.parse(UTF8.decode(line));
    } catch {
      return null;
    }
    return this.format.fromJson(json);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

class ContainerFile implements OpenFile {
  private readonly reader: ContainerReader;
  private readonly recordEnd: (bytes: Buffer, pos: number, end: number) => number;
  private readonly convert: ((record: Buffer) => Buffer | null) | null;
  private data: Buffer = EMPTY;
  private at = 0;
  private left = 0;

  private constructor(reader: ContainerReader, schema: string, convert: ((record: Buffer) => Buffer | null) | null) {
    this.reader = reader;
    this.recordEnd = compileRecordEnd(parseAvroSchema(schema));
    this.convert = convert;
  }

  static async over(
    reader: ContainerReader,
    format: RecordFormat,
    schema: string | undefined,
    path: string,
  ): Promise<ContainerFile> {
    try {
      const writerSchema = schema ?? reader.schema;
      return new ContainerFile(reader, writerSchema, format.converter(writerSchema));
    } catch (error) {
      await reader.close();
      if (!(error instanceof FraudstreamError)) throw error;
      throw new FraudstreamError(error.code, `the schema of ${path}: ${error.message}`, error.place, { cause: error });
    }
  }

  get position(): number {
    return this.reader.position;
  }

  async fill(values: Buffer[], limit: number): Promise<boolean> {
    while (values.length < limit) {
      if (this.left > 0 || this.at < this.data.length) {
        this.cut(values, limit);
        continue;
      }
      const piece = await this.reader.next();
      if (piece === null) return false;
      if (piece.kind === 'corrupt') {
        values.push(piece.data);
      } else {
        this.data = piece.data;
        this.at = 0;
        this.left = piece.count;
      }
    }
    return true;
  }

  async close(): Promise<void> {
    await this.reader.close();
  }

  /** Records of the block at hand, without copying them. */
  private cut(values: Buffer[], limit: number): void {
    const { data, recordEnd, convert } = this;
    const end = data.length;
    let at = this.at;
    let left = this.left;
    while (left > 0 && at < end && values.length < limit) {
      const next = recordEnd(data, at, end);
      // A record without a byte could be counted for ever: none of ours has a schema like that.
      if (next <= at) break;
      const record = data.subarray(at, next);
      values.push(convert === null ? record : (convert(record) ?? record));
      at = next;
      left--;
    }
    if (values.length < limit && (left > 0 || at < end)) {
      // The count and the bytes disagree: what is left is handed on as it is.
      values.push(data.subarray(at));
      at = end;
      left = 0;
    }
    this.at = at;
    this.left = left;
  }
}

const EMPTY = Buffer.alloc(0);

function kindOf(path: string): 'avro' | 'jsonl' {
  if (path.endsWith('.avro')) return 'avro';
  if (path.endsWith('.jsonl')) return 'jsonl';
  throw new FraudstreamError('FS_FILE_INVALID', `${path}: the name must end in .avro or .jsonl`);
}
