import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument, type Node, type YAMLMap } from 'yaml';
import { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { didYouMean } from '../domain/suggest.ts';
import {
  AGGREGATES,
  REASON_UNITS,
  VALUE_FIELDS,
  type Aggregate,
  type Catalogue,
  type FeatureDeclaration,
  type ReasonRule,
  type ReasonUnit,
  type WhereCondition,
} from './catalogue.ts';
import { describeDuration, parseDurationMs } from './duration.ts';

const FEATURE_KEYS = ['name', 'aggregate', 'window', 'current', 'of', 'where', 'reason', 'description'];
const REASON_KEYS = ['at_least', 'at_most', 'times_usual', 'text', 'unit', 'weight'];
const NAME = /^[a-z][a-z0-9_]{0,63}$/;
const WINDOW_MS_MAX = 366 * 86_400_000;

/**
 * @param text YAML of a catalogue
 * @param fileName for messages
 * Throws FS_CATALOGUE_INVALID: its message has one line per problem, each `file:line: what is wrong`.
 */
export function parseCatalogue(text: string, fileName: string): Catalogue {
  return new CatalogueParser(text, fileName).parse();
}

type Field = { node: Node | null; line: number };

class CatalogueParser {
  private readonly fileName: string;
  private readonly text: string;
  private readonly lines = new LineCounter();
  private readonly problems: string[] = [];
  private readonly names: string[] = [];

  constructor(text: string, fileName: string) {
    this.text = text;
    this.fileName = fileName;
  }

  parse(): Catalogue {
    const document = parseDocument(this.text, { lineCounter: this.lines, prettyErrors: false, uniqueKeys: true });
    for (const error of document.errors) this.problem(this.lineAt(error.pos[0]), `not valid YAML (${error.code})`);
    if (this.problems.length > 0) this.fail();
    const root = document.contents;
    if (!isMap(root)) {
      this.problem(1, 'a catalogue is a map with "version" and "features"');
      this.fail();
    }
    const fields = this.fieldsOf(root as YAMLMap, ['version', 'features'], 'catalogue');
    if (this.scalar(fields.get('version')) !== 1) {
      this.problem(fields.get('version')?.line ?? 1, 'version must be 1');
    }
    const list = fields.get('features');
    const features: FeatureDeclaration[] = [];
    if (!list || !isSeq(list.node)) {
      this.problem(list?.line ?? 1, 'features must be a list');
    } else {
      if (list.node.items.length > LIMITS.catalogueFeaturesMax) {
        this.problem(list.line, `more than ${LIMITS.catalogueFeaturesMax} features`);
        this.fail();
      }
      for (const item of list.node.items) {
        const feature = this.feature(item as Node);
        if (feature) features.push(feature);
        this.names.push(feature?.name ?? '');
      }
    }
    if (features.length === 0 && this.problems.length === 0) this.problem(1, 'the catalogue has no features');
    if (this.problems.length > 0) this.fail();
    return { features };
  }

  private feature(node: Node): FeatureDeclaration | null {
    const line = this.lineOf(node);
    if (!isMap(node)) {
      this.problem(line, 'a feature is a map with "name" and "aggregate"');
      return null;
    }
    const before = this.problems.length;
    const fields = this.fieldsOf(node, FEATURE_KEYS, 'feature');
    const name = this.name(fields, line);
    const aggregate = this.aggregate(fields, line);
    if (name === null || aggregate === null) return null;
    const rule = AGGREGATES[aggregate];
    const window = fields.get('window');
    let windowMs = 0;
    if (rule.window === 'required') {
      const text = this.scalar(window);
      const parsed = typeof text === 'string' ? parseDurationMs(text) : null;
      if (parsed === null || parsed <= 0 || parsed > WINDOW_MS_MAX) {
        this.problem(
          window?.line ?? line,
          `${name}: ${aggregate} needs a window such as 10m, 1h or 30d (at most 366d)`,
        );
      } else windowMs = parsed;
    } else if (window) {
      this.problem(window.line, `${name}: ${aggregate} has no window`);
    }
    const declaration: FeatureDeclaration = {
      name,
      aggregate,
      windowMs,
      windowText: windowMs === 0 ? '' : describeDuration(windowMs),
      includesCurrent: this.current(fields, name, rule.window === 'required'),
      field: rule.of === 'field' ? this.valueField(fields.get('of'), name, line) : null,
      operands: rule.of === 'features' ? this.operands(fields.get('of'), name, line) : [],
      where: this.where(fields.get('where'), name, rule.where),
      reason: this.reason(fields.get('reason'), name),
      description: this.text_(fields.get('description'), name, 'description') ?? '',
    };
    if (rule.of === 'none' && fields.has('of'))
      this.problem(fields.get('of')!.line, `${name}: ${aggregate} has no "of"`);
    if ((aggregate === 'share' || aggregate === 'matches') && declaration.where.length === 0) {
      this.problem(line, `${name}: ${aggregate} needs "where"`);
    }
    return this.problems.length > before ? null : declaration;
  }

  private name(fields: Map<string, Field>, line: number): string | null {
    const field = fields.get('name');
    const name = this.scalar(field);
    if (typeof name !== 'string' || !NAME.test(name)) {
      this.problem(field?.line ?? line, 'name must be lower-case letters, digits and _, at most 64, letter first');
      return null;
    }
    if (this.names.includes(name)) {
      this.problem(field!.line, `${name}: the name is used twice`);
      return null;
    }
    return name;
  }

  private aggregate(fields: Map<string, Field>, line: number): Aggregate | null {
    const field = fields.get('aggregate');
    const known = Object.keys(AGGREGATES);
    const word = this.scalar(field);
    if (typeof word === 'string' && known.includes(word)) return word as Aggregate;
    this.problem(field?.line ?? line, `unknown aggregate "${String(word)}"${didYouMean(String(word), known)}`);
    return null;
  }

  private current(fields: Map<string, Field>, name: string, windowed: boolean): boolean {
    const field = fields.get('current');
    if (!field) return true;
    const word = this.scalar(field);
    if (!windowed) this.problem(field.line, `${name}: "current" is for aggregates with a window`);
    else if (word !== 'include' && word !== 'exclude') {
      this.problem(field.line, `${name}: current is "include" or "exclude"`);
    }
    return word !== 'exclude';
  }

  private valueField(field: Field | undefined, name: string, line: number): string | null {
    const word = this.scalar(field);
    if (typeof word === 'string' && isValueField(word)) return word;
    const hint = typeof word === 'string' ? didYouMean(word, VALUE_FIELDS) : '';
    this.problem(field?.line ?? line, `${name}: "of" must be a field of the transaction or attributes.<key>${hint}`);
    return null;
  }

  private operands(field: Field | undefined, name: string, line: number): number[] {
    const list =
      field && isSeq(field.node) ? field.node.items.map((item) => this.scalar({ node: item as Node, line })) : [];
    if (list.length !== 2) {
      this.problem(field?.line ?? line, `${name}: "of" must list two earlier features`);
      return [];
    }
    return list.map((word) => {
      const index = this.names.indexOf(String(word));
      if (index < 0 || word === '') {
        this.problem(
          field!.line,
          `${name}: no earlier feature "${String(word)}"${didYouMean(String(word), this.names)}`,
        );
      }
      return index;
    });
  }

  private where(field: Field | undefined, name: string, allowed: boolean): WhereCondition[] {
    if (!field) return [];
    if (!allowed || !isMap(field.node)) {
      this.problem(field.line, allowed ? `${name}: "where" is a map of field: value` : `${name}: no "where" here`);
      return [];
    }
    const conditions: WhereCondition[] = [];
    for (const pair of field.node.items) {
      const key = String(isScalar(pair.key) ? pair.key.value : '');
      const line = this.lineOf(pair.key as Node);
      const value = pair.value as Node | null;
      if (key === 'amount_minor') {
        const amount = this.amountCondition(value, name, line);
        if (amount) conditions.push(amount);
      } else if (!isValueField(key)) {
        this.problem(
          line,
          `${name}: unknown field "${key}" in where${didYouMean(key, [...VALUE_FIELDS, 'amount_minor'])}`,
        );
      } else {
        conditions.push(this.fieldCondition(key, value, name, line));
      }
    }
    return conditions;
  }

  private fieldCondition(key: string, value: Node | null, name: string, line: number): WhereCondition {
    let negate = false;
    let node = value;
    if (isMap(value)) {
      const fields = this.fieldsOf(value, ['not'], `where of ${name}`);
      negate = true;
      node = fields.get('not')?.node ?? null;
    }
    const words = isSeq(node)
      ? node.items.map((item) => this.scalar({ node: item as Node, line }))
      : [this.scalar({ node, line })];
    const values = words.map(String);
    if (words.length === 0 || words.some((word) => typeof word !== 'string')) {
      this.problem(line, `${name}: ${key} is compared with text (put digits in quotes)`);
    }
    return { kind: 'field', field: key, values, negate };
  }

  private amountCondition(value: Node | null, name: string, line: number): WhereCondition | null {
    if (!isMap(value)) {
      this.problem(line, `${name}: amount_minor takes {over: …, at_most: …}`);
      return null;
    }
    const fields = this.fieldsOf(value, ['over', 'at_most'], `where of ${name}`);
    const bound = (key: string, fallback: number): number => {
      const field = fields.get(key);
      const number = field ? this.scalar(field) : fallback;
      if (typeof number === 'number' && !Number.isNaN(number)) return number;
      this.problem(field?.line ?? line, `${name}: ${key} must be a number of minor units`);
      return fallback;
    };
    return { kind: 'amount', overMinor: bound('over', -1), atMostMinor: bound('at_most', Infinity) };
  }

  private reason(field: Field | undefined, name: string): ReasonRule | null {
    if (!field) return null;
    if (!isMap(field.node)) {
      this.problem(field.line, `${name}: "reason" is a map with "text"`);
      return null;
    }
    const fields = this.fieldsOf(field.node, REASON_KEYS, `reason of ${name}`);
    const number = (key: string, fallback: number): number => {
      const given = fields.get(key);
      const value = given ? this.scalar(given) : fallback;
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      this.problem(given?.line ?? field.line, `${name}: ${key} must be a number`);
      return fallback;
    };
    const text = this.text_(fields.get('text'), name, 'text');
    if (text === null) this.problem(field.line, `${name}: a reason needs a text`);
    const unit = fields.has('unit') ? this.scalar(fields.get('unit')) : 'number';
    if (!REASON_UNITS.includes(unit as ReasonUnit)) {
      this.problem(fields.get('unit')!.line, `${name}: unit is one of ${REASON_UNITS.join(', ')}`);
    }
    const atMost = fields.has('at_most') ? number('at_most', 0) : null;
    return {
      atLeast: fields.has('at_least') ? number('at_least', 0) : atMost === null ? 0 : -Infinity,
      atMost,
      timesUsual: number('times_usual', 0),
      text: text ?? '',
      unit: unit as ReasonUnit,
      weight: number('weight', 1),
    };
  }

  private text_(field: Field | undefined, name: string, key: string): string | null {
    if (!field) return null;
    const value = this.scalar(field);
    if (typeof value === 'string' && value.length <= 300) return value;
    this.problem(field.line, `${name}: ${key} must be a text of at most 300 characters`);
    return null;
  }

  private fieldsOf(map: YAMLMap, known: readonly string[], what: string): Map<string, Field> {
    const fields = new Map<string, Field>();
    for (const pair of map.items) {
      const key = String(isScalar(pair.key) ? pair.key.value : '');
      const line = this.lineOf(pair.key as Node);
      if (!known.includes(key)) this.problem(line, `unknown key "${key}" in ${what}${didYouMean(key, known)}`);
      fields.set(key, { node: pair.value as Node | null, line });
    }
    return fields;
  }

  private scalar(field: Field | undefined): unknown {
    const node = field?.node;
    if (isAlias(node)) this.problem(field!.line, 'aliases are not used in a catalogue');
    return isScalar(node) ? node.value : undefined;
  }

  private lineAt(offset: number): number {
    return this.lines.linePos(offset).line;
  }

  private lineOf(node: Node | null): number {
    return node?.range ? this.lineAt(node.range[0]) : 1;
  }

  private problem(line: number, what: string): void {
    this.problems.push(`${this.fileName}:${line}: ${what}`);
  }

  private fail(): never {
    throw new FraudstreamError(
      'FS_CATALOGUE_INVALID',
      `${this.problems.length} problem(s)\n${this.problems.join('\n')}`,
    );
  }
}

export function isValueField(word: string): boolean {
  return (VALUE_FIELDS as readonly string[]).includes(word) || /^attributes\.[^\s]{1,64}$/.test(word);
}
