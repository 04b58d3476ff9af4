import { LIMITS } from '../domain/limits.ts';
import type { RecordHeaders } from '../transport/record.ts';

/**
 * The headers of an input record that its outputs carry on: W3C trace context (`traceparent`, `tracestate`) and
 * CloudEvents attributes (`ce_*`). Null when there are none, which is the common case and costs nothing.
 */
export function passHeaders(headers: RecordHeaders | null): RecordHeaders | null {
  if (headers === null) return null;
  let passed: Record<string, Buffer | readonly Buffer[]> | null = null;
  let bytes = 0;
  let count = 0;
  for (const name in headers) {
    if (!isPassed(name)) continue;
    const value = headers[name]!;
    const size = headerBytes(name, value);
    if (count >= LIMITS.headersMax || bytes + size > LIMITS.headerBytesMax) continue;
    count++;
    bytes += size;
    (passed ??= {})[name] = value;
  }
  return passed;
}

/** What a header takes, name included. */
export function headerBytes(name: string, value: Buffer | readonly Buffer[]): number {
  if (Buffer.isBuffer(value)) return name.length + value.length;
  let bytes = 0;
  for (const one of value) bytes += name.length + one.length;
  return bytes;
}

function isPassed(name: string): boolean {
  return name.startsWith('ce_') || name === 'traceparent' || name === 'tracestate';
}
