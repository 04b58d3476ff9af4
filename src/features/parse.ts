import { isMap, isSeq, type Node } from 'yaml';
import { LIMITS } from '../domain/limits.ts';
import { didYouMean } from '../domain/suggest.ts';
import {
  AGGREGATES,
  isValueField,
  LABEL_FIELDS,
  LOOKS_BACK,
  REASON_UNITS,
  USER,
  VALUE_FIELDS,
  type Aggregate,
  type Catalogue,
  type FeatureDeclaration,
  type ReasonRule,
  type ReasonUnit,
} from './catalogue.ts';
import { CatalogueYaml, type YamlField } from './catalogue-yaml.ts';
import { describeDuration, parseDurationMs } from './duration.ts';
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
  'reason',
  'description',
];
const REASON_KEYS = ['at_least', 'at_most', 'times_usual', 'text', 'unit', 'weight'];
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
  private readonly names: string[] = [];

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
        this.names.push(feature?.name ?? '');
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
    const rule = AGGREGATES[aggregate];
    const window = fields.get('window');
    let windowMs = 0;
    const windowed = rule.window !== 'none';
    if (windowed) {
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
    const delayMs = this.delay(fields.get('delay'), name, aggregate);
    const declaration: FeatureDeclaration = {
      name,
      aggregate,
      windowMs,
      windowText: windowMs === 0 ? '' : describeDuration(windowMs),
      delayMs,
      entity: this.entity(fields.get('entity'), name, aggregate),
      includesCurrent: this.current(fields, name, windowed, delayMs),
      field: rule.of === 'field' ? this.valueField(fields.get('of'), name, line) : null,
      operands: rule.of === 'features' ? this.operands(fields.get('of'), name, line) : [],
      where: parseWhere(this.yaml, fields.get('where'), name, rule.where),
      among: parseWhere(this.yaml, fields.get('among'), name, 'among' in rule, 'among'),
      reason: this.reason(fields.get('reason'), name),
      description: this.yaml.shortText(fields.get('description'), name, 'description') ?? '',
    };
    if (rule.of === 'none' && fields.has('of'))
      this.yaml.problem(fields.get('of')!.line, `${name}: ${aggregate} has no "of"`);
    const labelled = [...declaration.where, ...declaration.among].some((condition) => condition.kind === 'label');
    const unsaid = declaration.entity.find((word) => !LABEL_FIELDS.includes(word));
    if (labelled && unsaid !== undefined) {
      this.yaml.problem(line, `${name}: a verdict does not say the ${unsaid} of its payment: no "label" here`);
    }
    if (['share', 'rate', 'matches'].includes(aggregate) && declaration.where.length === 0) {
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
    if (this.names.includes(name)) {
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

  private delay(field: YamlField | undefined, name: string, aggregate: Aggregate): number {
    if (!field) return 0;
    if (AGGREGATES[aggregate].window !== 'required') {
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
    if (AGGREGATES[aggregate].window === 'none' && !LOOKS_BACK.has(aggregate)) {
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

  private current(fields: Map<string, YamlField>, name: string, windowed: boolean, delayMs: number): boolean {
    const field = fields.get('current');
    if (!field) return delayMs === 0;
    if (delayMs > 0) this.yaml.problem(field.line, `${name}: behind a delay this payment never counts: no "current"`);
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

  private operands(field: YamlField | undefined, name: string, line: number): number[] {
    const list =
      field && isSeq(field.node) ? field.node.items.map((item) => this.yaml.scalar({ node: item as Node, line })) : [];
    if (list.length !== 2) {
      this.yaml.problem(field?.line ?? line, `${name}: "of" must list two earlier features`);
      return [];
    }
    return list.map((word) => {
      const index = this.names.indexOf(String(word));
      if (index < 0 || word === '') {
        this.yaml.problem(
          field!.line,
          `${name}: no earlier feature "${String(word)}"${didYouMean(String(word), this.names)}`,
        );
      }
      return index;
    });
  }

  private reason(field: YamlField | undefined, name: string): ReasonRule | null {
    if (!field) return null;
    if (!isMap(field.node)) {
      this.yaml.problem(field.line, `${name}: "reason" is a map with "text"`);
      return null;
    }
    const fields = this.yaml.fieldsOf(field.node, REASON_KEYS, `reason of ${name}`);
    const number = (key: string, fallback: number): number => {
      const given = fields.get(key);
      const value = given ? this.yaml.scalar(given) : fallback;
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      this.yaml.problem(given?.line ?? field.line, `${name}: ${key} must be a number`);
      return fallback;
    };
    const text = this.yaml.shortText(fields.get('text'), name, 'text');
    if (text === null) this.yaml.problem(field.line, `${name}: a reason needs a text`);
    const unit = fields.has('unit') ? this.yaml.scalar(fields.get('unit')) : 'number';
    if (!REASON_UNITS.includes(unit as ReasonUnit)) {
      this.yaml.problem(fields.get('unit')!.line, `${name}: unit is one of ${REASON_UNITS.join(', ')}`);
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
}
