import { isCurrency } from '../domain/currency.ts';
import { didYouMean } from '../domain/suggest.ts';
import { CHANNELS, LABEL_SOURCES } from '../domain/transaction.ts';
import { parseDurationMs } from '../features/duration.ts';
import {
  OPTIONAL_TEXTS,
  REQUIRED_TEXTS,
  type AmountFormat,
  type AmountSource,
  type FileLayout,
  type LabelRule,
  type Mapping,
  type OptionalText,
  type RequiredText,
  type SkipRule,
  type TextSource,
} from './mapping.ts';
import { MappingYaml, quoted, type YamlValue } from './mapping-yaml.ts';
import { SOURCE_KEYS, SourceParser } from './parse-source.ts';

const PARTS = ['version', 'file', 'fields', 'attributes', 'label', 'skip_when'] as const;
const FILE_KEYS = ['format', 'encoding', 'delimiter', 'quote', 'trim', 'header', 'columns', 'nulls'] as const;
const FIELDS = [...REQUIRED_TEXTS, 'event_time', 'amount', ...OPTIONAL_TEXTS, 'channel', 'lat', 'lon'] as const;
const NEEDED: readonly string[] = [...REQUIRED_TEXTS, 'event_time', 'amount'];
const AMOUNT_KEYS = [
  ...SOURCE_KEYS,
  'unit',
  'exponent',
  'round',
  'negative',
  'decimal_separator',
  'group_separator',
  'strip',
] as const;
const LABEL_KEYS = ['column', 'fraud', 'genuine', 'delay', 'at', 'source'] as const;
const SKIP_KEYS = ['column', 'in', 'not_in'] as const;
const ATTRIBUTES_MAX = 64;

/** What the contract asks of texts that stand in the mapping itself. */
const CHECKS: Readonly<Record<string, (text: string) => string | null>> = {
  currency: (text) => (isCurrency(text) ? null : 'is no ISO 4217 code such as EUR'),
  mcc: (text) => (/^\d{4}$/.test(text) ? null : 'is not four digits'),
  country: (text) => (/^[A-Z]{2}$/.test(text) ? null : 'is not two capitals'),
  channel: (text) =>
    CHANNELS.some((one) => one === text) ? null : `is none of ${CHANNELS.join(', ')}${didYouMean(text, CHANNELS)}`,
};

/** Throws FS_MAPPING_INVALID with one line per problem, `file:line: what`. */
export function parseMapping(text: string, fileName: string): Mapping {
  return new MappingParser(new MappingYaml(fileName)).parse(text);
}

class MappingParser {
  private readonly yaml: MappingYaml;
  private readonly sources: SourceParser;

  constructor(yaml: MappingYaml) {
    this.yaml = yaml;
    this.sources = new SourceParser(yaml);
  }

  parse(text: string): Mapping {
    // Declared with its type, so that the compiler knows that `fail` does not return.
    const yaml: MappingYaml = this.yaml;
    const { sources } = this;
    const root = yaml.entries(yaml.root(text), 'a mapping', PARTS);
    const version = root.get('version');
    if (version === undefined || yaml.text(version, 'version') !== '1') {
      yaml.problem(version?.line ?? 1, 'a mapping begins with "version: 1"');
    }
    const layout = this.layout(root.get('file'));
    const fieldsAt = root.get('fields');
    if (fieldsAt === undefined) {
      yaml.problem(1, `a mapping needs fields: ${NEEDED.join(', ')}`);
      yaml.fail();
    }
    const fields = yaml.entries(fieldsAt, 'fields', FIELDS);
    if (fields.has('amount_minor')) {
      yaml.problem(fields.get('amount_minor')!.line, 'amount_minor is written as amount with "unit: minor"');
    }
    for (const field of NEEDED) {
      if (fields.has(field)) continue;
      yaml.problem(fieldsAt.line, `${field} is missing; when the file has none, say what it is: { value: … }`);
    }
    const one = (field: string): TextSource | null => {
      const value = fields.get(field);
      return value === undefined ? null : sources.text(field, value, CHECKS[field]);
    };
    const ids = new Map<RequiredText, TextSource>();
    for (const field of REQUIRED_TEXTS) {
      const source = one(field);
      if (source !== null) ids.set(field, source);
    }
    const optional = Object.fromEntries(OPTIONAL_TEXTS.map((field) => [field, one(field)]));
    const channel = one('channel');
    const time = fields.get('event_time');
    const eventTime = time === undefined ? null : sources.time('event_time', time);
    const amountAt = fields.get('amount');
    const amount = amountAt === undefined ? null : this.amount(amountAt);
    const [lat, lon] = [one('lat'), one('lon')];
    if ((lat === null) !== (lon === null)) {
      yaml.problem(fieldsAt.line, 'lat and lon belong together: give both or neither');
    }
    const attributes = this.attributes(root.get('attributes'));
    const labelAt = root.get('label');
    const label = labelAt === undefined ? null : this.label(labelAt);
    const skipWhen = this.skipWhen(root.get('skip_when'));
    this.checkColumns(layout);
    if (yaml.problemCount > 0 || eventTime === null || amount === null) yaml.fail();
    return {
      fileName: yaml.fileName,
      layout,
      ids: Object.fromEntries(ids) as Record<RequiredText, TextSource>,
      optional: optional as Record<OptionalText, TextSource | null>,
      channel,
      eventTime,
      amount,
      lat,
      lon,
      attributes,
      label,
      skipWhen,
      columns: sources.columns,
    };
  }

