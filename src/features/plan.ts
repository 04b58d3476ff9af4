import { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { entityPrefix } from '../state/entity-keys.ts';
import type { Layout } from '../state/layout.ts';
import { keptFeatures, USER, type Catalogue, type FeatureDeclaration } from './catalogue.ts';
import { compileEntity, type Step } from './entity-plan.ts';
import { conditionText } from './filter-plan.ts';
import { hash40 } from './hash.ts';

/** A catalogue compiled once: what the state keeps, and per feature where its numbers are. */
export interface Plan {
  readonly catalogue: Catalogue;
  readonly names: readonly string[];
  /** of the features: names, formulas, windows; models and decisions carry it */
  readonly fingerprint: string;
  /** of the users' histories; its fingerprint covers those of the other entities, too */
  readonly layout: Layout;
  /** what histories are kept of; the user is the first of them, always */
  readonly entities: readonly Entity[];
  /** features whose values the rows keep, in the order in which they keep them */
  readonly kept: readonly number[];
  /** one per feature, in the order of the catalogue */
  readonly steps: readonly Step[];
}

export interface Entity {
  /** `user_id`, `terminal_id`, `user_id+merchant_id` */
  readonly name: string;
  /** whose values make its id */
  readonly fields: readonly string[];
  readonly layout: Layout;
}

/** Throws FS_CATALOGUE_INVALID when the catalogue is beyond the limits. */
export function compilePlan(catalogue: Catalogue, latenessMs: number): Plan {
  const { features } = catalogue;
  const names = [...new Set([USER, ...features.map(entityName)])];
  if (names.length > LIMITS.catalogueEntitiesMax) {
    const detail = `${names.length} different entities; at most ${LIMITS.catalogueEntitiesMax}`;
    throw new FraudstreamError('FS_CATALOGUE_INVALID', detail);
  }
  const kept = keptFeatures(features);
  if (kept.length > LIMITS.keptFeaturesMax) {
    const detail = `rows would keep ${kept.length} features; at most ${LIMITS.keptFeaturesMax}`;
    throw new FraudstreamError('FS_CATALOGUE_INVALID', detail);
  }
  const plans = names.map((name, e) =>
    compileEntity(
      e,
      features.filter((feature) => entityName(feature) === name),
      latenessMs,
      kept,
    ),
  );
  const taken = names.map(() => 0);
  const steps = features.map((feature) => {
    const e = names.indexOf(entityName(feature));
    return plans[e]!.steps[taken[e]!++]!;
  });
  const beside = plans.slice(1).map(({ layout }, k) => ({ keyPrefix: entityPrefix(names[k + 1]!), layout }));
  const besideText = beside.map(
    ({ layout }, k) => `\nentity ${names[k + 1]}\n${layout.fingerprint}${layout.kept > 0 ? '\nkept' : ''}`,
  );
  const keptText = kept.map((k) => `\nkept ${wholeFormula(features, k)}`);
  const user = plans[0]!.layout;
  const layout: Layout = {
    ...user,
    fingerprint: fingerprintOf([user.fingerprint, ...keptText, ...besideText].join('')),
    beside,
  };
  return {
    catalogue,
    names: features.map((feature) => feature.name),
    fingerprint: fingerprintOf(features.map(formulaOf).join('\n')),
    layout,
    entities: names.map((name, e) => ({ name, fields: name.split('+'), layout: e === 0 ? layout : plans[e]!.layout })),
    kept,
    steps,
  };
}

export function entityName(feature: FeatureDeclaration): string {
  return feature.entity.join('+');
}

/** A formula with those that it is made from: what a kept value depends on. */
function wholeFormula(features: readonly FeatureDeclaration[], index: number): string {
  const feature = features[index]!;
  const used = new Set([...feature.operands, ...keptFeatures([feature])]);
  return [formulaOf(feature), ...[...used].map((k) => `(${wholeFormula(features, k)})`)].join(' ');
}

function formulaOf(feature: FeatureDeclaration): string {
  const where = feature.where.map(conditionText).sort().join(' and ');
  return [
    feature.name,
    feature.aggregate,
    feature.windowMs,
    feature.includesCurrent,
    feature.field ?? '',
    feature.operands.join(','),
    where,
    // Only where there is one: a catalogue that has none keeps its fingerprint.
    ...(feature.among.length === 0 ? [] : [`among ${feature.among.map(conditionText).sort().join(' and ')}`]),
    ...(feature.expression === null ? [] : [`expression ${feature.expression.compiled.text}`]),
    ...(feature.kept < 0 ? [] : [`of ${feature.kept}`]),
    ...(feature.n === 0 ? [] : [`n ${feature.n}`]),
    ...(feature.trim[0] + feature.trim[1] === 0 ? [] : [`trim ${feature.trim.join(' ')}`]),
    ...(entityName(feature) === USER ? [] : [`entity ${entityName(feature)}`]),
    ...(feature.delayMs === 0 ? [] : [`delay ${feature.delayMs}`]),
  ].join('|');
}

function fingerprintOf(text: string): string {
  const a = hash40(text, 1).toString(16).padStart(10, '0');
  const b = hash40(text, 2).toString(16).padStart(10, '0');
  return a + b;
}
