import { isMap, isSeq, type Node } from 'yaml';
import { LIMITS } from '../domain/limits.ts';
import { didYouMean } from '../domain/suggest.ts';
import {
  AGGREGATES,
  isValueField,
  LABEL_FIELDS,
  LOOKS_BACK,
  ruleOf,
  USER,
  VALUE_FIELDS,
  type Aggregate,
  type Catalogue,
  type FeatureDeclaration,
} from './catalogue.ts';
import { CatalogueYaml, type YamlField } from './catalogue-yaml.ts';
import { describeDuration, parseDurationMs } from './duration.ts';
import { EarlierFeatures } from './earlier-features.ts';
import { parseReason } from './parse-reason.ts';
import { compileFeatureExpression, type FeatureExpression } from './feature-expression.ts';
import { parseWhere } from './where-conditions.ts';

const FEATURE_KEYS = [
  'name',
  'aggregate',
  'entity',
  'window',
  'delay',
  'current',
  'of',
  'where',
  'among',
  'since',
  'n',
  'trim',
  'min_count',
  'reason',
  'description',
];
const NAME = /^[a-z][a-z0-9_]{0,63}$/;
const WINDOW_MS_MAX = 366 * 86_400_000;

/**
 * @param text YAML of a catalogue
 * @param fileName for messages
 * Throws FS_CATALOGUE_INVALID: its message has one line per problem, each `file:line: what is wrong`.
 */
export function parseCatalogue(text: string, fileName: string): Catalogue {
  return new CatalogueParser(fileName).parse(text);
}

class CatalogueParser {
  private readonly yaml: CatalogueYaml;
  private readonly earlier = new EarlierFeatures();

  constructor(fileName: string) {
    this.yaml = new CatalogueYaml(fileName);
  }

  parse(text: string): Catalogue {
    const root = this.yaml.rootOf(text);
    const fields = this.yaml.fieldsOf(root, ['version', 'features'], 'catalogue');
    if (this.yaml.scalar(fields.get('version')) !== 1) {
      this.yaml.problem(fields.get('version')?.line ?? 1, 'version must be 1');
    }
    const list = fields.get('features');
    const features: FeatureDeclaration[] = [];
    if (!list || !isSeq(list.node)) {
      this.yaml.problem(list?.line ?? 1, 'features must be a list');
    } else {
      if (list.node.items.length > LIMITS.catalogueFeaturesMax) {
        this.yaml.problem(list.line, `more than ${LIMITS.catalogueFeaturesMax} features`);
        this.yaml.fail();
      }
      for (const item of list.node.items) {
        const feature = this.feature(item as Node);
        if (feature) features.push(feature);
        this.earlier.add(feature);
      }
    }
    if (features.length === 0 && this.yaml.problemCount === 0) this.yaml.problem(1, 'the catalogue has no features');
    if (this.yaml.problemCount > 0) this.yaml.fail();
    return { features };
  }