  private layout(value: YamlValue | undefined): FileLayout {
    const { yaml } = this;
    const entries = value === undefined ? new Map<string, YamlValue>() : yaml.entries(value, 'file', FILE_KEYS);
    const flag = (key: string, otherwise: boolean): boolean => {
      const word = yaml.choice(entries.get(key), `file: ${key}`, ['true', 'false']);
      return word === null ? otherwise : word === 'true';
    };
    const delimiter = this.character(entries.get('delimiter'), 'file: delimiter', { tab: '\t' }) ?? ',';
    const quote = this.character(entries.get('quote'), 'file: quote', { none: '' }) ?? '"';
    if (delimiter === quote) yaml.problem(value?.line ?? 1, 'file: delimiter and quote are the same');
    const columnsAt = entries.get('columns');
    const columns = yaml.list(columnsAt, 'file: columns');
    if (entries.has('header') && flag('header', true) === (columns !== null)) {
      yaml.problem(
        entries.get('header')!.line,
        'file: columns names the columns of a file without a header, and only of it',
      );
    }
    if (columns !== null && new Set(columns).size < columns.length) {
      yaml.problem(columnsAt!.line, 'file: columns has a name twice');
    }
    return {
      format: yaml.choice(entries.get('format'), 'file: format', ['csv', 'jsonl', 'avro']),
      encoding: yaml.choice(entries.get('encoding'), 'file: encoding', ['utf-8', 'latin1']) ?? 'utf-8',
      delimiter,
      quote: quote === '' ? null : quote,
      trim: flag('trim', false),
      columns,
      nulls: yaml.list(entries.get('nulls'), 'file: nulls') ?? [''],
    };
  }

  /** One ASCII character that cannot be a part of a line's end; or a word for one. */
  private character(value: YamlValue | undefined, what: string, words: Record<string, string>): string | null {
    const text = this.yaml.text(value, what);
    if (text === null || value === undefined) return null;
    const word = Object.hasOwn(words, text) ? words[text] : undefined;
    if (word !== undefined) return word;
    if (/^[\t\x20-\x7e]$/.test(text)) return text;
    this.yaml.problem(value.line, `${what} must be one ASCII character or ${Object.keys(words).join(', ')}`);
    return null;
  }

  private amount(value: YamlValue): AmountSource | null {
    const { yaml } = this;
    const entries = yaml.entries(value, 'amount', AMOUNT_KEYS);
    const text = this.sources.textOf('amount', value, entries);
    const unit = yaml.choice(entries.get('unit'), 'amount: unit', ['major', 'minor']);
    if (!entries.has('unit')) {
      yaml.problem(value.line, 'amount needs a unit: major (12.50 is twelve euros fifty) or minor (1250 is the same)');
    }
    const exponentAt = entries.get('exponent');
    const exponent = yaml.text(exponentAt, 'amount: exponent');
    if (exponent !== null && !/^\d$/.test(exponent)) {
      yaml.problem(exponentAt!.line, 'amount: exponent must be 0 to 9: the decimals of the minor unit');
    }
    const decimal = yaml.choice(entries.get('decimal_separator'), 'amount: decimal_separator', ['.', ',']) ?? '.';
    const group = this.character(entries.get('group_separator'), 'amount: group_separator', {});
    if (group !== null && (group === decimal || /[\d+-]/.test(group))) {
      yaml.problem(
        entries.get('group_separator')!.line,
        'amount: group_separator is the decimal separator, a digit or a sign',
      );
    }
    const strip = yaml.text(entries.get('strip'), 'amount: strip');
    if (strip !== null && (strip === '' || /[\d.,+-]/.test(strip))) {
      yaml.problem(entries.get('strip')!.line, 'amount: strip must be a text without digits, signs and separators');
    }
    const format: AmountFormat = {
      unit: unit ?? 'major',
      exponent: exponent === null ? null : Number(exponent),
      round: yaml.choice(entries.get('round'), 'amount: round', ['refuse', 'half_even']) ?? 'refuse',
      negative: yaml.choice(entries.get('negative'), 'amount: negative', ['refuse', 'absolute']) ?? 'refuse',
      decimal,
      group,
      strip,
    };
    return text === null ? null : { text, format };
  }

