import { resolve } from 'node:path';
import type { OptionSpec } from './option-types.ts';
import { maskUrl, MASK, Secret } from './secret.ts';

export type ParsedValue = string | number | boolean | readonly string[] | Secret;

export type Parsed = { readonly ok: true; readonly value: ParsedValue } | { readonly ok: false; readonly why: string };

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1_000,
  mb: 1_000_000,
  gb: 1_000_000_000,
  kib: 1_024,
  mib: 1_048_576,
  gib: 1_073_741_824,
};
const LIST_ITEMS_MAX = 10_000;

/** `1h30m` → 5400000; null when it is no duration. A bare number but 0 has no unit and is refused. */
export function parseDurationMs(text: string): number | null {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    ms += Number(amount) * (DURATION_UNITS_MS[unit ?? ''] ?? Number.NaN);
  }
  return Number.isFinite(ms) ? Math.round(ms) : null;
}

/** `128MiB` → 134217728; null when it is no size. */
export function parseBytes(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text);
  if (match === null) return null;
  const factor = BYTE_UNITS[match[2] === '' ? 'b' : (match[2] ?? '').toLowerCase()];
  if (factor === undefined) return null;
  const bytes = Number(match[1]) * factor;
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : null;
}

/** ISO 8601 in UTC unless it says otherwise, or a duration: that long before `nowMs`. */
export function parseTimeMs(text: string, nowMs: number): number | null {
  const ago = parseDurationMs(text);
  if (ago !== null) return nowMs - ago;
  const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/.exec(text);
  if (iso === null) return null;
  const ms = Date.parse(iso[1] !== undefined && iso[4] === undefined ? `${text}Z` : text);
  // Date.parse takes 2026-02-31 for March: the day must come out again as it went in
  if (!Number.isFinite(ms)) return null;
  const day = Date.parse(`${text.slice(0, 10)}T00:00:00Z`);
  return new Date(day).toISOString().slice(0, 10) === text.slice(0, 10) ? ms : null;
}

export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  for (const [unit, factor] of Object.entries(DURATION_UNITS_MS).reverse()) {
    if (ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}

export function formatBytes(bytes: number): string {
  for (const [unit, factor] of [
    ['GiB', 1_073_741_824],
    ['MiB', 1_048_576],
    ['KiB', 1_024],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

export interface ParseContext {
  /** relative paths are resolved against it */
  readonly baseDir: string;
  readonly nowMs: number;
}

/**
 * The value of a text by its option's type, within its bounds. `why` completes "kafka.brokers: …" and never holds the
 * text of a secret or of a URL.
 */
export function parseValue(spec: OptionSpec, text: string | readonly string[], context: ParseContext): Parsed {
  if (spec.type === 'list') return parseList(spec, typeof text === 'string' ? splitList(text) : text);
  if (typeof text !== 'string') return refuse(`needs one value, not a list`);
  switch (spec.type) {
    case 'string':
    case 'url':
      return checkPattern(spec, text, text);
    case 'secret':
      return text === '' ? refuse('is empty') : accept(new Secret(text));
    case 'path':
      return text === '' || text.includes('\0') ? refuse('needs a path') : accept(resolve(context.baseDir, text));
    case 'bool':
      return parseBool(text);
    case 'enum':
      return (spec.values ?? []).includes(text)
        ? accept(text)
        : refuse(`${quote(text)} is not one of ${(spec.values ?? []).join(', ')}`);
    case 'int':
      return /^-?\d{1,16}$/.test(text)
        ? checkBounds(spec, Number(text), String)
        : refuse(`${quote(text)} is not a whole number`);
    case 'number':
      return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(text)
        ? checkBounds(spec, Number(text), String)
        : refuse(`${quote(text)} is not a number`);
    case 'duration':
      return checkBounds(spec, parseDurationMs(text), formatDuration, () => durationHint(text));
    case 'bytes':
      return checkBounds(
        spec,
        parseBytes(text),
        formatBytes,
        () => `${quote(text)} is not a size such as 64KiB or 1MiB`,
      );
    case 'time':
      return checkBounds(spec, parseTimeMs(text, context.nowMs), String, () => {
        return `${quote(text)} is not a time such as 2026-01-31, 2026-01-31T10:00:00Z or 2h (ago)`;
      });
  }
}

/** As a person would write it, with secrets masked. */
export function formatValue(spec: OptionSpec, value: ParsedValue | null): string {
  if (value === null) return '(not set)';
  if (value instanceof Secret) return MASK;
  if (spec.type === 'url') return String(value).split(',').map(maskUrl).join(',');
  if (spec.type === 'duration') return formatDuration(Number(value));
  if (spec.type === 'bytes') return formatBytes(Number(value));
  if (spec.type === 'time') return new Date(Number(value)).toISOString();
  return Array.isArray(value) ? value.join(',') : String(value as string | number | boolean);
}

/** A user's text in a message: short, and no control characters. */
export function quote(text: string): string {
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return JSON.stringify(shown).replaceAll(/[\u007f-\u009f\u2028\u2029]/g, '?');
}

function accept(value: ParsedValue): Parsed {
  return { ok: true, value };
}

function refuse(why: string): Parsed {
  return { ok: false, why };
}

function splitList(text: string): string[] {
  if (text.trim() === '') return [];
  return text.split(',').map((item) => item.trim());
}

function parseList(spec: OptionSpec, items: readonly string[]): Parsed {
  if (items.length > LIST_ITEMS_MAX) return refuse(`has more than ${LIST_ITEMS_MAX} items`);
  if (items.length === 0 && spec.default !== '') return refuse('is an empty list');
  for (const item of items) {
    if (item === '') return refuse('has an empty item');
    const checked = checkPattern(spec, item, item);
    if (!checked.ok) return checked;
  }
  return accept(items);
}

function parseBool(text: string): Parsed {
  if (text === 'true' || text === 'false') return accept(text === 'true');
  return refuse(`${quote(text)} is not true or false`);
}

function checkPattern(spec: OptionSpec, text: string, value: ParsedValue): Parsed {
  if (spec.pattern === undefined || spec.pattern.test(text)) return accept(value);
  const shown = spec.type === 'url' ? 'the value' : quote(text);
  return refuse(`${shown} is not ${spec.patternText ?? 'in the right form'}`);
}

function checkBounds(
  spec: OptionSpec,
  value: number | null,
  format: (value: number) => string,
  problem: () => string = () => 'is not a number',
): Parsed {
  if (value === null) return refuse(problem());
  if (spec.type === 'int' && !Number.isSafeInteger(value)) return refuse('is too large a number');
  if (spec.min !== undefined && value < spec.min) return refuse(`${format(value)} is less than ${format(spec.min)}`);
  if (spec.max !== undefined && value > spec.max) return refuse(`${format(value)} is more than ${format(spec.max)}`);
  return accept(value);
}

function durationHint(text: string): string {
  if (/^\d+(\.\d+)?$/.test(text)) return `${quote(text)} needs a unit: ms, s, m, h or d, such as ${text}s`;
  return `${quote(text)} is not a duration such as 250ms, 10s, 5m, 1h30m or 7d`;
}
