import { parseAvroSchema, type AvroType } from '../../codec/avro-schema.ts';
import { FraudstreamError } from '../../domain/errors.ts';
import type { ContainerReader } from './container-reader.ts';
import type { LineReader } from './line-reader.ts';
import type { FileValue, OpenFile } from './open-file.ts';
import type { RecordFormat } from './record-format.ts';
import { compileRecordEnd } from './record-skip.ts';

/** Lines of JSON in our own format. */
export class JsonLines implements OpenFile {
  private readonly lines: LineReader;
  private readonly format: RecordFormat;

  constructor(lines: LineReader, format: RecordFormat) {
    this.lines = lines;
    this.format = format;
  }

  get position(): number {
    return this.lines.position;
  }

  async fill(values: FileValue[], limit: number): Promise<boolean> {
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

/** Null: the record is left out. */
export type Convert = (record: Buffer) => FileValue | null;

/** What becomes of the records of a container file. */
export interface Conversion {
  /** null when the records are ours already */
  converter(schema: string, type: AvroType): Convert | null;
  corrupt(bytes: Buffer): FileValue | null;
}

/** Records of an object container file. */
export class ContainerFile implements OpenFile {
  private readonly reader: ContainerReader;
  private readonly recordEnd: (bytes: Buffer, pos: number, end: number) => number;
  private readonly convert: Convert | null;
  private readonly corrupt: (bytes: Buffer) => FileValue | null;
  private data: Buffer = EMPTY;
  private at = 0;
  private left = 0;

  private constructor(reader: ContainerReader, schema: string, conversion: Conversion) {
    const type = parseAvroSchema(schema);
    this.reader = reader;
    this.recordEnd = compileRecordEnd(type);
    this.convert = conversion.converter(schema, type);
    this.corrupt = conversion.corrupt;
  }

  static async over(
    reader: ContainerReader,
    conversion: Conversion,
    schema: string | undefined,
    path: string,
  ): Promise<ContainerFile> {
    try {
      return new ContainerFile(reader, schema ?? reader.schema, conversion);
    } catch (error) {
      await reader.close();
      if (!(error instanceof FraudstreamError) || error.code === 'FS_FILE_INVALID') throw error;
      throw new FraudstreamError(error.code, `the schema of ${path}: ${error.message}`, error.place, { cause: error });
    }
  }

  get position(): number {
    return this.reader.position;
  }

  async fill(values: FileValue[], limit: number): Promise<boolean> {
    while (values.length < limit) {
      if (this.left > 0 || this.at < this.data.length) {
        this.cut(values, limit);
        continue;
      }
      const piece = await this.reader.next();
      if (piece === null) return false;
      if (piece.kind === 'corrupt') {
        add(values, this.corrupt(piece.data));
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
  private cut(values: FileValue[], limit: number): void {
    const { data, recordEnd, convert } = this;
    const end = data.length;
    let at = this.at;
    let left = this.left;
    while (left > 0 && at < end && values.length < limit) {
      const next = recordEnd(data, at, end);
      // A record without a byte could be counted for ever: none of ours has a schema like that.
      if (next <= at) break;
      const record = data.subarray(at, next);
      add(values, convert === null ? record : convert(record));
      at = next;
      left--;
    }
    if (values.length < limit && (left > 0 || at < end)) {
      // The count and the bytes disagree: what is left is handed on as it is.
      add(values, this.corrupt(data.subarray(at)));
      at = end;
      left = 0;
    }
    this.at = at;
    this.left = left;
  }
}

const EMPTY = Buffer.alloc(0);

function add(values: FileValue[], value: FileValue | null): void {
  if (value !== null) values.push(value);
}