  private attributes(value: YamlValue | undefined): Map<string, TextSource> {
    const attributes = new Map<string, TextSource>();
    if (value === undefined) return attributes;
    for (const [name, one] of this.yaml.entries(value, 'attributes', null)) {
      if (!/^[\w.-]{1,64}$/.test(name) || name === '__proto__') {
        this.yaml.problem(one.line, `attributes: ${quoted(name)} must be 1–64 letters, digits, _ . -`);
      }
      const source = this.sources.text(`attributes.${name}`, one);
      if (source !== null) attributes.set(name, source);
    }
    if (attributes.size > ATTRIBUTES_MAX) this.yaml.problem(value.line, `more than ${ATTRIBUTES_MAX} attributes`);
    return attributes;
  }

  private label(value: YamlValue): LabelRule | null {
    const { yaml } = this;
    const entries = yaml.entries(value, 'label', LABEL_KEYS);
    const column = yaml.text(entries.get('column'), 'label: column');
    const fraud = new Set(yaml.list(entries.get('fraud'), 'label: fraud') ?? []);
    const genuine = new Set(yaml.list(entries.get('genuine'), 'label: genuine') ?? []);
    if (column === null || fraud.size === 0 || genuine.size === 0) {
      yaml.problem(value.line, 'label needs a column, and lists of the texts that mean fraud and genuine');
    }
    for (const text of fraud) {
      if (genuine.has(text)) yaml.problem(value.line, `label: ${quoted(text)} means both fraud and genuine`);
    }
    const at = entries.get('at');
    const delayAt = entries.get('delay');
    const delay = yaml.text(delayAt, 'label: delay');
    const delayMs = delay === null ? null : parseDurationMs(delay === '0' ? '0s' : delay);
    if (delay !== null && delayMs === null) {
      yaml.problem(delayAt!.line, `label: delay: ${quoted(delay)} is not a duration such as 7d or 0`);
    }
    if ((at === undefined) === (delayAt === undefined)) {
      yaml.problem(value.line, 'label needs either delay, such as 7d, or at: the column with the time of the verdict');
    }
    const source = yaml.choice(entries.get('source'), 'label: source', LABEL_SOURCES) ?? 'OTHER';
    const time = at === undefined ? null : this.sources.time('label.at', at);
    if (column === null) return null;
    const origin = { kind: 'column', column: this.sources.column(column, value.line) } as const;
    return { text: { field: 'label', origin, map: null, fallback: null }, fraud, genuine, delayMs, at: time, source };
  }

  private skipWhen(value: YamlValue | undefined): SkipRule[] {
    const { yaml } = this;
    if (value === undefined) return [];
    return yaml.items(value, 'skip_when').flatMap((item) => {
      const entries = yaml.entries(item, 'skip_when', SKIP_KEYS);
      const column = yaml.text(entries.get('column'), 'skip_when: column');
      const inList = yaml.list(entries.get('in'), 'skip_when: in');
      const outList = yaml.list(entries.get('not_in'), 'skip_when: not_in');
      const list = inList ?? outList;
      if (column === null || list === null || (inList !== null && outList !== null)) {
        yaml.problem(item.line, 'a rule of skip_when has a column and either in or not_in, a list of texts');
        return [];
      }
      return [{ column: this.sources.column(column, item.line), texts: new Set(list), when: inList !== null }];
    });
  }

  /** Where the mapping itself names the columns of the file, a wrong one is known before there is a file. */
  private checkColumns({ columns }: FileLayout): void {
    if (columns === null) return;
    for (const [name, line] of this.sources.columns) {
      if (columns.includes(name)) continue;
      this.yaml.problem(line, `there is no column ${quoted(name)} in file: columns${didYouMean(name, columns)}`);
    }
  }
}
