import type { AvroType } from '../../codec/avro-schema.ts';
import { FraudstreamError } from '../../domain/errors.ts';
import { didYouMean } from '../../domain/suggest.ts';
import type { Mapping } from '../../mapping/mapping.ts';
import type { RowMapper } from '../../mapping/row-mapper.ts';
import { ByteStream } from './byte-stream.ts';
import { CsvRows } from './csv-rows.ts';
import { readAsJson } from './generic-reader.ts';
import { LineReader } from './line-reader.ts';
import { ObjectCells } from './mapped-cells.ts';
import type { MappedRows } from './mapped-rows.ts';
import type { FileValue, OpenFile } from './open-file.ts';

/** A delimited file. Throws FS_FILE_INVALID, also when a column of the mapping is not there. */
export async function openMappedCsv(path: string, rows: MappedRows): Promise<OpenFile> {
  const csv = new CsvRows(await ByteStream.open(path), rows.mapping.layout);
  try {
    const columns = rows.mapping.layout.columns ?? (await header(csv, path));
    if (columns !== null) checkColumns(rows.mapping, columns, path);
    return new MappedCsv(csv, columns ?? [], rows, path);
  } catch (error) {
    await csv.close();
    throw error;
  }
}

/** Null when the file is empty: then it has no rows either. */
async function header(csv: CsvRows, path: string): Promise<readonly string[] | null> {
  const row = await csv.next();
  if (row === null) return null;
  if (row.cells !== null) return row.cells;
  throw new FraudstreamError('FS_FILE_INVALID', `${path}:${row.line}: the names of the columns: ${row.reason}`);
}

function checkColumns(mapping: Mapping, columns: readonly string[], path: string): void {
  const problems: string[] = [];
  for (const [name, line] of mapping.columns) {
    const count = columns.filter((one) => one === name).length;
    if (count === 1) continue;
    const what = count === 0 ? 'there is no column' : 'there is more than one column';
    const hint = count === 0 ? didYouMean(name, columns) : '';
    problems.push(`${what} ${JSON.stringify(name)} (${mapping.fileName}:${line})${hint}`);
  }
  if (problems.length > 0) throw new FraudstreamError('FS_FILE_INVALID', `${path}: ${problems.join('; ')}`);
}

class MappedCsv implements OpenFile {
  private readonly csv: CsvRows;
  private readonly width: number;
  private readonly rows: MappedRows;
  private readonly mapper: RowMapper;
  private readonly path: string;

  constructor(csv: CsvRows, columns: readonly string[], rows: MappedRows, path: string) {
    this.csv = csv;
    this.width = columns.length;
    this.rows = rows;
    this.mapper = rows.mapper((column) => columns.indexOf(column));
    this.path = path;
  }

  get position(): number {
    return this.csv.position;
  }

  async fill(values: FileValue[], limit: number): Promise<boolean> {
    const { csv, rows, mapper, path, width } = this;
    while (values.length < limit) {
      const row = csv.take() ?? (await csv.next());
      if (row === null) return false;
      const { cells, bytes, line } = row;
      let value: FileValue | null;
      if (cells !== null && cells.length === width) value = rows.convert(mapper, cells, bytes, path, line);
      else {
        const reason = cells === null ? row.reason : cells.length < width ? TOO_FEW : TOO_MANY;
        value = rows.refuse({ field: '', column: null, reason }, bytes, path, line);
      }
      if (value !== null) values.push(value);
    }
    return true;
  }

  async close(): Promise<void> {
    await this.csv.close();
  }
}

const TOO_FEW = 'the row has fewer cells than there are columns';
const TOO_MANY = 'the row has more cells than there are columns';

/** A file of JSON objects, one a line. Throws FS_FILE_INVALID. */
export async function openMappedLines(path: string, rows: MappedRows): Promise<OpenFile> {
  return new MappedLines(await LineReader.open(path), rows, path);
}

class MappedLines implements OpenFile {
  private readonly lines: LineReader;
  private readonly rows: MappedRows;
  private readonly objects: ObjectCells;
  private readonly mapper: RowMapper;
  private readonly path: string;

  constructor(lines: LineReader, rows: MappedRows, path: string) {
    this.lines = lines;
    this.rows = rows;
    const objects = new ObjectCells(rows.mapping);
    this.objects = objects;
    this.mapper = rows.mapper((column) => objects.indexOf(column));
    this.path = path;
  }

  get position(): number {
    return this.lines.position;
  }

  async fill(values: FileValue[], limit: number): Promise<boolean> {
    while (values.length < limit) {
      const line = this.lines.take() ?? (await this.lines.next());
      if (line === null) return false;
      if (line.bytes.length === 0) continue;
      const value = this.convert(line.bytes, line.number, line.overlong);
      if (value !== null) values.push(value);
    }
    return true;
  }

  async close(): Promise<void> {
    await this.lines.close();
  }

  private convert(bytes: Buffer, number: number, overlong: boolean): FileValue | null {
    const json = overlong ? undefined : parse(bytes);
    const reason = overlong ? 'longer than a record may be' : 'not JSON';
    const refusal = json === undefined ? { field: '', column: null, reason } : this.objects.read(json);
    if (refusal !== null) return this.rows.refuse(refusal, bytes, this.path, number);
    return this.rows.convert(this.mapper, this.objects.cells, bytes, this.path, number);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** undefined when it is no JSON, or no UTF-8 */
function parse(line: Buffer): unknown {
  try {
    return JSON.parse(UTF8.decode(line)) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * How records of a container file of any schema become ours. Its `line` is the number of the record, from 1.
 * Throws FS_FILE_INVALID when a column of the mapping is no field of the schema.
 */
export function mappedRecords(writer: AvroType, rows: MappedRows, path: string): (record: Buffer) => FileValue | null {
  if (writer.kind !== 'record') throw new FraudstreamError('FS_FILE_INVALID', `${path}: its schema is no record`);
  const fields = writer.fields.map(({ name }) => name);
  // Of a dotted column the first part must be there; what is within it is not looked at.
  const dotted = [...rows.mapping.columns.keys()].filter(
    (name) => !fields.includes(name) && fields.includes(name.split('.')[0] ?? ''),
  );
  checkColumns(rows.mapping, [...fields, ...dotted], path);
  const objects = new ObjectCells(rows.mapping);
  const mapper = rows.mapper((column) => objects.indexOf(column));
  let number = 0;
  return (record) => {
    number++;
    let row: unknown;
    try {
      row = readAsJson(writer, record);
    } catch (error) {
      if (!(error instanceof FraudstreamError)) throw error;
      return rows.refuse({ field: '', column: null, reason: error.message }, record, path, number);
    }
    const refusal = objects.read(row);
    if (refusal !== null) return rows.refuse(refusal, record, path, number);
    return rows.convert(mapper, objects.cells, record, path, number);
  };
}
