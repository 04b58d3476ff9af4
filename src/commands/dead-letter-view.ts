import { escapeText, hexDump } from '../observability/terminal.ts';
import type { InputRecord, RecordHeaders } from '../transport/record.ts';

/** What the headers of a dead letter say, as far as they are there and are what they should be. */
export interface DeadLetterFacts {
  readonly code: string;
  readonly message: string;
  readonly stage: string;
  /** where the record came from: `topic/partition/offset`, parts unknown as `?` */
  readonly source: string;
  /** '' when unknown */
  readonly sourceTopic: string;
  readonly sourcePartition: number | null;
}

export interface DeadLetterHeaderNames {
  readonly topic: string;
  readonly partition: string;
  readonly offset: string;
  readonly stage: string;
  readonly exceptionMessage: string;
  readonly code: string;
}

export function factsOf(headers: RecordHeaders | null, names: DeadLetterHeaderNames): DeadLetterFacts {
  const partition = headerText(headers, names.partition);
  const place = [headerText(headers, names.topic), partition, headerText(headers, names.offset)];
  return {
    code: headerText(headers, names.code) || 'unknown',
    message: headerText(headers, names.exceptionMessage),
    stage: headerText(headers, names.stage),
    source: place.map((part) => (part === '' ? '?' : part)).join('/'),
    sourceTopic: headerText(headers, names.topic),
    sourcePartition: /^\d{1,6}$/.test(partition) ? Number(partition) : null,
  };
}

/** The last value of a header: whoever wrote last knows best. '' when there is none. */
function headerText(headers: RecordHeaders | null, name: string): string {
  if (headers === null || !Object.hasOwn(headers, name)) return '';
  const value = headers[name];
  const last = Buffer.isBuffer(value) ? value : value?.at(-1);
  return last?.toString('utf8') ?? '';
}

/** One line of `dlq list`. */
export function renderListLine(record: InputRecord, facts: DeadLetterFacts): string {
  const bytes = record.value === null ? 'no value' : `${record.value.length} bytes`;
  return [
    `${record.partition}/${record.offset}`.padEnd(12),
    formatTime(record.timestampMs).padEnd(24),
    escapeText(facts.code).padEnd(24),
    `from ${escapeText(facts.source)}, ${bytes}: ${escapeText(facts.message, 160)}\n`,
  ].join('  ');
}

/** `dlq show`: everything about one record. Its bytes are what was refused: shown as hex, never raw. */
export function renderRecord(record: InputRecord, facts: DeadLetterFacts): string {
  const lines = [
    `dead letter ${record.partition}/${record.offset} of ${escapeText(record.topic)}`,
    `  code     ${escapeText(facts.code)} (stage ${escapeText(facts.stage)})`,
    `  message  ${escapeText(facts.message, 1_000)}`,
    `  from     ${escapeText(facts.source)}`,
    `  time     ${formatTime(record.timestampMs)}`,
    `  key      ${record.key === null ? 'none' : escapeText(record.key.toString('utf8'))}`,
    '  headers',
  ];
  for (const [name, value] of Object.entries(record.headers ?? {})) {
    for (const one of Buffer.isBuffer(value) ? [value] : value) {
      lines.push(`    ${escapeText(name)}: ${escapeText(one.toString('utf8'))}`);
    }
  }
  lines.push(record.value === null ? '  value    none (tombstone)' : `  value    ${record.value.length} bytes`);
  if (record.value !== null && record.value.length > 0) lines.push(hexDump(record.value));
  return `${lines.join('\n')}\n`;
}

/** For machines: bytes in Base64. */
export function recordJson(record: InputRecord, facts: DeadLetterFacts): Record<string, unknown> {
  const headers = Object.entries(record.headers ?? {}).map(([name, value]) => [
    name,
    (Buffer.isBuffer(value) ? [value] : value).map((one) => one.toString('base64')),
  ]);
  return {
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestampMs,
    code: facts.code,
    message: facts.message,
    stage: facts.stage,
    source: facts.source,
    key_base64: record.key?.toString('base64') ?? null,
    value_base64: record.value?.toString('base64') ?? null,
    headers_base64: Object.fromEntries(headers) as Record<string, string[]>,
  };
}

/** Counts by code, most frequent first. */
export function renderCounts(counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].sort(([a, n], [b, m]) => m - n || a.localeCompare(b));
  return rows.map(([code, count]) => `${String(count).padStart(8)}  ${escapeText(code)}\n`).join('');
}

function formatTime(ms: number): string {
  return ms >= 0 && ms <= 8.64e15 ? new Date(ms).toISOString() : 'no time';
}