  private feature(node: Node): FeatureDeclaration | null {
    const line = this.yaml.lineOf(node);
    if (!isMap(node)) {
      this.yaml.problem(line, 'a feature is a map with "name" and "aggregate"');
      return null;
    }
    const before = this.yaml.problemCount;
    const fields = this.yaml.fieldsOf(node, FEATURE_KEYS, 'feature');
    const name = this.name(fields, line);
    const aggregate = this.aggregate(fields, line);
    if (name === null || aggregate === null) return null;
    const rule = ruleOf(aggregate);
    const window = fields.get('window');
    let windowMs = 0;
    const windowed = rule.window !== 'none';
    if (windowed && (window || rule.window !== 'optional')) {
      const text = this.yaml.scalar(window);
      const parsed = typeof text === 'string' ? parseDurationMs(text) : null;
      if (parsed === null || parsed <= 0 || parsed > WINDOW_MS_MAX) {
        this.yaml.problem(
          window?.line ?? line,
          `${name}: ${aggregate} needs a window such as 10m, 1h or 30d (at most 366d)`,
        );
      } else windowMs = parsed;
    } else if (window) {
      this.yaml.problem(window.line, `${name}: ${aggregate} has no window`);
    }
    const delayMs = this.delay(fields.get('delay'), name, aggregate, windowMs);
    const keepable = (word: string): number | string | null => this.earlier.keepable(word);
    const among = rule.among ?? 'among';
    const expression = rule.of === 'expression' ? this.expression(fields.get('of'), name, line) : null;
    const declaration: FeatureDeclaration = {
      name,
      aggregate,
      windowMs,
      windowText: windowMs === 0 ? '' : describeDuration(windowMs),
      delayMs,
      entity: this.entity(fields.get('entity'), name, aggregate),
      includesCurrent: this.current(fields, name, windowed, delayMs > 0 || rule.earlier === true),
      kept: rule.of === 'kept' ? this.keptOf(fields.get('of'), name) : -1,
      n: this.number(fields, name, rule.numbers, 'n') + this.number(fields, name, rule.numbers, 'min_count'),
      trim: this.number(fields, name, rule.numbers, 'trim'),
      field: rule.of === 'field' ? this.valueField(fields.get('of'), name, line) : null,
      operands: expression?.operands ?? (rule.of === 'features' ? this.operands(fields.get('of'), name, line) : []),
      expression,
      where: parseWhere(this.yaml, fields.get('where'), name, rule.where, 'where', keepable),
      among: parseWhere(this.yaml, fields.get(among), name, rule.among !== undefined, among, keepable),
      reason: parseReason(this.yaml, fields.get('reason'), name),
      description: this.yaml.shortText(fields.get('description'), name, 'description') ?? '',
    };
    if (rule.of === 'none' && fields.has('of'))
      this.yaml.problem(fields.get('of')!.line, `${name}: ${aggregate} has no "of"`);
    for (const key of ['among', 'since']) {
      if (fields.has(key) && key !== among) this.yaml.problem(fields.get(key)!.line, `${name}: no "${key}" here`);
    }
    if (aggregate === 'count_since' && declaration.among.length === 0) {
      this.yaml.problem(line, `${name}: count_since needs "since"`);
    }
    const labelled = [...declaration.where, ...declaration.among].some((condition) => condition.kind === 'label');
    const unsaid = declaration.entity.find((word) => !LABEL_FIELDS.includes(word));
    if (labelled && unsaid !== undefined) {
      this.yaml.problem(line, `${name}: a verdict does not say the ${unsaid} of its payment: no "label" here`);
    }
    if (['share', 'rate', 'matches', 'streak', 'streak_age'].includes(aggregate) && declaration.where.length === 0) {
      this.yaml.problem(line, `${name}: ${aggregate} needs "where"`);
    }
    if (aggregate === 'matches' && declaration.where.some((condition) => condition.kind === 'label')) {
      this.yaml.problem(line, `${name}: nothing is known yet of this payment: "matches" takes no label`);
    }
    return this.yaml.problemCount > before ? null : declaration;
  }

  private name(fields: Map<string, YamlField>, line: number): string | null {
    const field = fields.get('name');
    const name = this.yaml.scalar(field);
    if (typeof name !== 'string' || !NAME.test(name)) {
      this.yaml.problem(field?.line ?? line, 'name must be lower-case letters, digits and _, at most 64, letter first');
      return null;
    }
    if (this.earlier.names.includes(name)) {
      this.yaml.problem(field!.line, `${name}: the name is used twice`);
      return null;
    }
    return name;
  }

  private aggregate(fields: Map<string, YamlField>, line: number): Aggregate | null {
    const field = fields.get('aggregate');
    const known = Object.keys(AGGREGATES);
    const word = this.yaml.scalar(field);
    if (typeof word === 'string' && known.includes(word)) return word as Aggregate;
    this.yaml.problem(field?.line ?? line, `unknown aggregate "${String(word)}"${didYouMean(String(word), known)}`);
    return null;
  }

  private keptOf(field: YamlField | undefined, name: string): number {
    if (!field) return -1;
    const word = String(this.yaml.scalar(field));
    const index = this.earlier.keepable(word);
    if (typeof index === 'number') return index;
    const why = index ?? `no earlier feature of this name${didYouMean(word, this.earlier.names)}`;
    this.yaml.problem(field.line, `${name}: of ${word}: ${why}`);
    return -1;
  }

