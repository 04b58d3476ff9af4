import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import { PartialFile } from './partial-file.ts';

const deflate = promisify(deflateRaw);
const BLOCK_BYTES = 262_144;
const COUNT_AND_SIZE_BYTES_MAX = 20;
const NEWLINE = Buffer.from('\n');

/** A file of records, in one format. Calls are made one after the other, each awaited when it returns a promise. */
export interface RecordFile {
  /** Copies the record. Returns a promise when a block is being written: await it, that is the backpressure. */
  append(record: Buffer): Promise<void> | null;
  /** The file is whole, on the disk and under its name. Throws FS_FILE_INVALID. */
  close(): Promise<void>;
  /** Leaves no file under the name. */
  abandon(): Promise<void>;
}

/** Bytes collected to blocks. */
class BlockBuffer {
  bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES + 65_536);
  length = 0;
  count = 0;

  add(record: Buffer): void {
    if (this.length + record.length > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + record.length));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    this.bytes.set(record, this.length);
    this.length += record.length;
    this.count++;
  }

  view(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
    this.count = 0;
  }
}

/**
 * An Avro object container file. The sync marker is derived from the schema: equal runs give equal bytes. Records are
 * bare Avro of this schema and are not looked at.
 */
export async function createContainerFile(
  path: string,
  schema: string,
  codec: 'null' | 'deflate' = 'null',
): Promise<RecordFile> {
  const compact = Buffer.from(JSON.stringify(JSON.parse(schema)));
  const sync = createHash('sha256').update(compact).digest().subarray(0, 16);
  const file = await PartialFile.create(path);
  const header = Buffer.concat([
    Buffer.from('Obj\u0001', 'latin1'),
    varint(2),
    text('avro.codec'),
    text(codec),
    text('avro.schema'),
    varint(compact.length),
    compact,
    varint(0),
    sync,
  ]);
  await writeOrAbandon(file, header);
  const block = new BlockBuffer();
  const flush = async (): Promise<void> => {
    if (block.count === 0) return;
    const data = codec === 'deflate' ? await deflate(block.view(), { level: 6 }) : block.view();
    const frame = Buffer.allocUnsafe(COUNT_AND_SIZE_BYTES_MAX + data.length + sync.length);
    const count = varint(block.count);
    const size = varint(data.length);
    count.copy(frame, 0);
    size.copy(frame, count.length);
    data.copy(frame, count.length + size.length);
    sync.copy(frame, count.length + size.length + data.length);
    block.clear();
    await file.write(frame.subarray(0, count.length + size.length + data.length + sync.length));
  };
  return recordFile(file, block, flush, (record) => block.add(record));
}

/** A file of lines. `toLine` gives a record's text without its end. */
export async function createLineFile(path: string, toLine: (record: Buffer) => string): Promise<RecordFile> {
  const file = await PartialFile.create(path);
  const block = new BlockBuffer();
  const flush = async (): Promise<void> => {
    if (block.count === 0) return;
    const bytes = Buffer.from(block.view());
    block.clear();
    await file.write(bytes);
  };
  return recordFile(file, block, flush, (record) => {
    block.add(Buffer.from(toLine(record)));
    block.add(NEWLINE);
  });
}

function recordFile(
  file: PartialFile,
  block: BlockBuffer,
  flush: () => Promise<void>,
  add: (record: Buffer) => void,
): RecordFile {
  return {
    append(record) {
      add(record);
      return block.length >= BLOCK_BYTES ? flush() : null;
    },
    async close() {
      try {
        await flush();
      } catch (error) {
        await file.abandon();
        throw error;
      }
      await file.close();
    },
    abandon: () => file.abandon(),
  };
}

async function writeOrAbandon(file: PartialFile, bytes: Buffer): Promise<void> {
  try {
    await file.write(bytes);
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

function text(value: string): Buffer {
  return Buffer.concat([varint(value.length), Buffer.from(value, 'latin1')]);
}

/** A zigzag varint of a non-negative integer below 2^31. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
