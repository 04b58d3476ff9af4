import { LABEL, type Filter, type FilterCondition } from '../state/layout.ts';
import type { FeatureDeclaration, WhereCondition } from './catalogue.ts';
import { hash32 } from './hash.ts';
import type { ExpressionCondition } from './where-expression.ts';

/** Seeds differ per field, so that equal texts in two fields are two values. */
export function fieldSeed(field: string): number {
  return hash32(field, 0x5eed) | 0;
}

/** Fields whose values rows keep. */
export function fieldsOf(feature: FeatureDeclaration): string[] {
  const named = [...feature.where, ...feature.among].flatMap((condition) =>
    condition.kind === 'field' ? [condition.field] : [],
  );
  return feature.field === null ? named : [feature.field, ...named];
}

/** The expressions among the conditions, each once, in the order of their texts. */
export function questionsOf(features: readonly FeatureDeclaration[]): ExpressionCondition[] {
  const asked = new Map<string, ExpressionCondition>();
  for (const condition of features.flatMap(({ where, among }) => [...where, ...among])) {
    if (condition.kind === 'expression') asked.set(condition.text, condition);
  }
  return [...asked.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
}

/** Its name among the fields of a layout: none of a transaction has a space. */
export function questionField({ text }: ExpressionCondition): string {
  return `where ${text}`;
}

/** Does its answer change when a verdict comes? */
export function isLabel(condition: FilterCondition): boolean {
  return condition.kind === 'label' || (condition.kind === 'answer' && condition.labelled);
}

/**
 * Index of the filter of these conditions, which is added where it is not there yet.
 * @param fields of the layout, the questions included
 * @param kept the features of the catalogue whose values rows keep
 */
export function filterIndex(
  filters: Filter[],
  where: readonly WhereCondition[],
  fields: readonly string[],
  kept: readonly number[],
): number {
  if (where.length === 0) return 0;
  const text = [...new Set(where.map(conditionText))].sort().join(' and ');
  const known = filters.findIndex((filter) => filter.text === text);
  if (known >= 0) return known;
  const conditions = where.map((condition): FilterCondition => {
    if (condition.kind === 'amount') return condition;
    if (condition.kind === 'kept') {
      const { feature, over, atMost, negate } = condition;
      return { kind: 'kept', kept: kept.indexOf(feature), over, atMost, negate };
    }
    if (condition.kind === 'label') {
      return { kind: 'label', states: condition.states.reduce((bits, word) => bits | (1 << LABEL[word]), 0) };
    }
    if (condition.kind === 'expression') {
      return { kind: 'answer', field: fields.indexOf(questionField(condition)), labelled: condition.labelled };
    }
    const seed = fieldSeed(condition.field);
    return {
      kind: 'field',
      field: fields.indexOf(condition.field),
      hashes: condition.values.map((value) => hash32(value, seed)),
      negate: condition.negate,
    };
  });
  filters.push({ text, conditions });
  return filters.length - 1;
}

export function conditionText(condition: WhereCondition): string {
  if (condition.kind === 'amount') {
    return `amount_minor in (${condition.overMinor}, ${condition.atMostMinor}]`;
  }
  if (condition.kind === 'kept') {
    return `${condition.name} ${condition.negate ? 'not in' : 'in'} (${condition.over}, ${condition.atMost}]`;
  }
  if (condition.kind === 'label') return `label in [${condition.states.join(', ')}]`;
  if (condition.kind === 'expression') return `(${condition.text})`;
  return `${condition.field} ${condition.negate ? 'not in' : 'in'} [${[...condition.values].sort().join(', ')}]`;
}
