import { FraudstreamError } from '../domain/errors.ts';
import { LineReader } from '../transport/file/line-reader.ts';
import type { InputRecord } from '../transport/record.ts';

/**
 * Dead letters of a `dead-letter.jsonl` that `replay` wrote. The number of the line, from 0, is the offset.
 * Throws FS_FILE_INVALID.
 */
export async function* readDeadLetterFile(path: string): AsyncGenerator<InputRecord> {
  const reader = await LineReader.open(path);
  try {
    let number = 0;
    for (let line = await reader.next(); line !== null; line = await reader.next()) {
      number++;
      if (line.bytes.length === 0) continue;
      const record = line.overlong ? null : parseLine(line.bytes.toString('utf8'), path, number - 1);
      if (record === null) throw new FraudstreamError('FS_FILE_INVALID', `${path}:${number}: is no dead letter`);
      yield record;
    }
  } finally {
    await reader.close();
  }
}

function parseLine(text: string, topic: string, offset: number): InputRecord | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(json)) return null;
  const { partition, timestamp_ms: timestampMs, headers } = json;
  const key = bytesOf(json['key']);
  const value = bytesOf(json['value']);
  const whole = Number.isSafeInteger(partition) && Number.isSafeInteger(timestampMs);
  if (!whole || key === undefined || value === undefined || !isObject(headers)) return null;
  const decoded: [string, Buffer | Buffer[]][] = [];
  for (const [name, header] of Object.entries(headers)) {
    const values = (Array.isArray(header) ? header : [header]).map(bytesOf);
    if (!values.every((one) => Buffer.isBuffer(one))) return null;
    decoded.push([name, Array.isArray(header) ? values : (values[0] as Buffer)]);
  }
  return {
    topic,
    partition: partition as number,
    offset,
    timestampMs: timestampMs as number,
    key,
    value,
    headers: Object.fromEntries(decoded),
  };
}

function bytesOf(value: unknown): Buffer | null | undefined {
  if (value === null) return null;
  return typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
