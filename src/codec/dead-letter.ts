import type { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { InputRecord, OutputRecord, RecordHeaders } from '../transport/record.ts';
import { holdsCardNumber } from './card-number.ts';
import { headerBytes } from './pass-headers.ts';

/** Header names of Kafka Connect's dead letter queues (KIP-298), so that existing tools read ours, and our own. */
export const DEAD_LETTER_HEADERS = {
  topic: '__connect.errors.topic',
  partition: '__connect.errors.partition',
  offset: '__connect.errors.offset',
  stage: '__connect.errors.stage',
  exceptionClass: '__connect.errors.exception.class.name',
  exceptionMessage: '__connect.errors.exception.message',
  code: 'fraudstream.error.code',
  redacted: 'fraudstream.payload.redacted',
  headersDropped: 'fraudstream.headers.dropped',
  truncated: 'fraudstream.payload.truncated',
} as const;

const CONNECT_PREFIX = '__connect.errors.';
const OWN_NAMES: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER_HEADERS));
const MESSAGE_BYTES_MAX = 4_096;
const EMPTY = Buffer.alloc(0);

/**
 * The dead letter of a record: its bytes, key, timestamp and headers as they came, and why it is here. Headers of an
 * earlier failure are replaced. Of a record with a card number only the place is kept: its value is empty, and its key
 * and headers stay only where they hold no card number themselves.
 */
export function deadLetterOf(record: InputRecord, error: FraudstreamError): OutputRecord {
  const redacted = error.code === 'FS_CARD_NUMBER';
  const headers: Record<string, Buffer | readonly Buffer[]> = {};
  const dropped = copyForeignHeaders(record.headers, redacted, headers);
  const names = DEAD_LETTER_HEADERS;
  headers[names.topic] = Buffer.from(record.topic);
  headers[names.partition] = Buffer.from(String(record.partition));
  headers[names.offset] = Buffer.from(String(record.offset));
  headers[names.stage] = Buffer.from(error.stage);
  headers[names.exceptionClass] = Buffer.from(error.name);
  headers[names.exceptionMessage] = cutUtf8(Buffer.from(error.message), MESSAGE_BYTES_MAX);
  headers[names.code] = Buffer.from(error.code);
  if (redacted) headers[names.redacted] = Buffer.from('true');
  if (dropped > 0) headers[names.headersDropped] = Buffer.from(String(dropped));
  return {
    stream: 'dead-letter',
    partition: record.partition,
    key: redacted && record.key !== null && bytesHoldCardNumber(record.key) ? null : record.key,
    value: redacted ? EMPTY : record.value,
    headers,
    timestampMs: record.timestampMs,
  };
}

/**
 * A dead letter that its topic refuses, with the first bytes of its value only; a header says how many there were.
 * Itself when it fits.
 */
export function truncateDeadLetter(letter: OutputRecord, valueBytesMax: number): OutputRecord {
  const { value, headers } = letter;
  if (value === null || value.length <= valueBytesMax) return letter;
  const name = DEAD_LETTER_HEADERS.truncated;
  // cut again, it still says how many bytes came in
  const original = headers?.[name] ?? Buffer.from(String(value.length));
  return { ...letter, value: value.subarray(0, valueBytesMax), headers: { ...headers, [name]: original } };
}

/** Was the payload left out, or a part of it? Then there is nothing to replay. */
export function isIncomplete(headers: RecordHeaders | null): boolean {
  const { redacted, truncated } = DEAD_LETTER_HEADERS;
  return headers !== null && (Object.hasOwn(headers, redacted) || Object.hasOwn(headers, truncated));
}

/** The headers of a dead letter as they were before it became one; null when none are left. */
export function replayHeaders(headers: RecordHeaders | null): RecordHeaders | null {
  if (headers === null) return null;
  const kept = Object.entries(headers).filter(([name]) => !isOwnHeader(name));
  return kept.length === 0 ? null : Object.fromEntries(kept);
}

function isOwnHeader(name: string): boolean {
  return name.startsWith(CONNECT_PREFIX) || OWN_NAMES.has(name);
}

/** Returns how many were left out: beyond the limits, or with a card number in them. */
function copyForeignHeaders(
  from: RecordHeaders | null,
  redacted: boolean,
  to: Record<string, Buffer | readonly Buffer[]>,
): number {
  let dropped = 0;
  let count = 0;
  let bytes = 0;
  for (const [name, value] of Object.entries(from ?? {})) {
    if (isOwnHeader(name)) continue;
    const size = headerBytes(name, value);
    const values = Buffer.isBuffer(value) ? [value] : value;
    const fits = count < LIMITS.headersMax && bytes + size <= LIMITS.headerBytesMax;
    if (!fits || (redacted && (holdsCardNumber(name) || values.some(bytesHoldCardNumber)))) {
      dropped++;
      continue;
    }
    count++;
    bytes += size;
    to[name] = value;
  }
  return dropped;
}

/** Anywhere in it: a key may be JSON or Avro around the id. */
function bytesHoldCardNumber(bytes: Buffer): boolean {
  return holdsCardNumber(bytes.toString('latin1'));
}

/** At most `bytesMax`, not in the middle of a character. */
function cutUtf8(text: Buffer, bytesMax: number): Buffer {
  if (text.length <= bytesMax) return text;
  let end = bytesMax;
  while (end > 0 && (text[end]! & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}
