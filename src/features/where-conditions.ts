import { isMap, isScalar, isSeq, type Node } from 'yaml';
import { didYouMean } from '../domain/suggest.ts';
import { isValueField, VALUE_FIELDS, type WhereCondition } from './catalogue.ts';
import type { CatalogueYaml, YamlField } from './catalogue-yaml.ts';

/**
 * The conditions of a feature's "where"; a problem is told to `yaml`.
 * @param name of the feature
 * @param allowed whether its aggregate takes conditions
 */
export function parseWhere(
  yaml: CatalogueYaml,
  field: YamlField | undefined,
  name: string,
  allowed: boolean,
): WhereCondition[] {
  if (!field) return [];
  if (!allowed || !isMap(field.node)) {
    yaml.problem(field.line, allowed ? `${name}: "where" is a map of field: value` : `${name}: no "where" here`);
    return [];
  }
  const conditions: WhereCondition[] = [];
  for (const pair of field.node.items) {
    const key = String(isScalar(pair.key) ? pair.key.value : '');
    const line = yaml.lineOf(pair.key as Node);
    const value = pair.value as Node | null;
    if (key === 'amount_minor') {
      const amount = amountCondition(yaml, value, name, line);
      if (amount) conditions.push(amount);
    } else if (!isValueField(key)) {
      yaml.problem(
        line,
        `${name}: unknown field "${key}" in where${didYouMean(key, [...VALUE_FIELDS, 'amount_minor'])}`,
      );
    } else {
      conditions.push(fieldCondition(yaml, key, value, name, line));
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
): WhereCondition {
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

function amountCondition(yaml: CatalogueYaml, value: Node | null, name: string, line: number): WhereCondition | null {
  if (!isMap(value)) {
    yaml.problem(line, `${name}: amount_minor takes {over: …, at_most: …}`);
    return null;
  }
  const fields = yaml.fieldsOf(value, ['over', 'at_most'], `where of ${name}`);
  const bound = (key: string, fallback: number): number => {
    const field = fields.get(key);
    const number = field ? yaml.scalar(field) : fallback;
    if (typeof number === 'number' && !Number.isNaN(number)) return number;
    yaml.problem(field?.line ?? line, `${name}: ${key} must be a number of minor units`);
    return fallback;
  };
  return { kind: 'amount', overMinor: bound('over', -1), atMostMinor: bound('at_most', Infinity) };
}
