import { compileExpression } from '../expressions/compile.ts';
import { withArticle } from '../expressions/types.ts';
import type { EventView } from '../state/event-view.ts';
import type { Question } from '../state/questions.ts';
import { KEPT_UNITS } from '../state/scans.ts';
import { LABEL_WORDS, type WhereCondition } from './catalogue.ts';
import type { CatalogueYaml, YamlField } from './catalogue-yaml.ts';
import type { EarlierFeatures } from './earlier-features.ts';
import { expressionOf } from './expression-yaml.ts';
import { catalogueScope } from './payment-scope.ts';

export type ExpressionCondition = Extract<WhereCondition, { kind: 'expression' }>;

/** A condition that is an expression; null where it has problems, which are told to `yaml`. */
export function parseWhereExpression(
  yaml: CatalogueYaml,
  field: YamlField,
  name: string,
  key: string,
  earlier: EarlierFeatures,
): ExpressionCondition | null {
  const before = yaml.problemCount;
  const above = earlier.names.filter((one) => one !== '').map((one) => [one, () => NaN] as const);
  const compiled = expressionOf(yaml, field, `${name}: ${key}`, catalogueScope<EventView>(above, 'unknown'));
  if (compiled === null) return null;
  const line = yaml.lineOf(field.node);
  if (compiled.type !== 'bool') {
    yaml.problem(line, `${name}: ${key} is a condition, true or false, not ${withArticle(compiled.type)}`);
  }
  const fields = catalogueScope<EventView>([], 'unknown');
  const features: { name: string; feature: number }[] = [];
  for (const word of compiled.uses) {
    const feature = fields.has(word) ? null : earlier.keepable(word);
    if (typeof feature === 'number') features.push({ name: word, feature });
    else if (feature !== null) yaml.problem(line, `${name}: ${word} in ${key}: ${feature}`);
  }
  if (yaml.problemCount > before) return null;
  return { kind: 'expression', text: compiled.text, features, labelled: compiled.uses.has('label') };
}

/**
 * @param field its place in the layout
 * @param kept the features of the catalogue whose values rows keep
 */
export function compileQuestion(
  { text, features, labelled }: ExpressionCondition,
  field: number,
  kept: readonly number[],
): Question {
  const readers = features.map(({ name, feature }) => {
    const place = kept.indexOf(feature);
    return [name, (event: EventView) => event.kept[place]! / KEPT_UNITS] as const;
  });
  const states = labelled ? LABEL_WORDS : LABEL_WORDS.slice(0, 1);
  const holds = states.map((label) => {
    const { evaluate } = compileExpression(text, catalogueScope<EventView>(readers, label));
    return (event: EventView): boolean => evaluate(event) === true;
  });
  return { field, asksKept: features.length > 0, holds };
}