  /** 0 where the aggregate takes none */
  private number(
    fields: Map<string, YamlField>,
    name: string,
    taken: readonly string[] | undefined,
    key: 'n' | 'trim' | 'min_count',
  ): number {
    const field = fields.get(key);
    if (taken?.includes(key) !== true) {
      if (field) this.yaml.problem(field.line, `${name}: no "${key}" here`);
      return 0;
    }
    const value = field ? this.yaml.scalar(field) : key === 'trim' ? 0 : 1;
    const isGood =
      key === 'trim' ? isBetween(value, 0, 0.499_999) : Number.isInteger(value) && isBetween(value, 1, 1_000);
    if (isGood) return value as number;
    const what = key === 'trim' ? 'a share below 0.5' : 'an integer from 1 to 1000';
    this.yaml.problem(field!.line, `${name}: ${key} is ${what}`);
    return 0;
  }

  private delay(field: YamlField | undefined, name: string, aggregate: Aggregate, windowMs: number): number {
    if (!field) return 0;
    const { window } = ruleOf(aggregate);
    if (window === 'none' || window === 'plain' || windowMs === 0) {
      this.yaml.problem(field.line, `${name}: ${aggregate} has no delay`);
      return 0;
    }
    const text = this.yaml.scalar(field);
    const parsed = typeof text === 'string' ? parseDurationMs(text) : null;
    if (parsed !== null && parsed <= WINDOW_MS_MAX) return parsed;
    this.yaml.problem(field.line, `${name}: delay is a duration such as 7d (at most 366d)`);
    return 0;
  }

  private entity(field: YamlField | undefined, name: string, aggregate: Aggregate): readonly string[] {
    if (!field) return [USER];
    if (ruleOf(aggregate).window === 'none' && !LOOKS_BACK.has(aggregate)) {
      this.yaml.problem(field.line, `${name}: ${aggregate} looks at no history: no "entity"`);
    }
    const nodes = isSeq(field.node) ? (field.node.items as Node[]) : [field.node];
    const words = nodes.map((node) => this.yaml.scalar({ node, line: field.line }));
    for (const word of words) {
      if (typeof word === 'string' && isValueField(word)) continue;
      const hint = didYouMean(String(word), VALUE_FIELDS);
      this.yaml.problem(field.line, `${name}: entity is a field of the transaction, or a list of two${hint}`);
    }
    if (words.length === 0 || words.length > 2 || new Set(words).size !== words.length) {
      this.yaml.problem(field.line, `${name}: entity is one field, or a list of two different ones`);
    }
    return words.map(String).sort();
  }

  private current(fields: Map<string, YamlField>, name: string, windowed: boolean, never: boolean): boolean {
    const field = fields.get('current');
    if (!field) return !never;
    if (never && this.yaml.scalar(field) !== 'exclude') {
      this.yaml.problem(field.line, `${name}: this payment itself never counts here: no "current"`);
    }
    const word = this.yaml.scalar(field);
    if (!windowed) this.yaml.problem(field.line, `${name}: "current" is for aggregates with a window`);
    else if (word !== 'include' && word !== 'exclude') {
      this.yaml.problem(field.line, `${name}: current is "include" or "exclude"`);
    }
    return word !== 'exclude';
  }

  private valueField(field: YamlField | undefined, name: string, line: number): string | null {
    const word = this.yaml.scalar(field);
    if (typeof word === 'string' && isValueField(word)) return word;
    const hint = typeof word === 'string' ? didYouMean(word, VALUE_FIELDS) : '';
    this.yaml.problem(
      field?.line ?? line,
      `${name}: "of" must be a field of the transaction or attributes.<key>${hint}`,
    );
    return null;
  }

  private expression(field: YamlField | undefined, name: string, line: number): FeatureExpression | null {
    const compiled = compileFeatureExpression(this.yaml.scalar(field), this.earlier.names);
    if (typeof compiled !== 'string') return compiled;
    this.yaml.problem(field?.line ?? line, `${name}: ${compiled}`);
    return null;
  }

  private operands(field: YamlField | undefined, name: string, line: number): number[] {
    const list =
      field && isSeq(field.node) ? field.node.items.map((item) => this.yaml.scalar({ node: item as Node, line })) : [];
    if (list.length !== 2) {
      this.yaml.problem(field?.line ?? line, `${name}: "of" must list two earlier features`);
      return [];
    }
    return list.map((word) => {
      const index = this.earlier.names.indexOf(String(word));
      if (index < 0 || word === '') {
        this.yaml.problem(
          field!.line,
          `${name}: no earlier feature "${String(word)}"${didYouMean(String(word), this.earlier.names)}`,
        );
      }
      return index;
    });
  }
}

function isBetween(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}
