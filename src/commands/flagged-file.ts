import { createFlaggedDecoder } from '../codec/decision-decoder.ts';
import { parseAvroSchema } from '../codec/avro-schema.ts';
import { SCHEMA_TYPES } from '../codec/schemas.ts';
import type { FlaggedTransaction } from '../domain/decision.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { ContainerReader } from '../transport/file/container-reader.ts';
import { LineReader } from '../transport/file/line-reader.ts';
import { compileRecordEnd } from '../transport/file/record-skip.ts';

/** magic byte and schema id 0: the one schema of the file */
const WIRE_HEADER = Buffer.alloc(5);

/**
 * Flagged payments of a file that `replay` wrote: `.avro` (any schema that ours can read) or `.jsonl`.
 * Throws FS_FILE_INVALID.
 */
export async function* readFlaggedFile(path: string): AsyncGenerator<FlaggedTransaction> {
  if (path.endsWith('.avro')) yield* readContainer(path);
  else if (path.endsWith('.jsonl')) yield* readLines(path);
  else throw new FraudstreamError('FS_FILE_INVALID', `${path}: must end in .avro or .jsonl`);
}

async function* readContainer(path: string): AsyncGenerator<FlaggedTransaction> {
  const reader = await ContainerReader.open(path);
  try {
    const entry = { text: reader.schema };
    const decoder = createFlaggedDecoder({
      lookup: () => entry,
      isFresh: () => true,
      fetchAll: () => Promise.resolve(),
    });
    const recordEnd = compileRecordEnd(parseAvroSchema(reader.schema));
    for (let piece = await reader.next(); piece !== null; piece = await reader.next()) {
      if (piece.kind === 'corrupt') throw new FraudstreamError('FS_FILE_INVALID', `${path}: a block is damaged`);
      let at = 0;
      for (let i = 0; i < piece.count; i++) {
        const end = recordEnd(piece.data, at, piece.data.length);
        if (end <= at) throw new FraudstreamError('FS_FILE_INVALID', `${path}: a block is damaged`);
        yield decoder.decode(Buffer.concat([WIRE_HEADER, piece.data.subarray(at, end)]));
        at = end;
      }
    }
  } finally {
    await reader.close();
  }
}

async function* readLines(path: string): AsyncGenerator<FlaggedTransaction> {
  const reader = await LineReader.open(path);
  try {
    let number = 0;
    for (let line = await reader.next(); line !== null; line = await reader.next()) {
      number++;
      if (line.bytes.length === 0) continue;
      const flagged = line.overlong ? null : parseFlagged(line.bytes.toString('utf8'));
      if (flagged === null) throw new FraudstreamError('FS_FILE_INVALID', `${path}:${number}: is no flagged payment`);
      yield flagged;
    }
  } finally {
    await reader.close();
  }
}

function parseFlagged(text: string): FlaggedTransaction | null {
  try {
    const json: unknown = JSON.parse(text);
    return SCHEMA_TYPES.flagged.isValid(json) ? (json as FlaggedTransaction) : null;
  } catch {
    return null;
  }
}
