import { join } from 'node:path';
import { SCHEMA_TEXTS, SCHEMA_TYPES } from '../../codec/schemas.ts';
import type { OutputRecord, OutputStream, RecordHeaders } from '../record.ts';
import type { Sink } from '../sink.ts';
import { createContainerFile, createLineFile, type RecordFile } from './record-file.ts';

export interface FileSinkOptions {
  /** is created when it is not there */
  readonly folder: string;
  /** of decisions and flagged; default avro. Dead letters are always lines. */
  readonly format?: 'avro' | 'jsonl';
}

const CODE_HEADER = 'fraudstream.error.code';

/**
 * `decisions.avro`, `flagged.avro` (container files) or `.jsonl`, and `dead-letter.jsonl`, in one folder. The values
 * are bare Avro of our schemas; keys and headers of decisions and flagged are not kept, those of dead letters are.
 *
 * A file has no durability short of its end: `write` resolves when the records are taken over and the disk keeps up;
 * `close` flushes everything to the disk and only then gives the files their names. Throws FS_FILE_INVALID.
 */
export async function openFileSink(options: FileSinkOptions): Promise<Sink> {
  const files: RecordFile[] = [];
  try {
    const streams: Record<OutputStream, RecordFile> = {
      decisions: keep(files, await contractFile(options, 'decisions', 'decision')),
      flagged: keep(files, await contractFile(options, 'flagged', 'flagged')),
      'dead-letter': keep(
        files,
        await createLineFile(join(options.folder, 'dead-letter.jsonl'), (line) => line.toString()),
      ),
    };
    return new FileSink(streams);
  } catch (error) {
    for (const file of files) await file.abandon();
    throw error;
  }
}

function keep(files: RecordFile[], file: RecordFile): RecordFile {
  files.push(file);
  return file;
}

function contractFile(options: FileSinkOptions, name: string, contract: 'decision' | 'flagged'): Promise<RecordFile> {
  if ((options.format ?? 'avro') === 'avro') {
    return createContainerFile(join(options.folder, `${name}.avro`), SCHEMA_TEXTS[contract]);
  }
  const type = SCHEMA_TYPES[contract];
  return createLineFile(join(options.folder, `${name}.jsonl`), (record) => JSON.stringify(type.fromBuffer(record)));
}

class FileSink implements Sink {
  private readonly streams: Readonly<Record<OutputStream, RecordFile>>;

  constructor(streams: Readonly<Record<OutputStream, RecordFile>>) {
    this.streams = streams;
  }

  async write(records: readonly OutputRecord[]): Promise<void> {
    for (const record of records) {
      const bytes = record.stream === 'dead-letter' ? Buffer.from(deadLetterLine(record)) : record.value;
      if (bytes === null) continue;
      const written = this.streams[record.stream].append(bytes);
      if (written !== null) await written;
    }
  }

  /** Every file is closed, also when one of them fails; then the first error is thrown. */
  async close(): Promise<void> {
    const results = await Promise.allSettled(Object.values(this.streams).map((file) => file.close()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}

/** Key, value and headers are base64: a dead letter may hold any bytes. The code stands in the clear, for grep. */
function deadLetterLine(record: OutputRecord): string {
  const code = record.headers?.[CODE_HEADER];
  return JSON.stringify({
    code: code === undefined ? null : first(code).toString('utf8'),
    partition: record.partition,
    timestamp_ms: record.timestampMs,
    key: record.key?.toString('base64') ?? null,
    value: record.value?.toString('base64') ?? null,
    headers: headersToBase64(record.headers ?? {}),
  });
}

function headersToBase64(headers: RecordHeaders): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Buffer.isBuffer(value) ? value.toString('base64') : value.map((each) => each.toString('base64')),
    ]),
  );
}

function first(value: Buffer | readonly Buffer[]): Buffer {
  return Buffer.isBuffer(value) ? value : (value[0] ?? Buffer.alloc(0));
}
