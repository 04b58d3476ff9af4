import type { TextOrigin, TextSource, TimeFormat, TimeSource } from './mapping.ts';
import { TIME_UNITS } from './mapping.ts';
import { quoted, type MappingYaml, type YamlEntries, type YamlValue } from './mapping-yaml.ts';
import { compileTime, offsetToMs } from './time-text.ts';

const ORIGINS = ['column', 'value', 'template', 'row_number'] as const;
export const SOURCE_KEYS = [...ORIGINS, 'map', 'default'] as const;
const TIME_KEYS = ['column', 'template', 'value', 'format', 'timezone', 'since'] as const;
const DAY = /^\d{4}-\d{2}-\d{2}/;

/** Reads where a value is from, and remembers each column with the line that names it first. */
export class SourceParser {
  readonly columns = new Map<string, number>();
  private readonly yaml: MappingYaml;

  constructor(yaml: MappingYaml) {
    this.yaml = yaml;
  }

  column(name: string, line: number): string {
    if (!this.columns.has(name)) this.columns.set(name, line);
    return name;
  }

  /** `check`: is a text that stands in the mapping itself one that the field can have? Else why not. */
  text(field: string, value: YamlValue, check: (text: string) => string | null = () => null): TextSource | null {
    const entries = this.yaml.entries(value, field, SOURCE_KEYS);
    return this.textOf(field, value, entries, check);
  }

  /** The same from a map that has further keys. */
  textOf(
    field: string,
    value: YamlValue,
    entries: YamlEntries,
    check: (text: string) => string | null = () => null,
  ): TextSource | null {
    const { yaml } = this;
    const origin = this.origin(field, value, entries);
    const checked = (text: string, line: number): string => {
      const why = check(text);
      if (why !== null) yaml.problem(line, `${field}: ${quoted(text)} ${why}`);
      return text;
    };
    const fallbackAt = entries.get('default');
    const fallback = yaml.text(fallbackAt, `${field}: default`);
    if (fallbackAt !== undefined && fallback !== null) checked(fallback, fallbackAt.line);
    const mapAt = entries.get('map');
    let map: Map<string, string> | null = null;
    if (mapAt !== undefined) {
      map = new Map();
      for (const [from, to] of yaml.entries(mapAt, `${field}: map`, null)) {
        const text = yaml.text(to, `${field}: map: ${quoted(from)}`);
        if (text !== null) map.set(from, checked(text, to.line));
      }
    }
    if (origin === null) return null;
    const fixed = origin.kind === 'value' || origin.kind === 'row_number';
    if (fixed && (map !== null || fallbackAt !== undefined)) {
      yaml.problem(value.line, `${field}: map and default belong to a column or template`);
    }
    if (origin.kind === 'value') checked(origin.value, value.line);
    return { field, origin, map, fallback };
  }

  private origin(field: string, value: YamlValue, entries: YamlEntries): TextOrigin | null {
    const { yaml } = this;
    const given = ORIGINS.filter((key) => entries.has(key));
    const [kind] = given;
    if (kind === undefined || given.length > 1) {
      // A wrong kind of node or key was said already.
      if (entries.size > 0 || given.length > 1) {
        yaml.problem(value.line, `${field} needs exactly one of ${ORIGINS.join(', ')}`);
      }
      return null;
    }
    const text = yaml.text(entries.get(kind), `${field}: ${kind}`);
    if (text === null) return null;
    switch (kind) {
      case 'column':
        return { kind, column: this.column(text, value.line) };
      case 'value':
        return { kind, value: text };
      case 'template':
        return this.template(field, text, value.line);
      case 'row_number':
        if (text !== 'true') yaml.problem(value.line, `${field}: row_number can only be true`);
        return { kind };
    }
  }

  /** `card-{number}`: a brace that is meant is written twice. */
  private template(field: string, text: string, line: number): TextOrigin | null {
    const parts: { text: string; column: string | null }[] = [];
    for (const [token, column] of text.matchAll(/\{\{|\}\}|\{([^{}]+)\}|[^{}]+|[{}]/g)) {
      if (token === '{' || token === '}') {
        this.yaml.problem(
          line,
          `${field}: ${quoted(text)} has a brace too many: columns are {name}, a brace is {{ or }}`,
        );
        return null;
      }
      if (column === undefined)
        parts.push({ text: token === '{{' || token === '}}' ? token[0]! : token, column: null });
      else parts.push({ text: '', column: this.column(column, line) });
    }
    return { kind: 'template', parts, text };
  }

  /** A time: its text, and how it is written. */
  time(field: string, value: YamlValue): TimeSource | null {
    const { yaml } = this;
    const entries = yaml.entries(value, field, TIME_KEYS);
    const text = this.textOf(field, value, entries);
    if (entries.size === 0) return null;
    const format = this.timeFormat(field, value, entries);
    if (text === null || format === null) return null;
    if (text.origin.kind === 'value' && Number.isNaN(compileTime(format)(text.origin.value))) {
      yaml.problem(value.line, `${field}: the value is not a time of its format`);
    }
    return { text, format };
  }

  private timeFormat(field: string, value: YamlValue, entries: YamlEntries): TimeFormat | null {
    const { yaml } = this;
    const at = entries.get('format');
    const text = yaml.text(at, `${field}: format`);
    if (at === undefined) {
      const known = `iso, ${TIME_UNITS.join(', ')} or a pattern such as "yyyy-MM-dd HH:mm:ss"`;
      yaml.problem(value.line, `${field} needs a format: ${known}`);
    }
    const unit = TIME_UNITS.find((one) => one === text);
    const misplaced = entries.get(unit === undefined ? 'since' : 'timezone');
    if (misplaced !== undefined && text !== null) {
      const why = unit === undefined ? `since belongs to ${TIME_UNITS.join(', ')}` : `${unit} have no timezone`;
      yaml.problem(misplaced.line, `${field}: ${why}`);
    }
    const offsetMs = this.offset(field, entries.get('timezone'));
    if (text === null) return null;
    if (unit !== undefined) return { kind: 'count', unit, sinceMs: this.since(field, entries.get('since')) };
    if (text === 'iso') return { kind: 'iso', offsetMs };
    try {
      const format: TimeFormat = { kind: 'pattern', pattern: text, offsetMs };
      compileTime(format);
      return format;
    } catch (error) {
      yaml.problem(at!.line, `${field}: format: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }

  private offset(field: string, value: YamlValue | undefined): number {
    const text = this.yaml.text(value, `${field}: timezone`);
    if (text === null || value === undefined) return 0;
    const ms = offsetToMs(text);
    if (!Number.isNaN(ms)) return ms;
    this.yaml.problem(value.line, `${field}: timezone must be UTC or a fixed offset such as "+01:00"`);
    return 0;
  }

  private since(field: string, value: YamlValue | undefined): number {
    const text = this.yaml.text(value, `${field}: since`);
    if (text === null || value === undefined) return 0;
    const ms = DAY.test(text) ? compileTime({ kind: 'iso', offsetMs: 0 })(text) : Number.NaN;
    if (!Number.isNaN(ms)) return ms;
    this.yaml.problem(value.line, `${field}: since must be a date such as 2018-04-01 or 2018-04-01T00:00:00Z`);
    return 0;
  }
}
