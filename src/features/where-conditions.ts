import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import { didYouMean } from '../domain/suggest.ts';
import { isValueField, LABEL_WORDS, VALUE_FIELDS, type LabelWord, type WhereCondition } from './catalogue.ts';
import type { CatalogueYaml, YamlField } from './catalogue-yaml.ts';
import type { EarlierFeatures } from './earlier-features.ts';
import { parseWhereExpression } from './where-expression.ts';

/**
 * The conditions of a feature's "where"; a problem is told to `yaml`.
 * @param name of the feature
 * @param allowed whether its aggregate takes conditions
 * @param key under which they stand
 * @param earlier features whose values can be asked for, where rows can keep them
 */
export function parseWhere(
  yaml: CatalogueYaml,
  field: YamlField | undefined,
  name: string,
  allowed: boolean,
  key: string,
  earlier: EarlierFeatures,
): WhereCondition[] {
  if (!field) return [];
  if (!allowed) {
    yaml.problem(field.line, `${name}: no "${key}" here`);
    return [];
  }
  if (isScalar(field.node) && typeof field.node.value === 'string') {
    const condition = parseWhereExpression(yaml, field, name, key, earlier);
    return condition === null ? [] : [condition];
  }
  if (!isMap(field.node)) {
    yaml.problem(field.line, `${name}: "${key}" is a map of field: value, or an expression in quotes`);
    return [];
  }
  const conditions: WhereCondition[] = [];
  for (const pair of field.node.items) {
    const word = String(isScalar(pair.key) ? pair.key.value : '');
    const line = yaml.lineOf(pair.key as Node);
    const value = pair.value as Node | null;
    if (word === 'amount_minor') {
      const amount = amountCondition(yaml, value, name, line);
      if (amount) conditions.push(amount);
    } else if (word === 'label') {
      conditions.push(labelCondition(yaml, value, name, line));
    } else if (isValueField(word)) {
      conditions.push(fieldCondition(yaml, word, value, name, line));
    } else {
      const feature = earlier.keepable(word);
      if (typeof feature === 'number') {
        const condition = keptCondition(yaml, value, name, line, word, feature);
        if (condition) conditions.push(condition);
        continue;
      }
      if (feature !== null) {
        yaml.problem(line, `${name}: ${word} in ${key}: ${feature}`);
        continue;
      }
      yaml.problem(
        line,
        `${name}: unknown field "${word}" in ${key}${didYouMean(word, [...VALUE_FIELDS, 'amount_minor', 'label'])}`,
      );
    }
  }
  return conditions;
}

function fieldCondition(
  yaml: CatalogueYaml,
  key: string,
  value: Node | null,
  name: string,
  line: number,
): Extract<WhereCondition, { kind: 'field' }> {
  let negate = false;
  let node = value;
  if (isMap(value)) {
    const fields = yaml.fieldsOf(value, ['not'], `where of ${name}`);
    negate = true;
    node = fields.get('not')?.node ?? null;
  }
  const words = isSeq(node)
    ? node.items.map((item) => yaml.scalar({ node: item as Node, line }))
    : [yaml.scalar({ node, line })];
  const values = words.map(String);
  if (words.length === 0 || words.some((word) => typeof word !== 'string')) {
    yaml.problem(line, `${name}: ${key} is compared with text (put digits in quotes)`);
  }
  return { kind: 'field', field: key, values, negate };
}

function labelCondition(yaml: CatalogueYaml, value: Node | null, name: string, line: number): WhereCondition {
  const { values, negate } = fieldCondition(yaml, 'label', value, name, line);
  const words = values.flatMap((word) => (word === 'known' ? ['genuine', 'fraud'] : [word]));
  for (const word of words) {
    if ((LABEL_WORDS as readonly string[]).includes(word)) continue;
    yaml.problem(line, `${name}: label is one of ${LABEL_WORDS.join(', ')}, known${didYouMean(word, LABEL_WORDS)}`);
  }
  return { kind: 'label', states: LABEL_WORDS.filter((word: LabelWord) => words.includes(word) !== negate) };
}

function keptCondition(
  yaml: CatalogueYaml,
  value: Node | null,
  name: string,
  line: number,
  word: string,
  feature: number,
): WhereCondition | null {
  let node = value;
  let negate = false;
  if (isMap(value) && value.has('not')) {
    node = yaml.fieldsOf(value, ['not'], `where of ${name}`).get('not')?.node ?? null;
    negate = true;
  }
  if (!isMap(node)) {
    yaml.problem(line, `${name}: ${word} takes {over: …, at_most: …}, or {not: {…}} of it`);
    return null;
  }
  const [over, atMost] = bounds(yaml, node, name, line, -Infinity);
  return { kind: 'kept', feature, name: word, over, atMost, negate };
}

function amountCondition(yaml: CatalogueYaml, value: Node | null, name: string, line: number): WhereCondition | null {
  if (!isMap(value)) {
    yaml.problem(line, `${name}: amount_minor takes {over: …, at_most: …}`);
    return null;
  }
  const [overMinor, atMostMinor] = bounds(yaml, value, name, line, -1);
  return { kind: 'amount', overMinor, atMostMinor };
}

function bounds(yaml: CatalogueYaml, map: YAMLMap, name: string, line: number, least: number): [number, number] {
  const fields = yaml.fieldsOf(map, ['over', 'at_most'], `where of ${name}`);
  const bound = (key: string, fallback: number): number => {
    const field = fields.get(key);
    const number = field ? yaml.scalar(field) : fallback;
    if (typeof number === 'number' && !Number.isNaN(number)) return number;
    yaml.problem(field?.line ?? line, `${name}: ${key} must be a number`);
    return fallback;
  };
  return [bound('over', least), bound('at_most', Infinity)];
}
