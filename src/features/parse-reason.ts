import { isMap } from 'yaml';
import { REASON_UNITS, type ReasonRule, type ReasonUnit } from './catalogue.ts';
import type { CatalogueYaml, YamlField } from './catalogue-yaml.ts';

const REASON_KEYS = ['at_least', 'at_most', 'times_usual', 'text', 'unit', 'weight'];

/** When a feature is worth saying, and how; null for none, or none that is good. A problem is told to `yaml`. */
export function parseReason(yaml: CatalogueYaml, field: YamlField | undefined, name: string): ReasonRule | null {
  if (!field) return null;
  if (!isMap(field.node)) {
    yaml.problem(field.line, `${name}: "reason" is a map with "text"`);
    return null;
  }
  const fields = yaml.fieldsOf(field.node, REASON_KEYS, `reason of ${name}`);
  const number = (key: string, fallback: number): number => {
    const given = fields.get(key);
    const value = given ? yaml.scalar(given) : fallback;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    yaml.problem(given?.line ?? field.line, `${name}: ${key} must be a number`);
    return fallback;
  };
  const text = yaml.shortText(fields.get('text'), name, 'text');
  if (text === null) yaml.problem(field.line, `${name}: a reason needs a text`);
  const unit = fields.has('unit') ? yaml.scalar(fields.get('unit')) : 'number';
  if (!REASON_UNITS.includes(unit as ReasonUnit)) {
    yaml.problem(fields.get('unit')!.line, `${name}: unit is one of ${REASON_UNITS.join(', ')}`);
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
