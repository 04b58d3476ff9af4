import { AGGREGATES, ruleOf, USER, type FeatureDeclaration } from './catalogue.ts';
import { describeDuration } from './duration.ts';
import { conditionText } from './entity-plan.ts';
import { entityName, type Plan } from './plan.ts';

/** The catalogue in words, a line per feature: docs/features.md. */
export function featureTable(plan: Plan): string {
  const rows = plan.catalogue.features.map((feature) => {
    const { name, description } = feature;
    return `| \`${name}\` | ${formulaText(plan, feature)}${description === '' ? '' : ` (${description})`} | ${edgesText(feature)} | ${nullRule(feature)} |`;
  });
  return ['| feature | value | window | no value when |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function formulaText(plan: Plan, feature: FeatureDeclaration): string {
  const { n, trim } = feature;
  const numbers = [...(trim > 0 ? [`trim ${trim}`] : []), ...(n > 0 ? [`n ${n}`] : [])].join(', ');
  const words = AGGREGATES[feature.aggregate].text + (numbers === '' ? '' : ` (${numbers})`);
  const kept = feature.kept < 0 ? '' : `, of \`${plan.names[feature.kept]}\` as it was at each`;
  const of = feature.field === null ? kept : ` of \`${feature.field}\``;
  const operands =
    feature.expression !== null
      ? `: \`${feature.expression.compiled.text}\``
      : feature.operands.length === 0
        ? ''
        : `: ${feature.operands.map((k) => `\`${plan.names[k]}\``).join(', ')}`;
  const where = feature.where.map(conditionText).join(' and ');
  const among = feature.among.map(conditionText).join(' and ');
  const filters = `${where === '' ? '' : ` where \`${where}\``}${among === '' ? '' : ` ${ruleOf(feature.aggregate).among ?? ''} \`${among}\``}`;
  const entity = entityName(feature) === USER ? '' : ` of the same \`${feature.entity.join('` and `')}\``;
  return `${words}${of}${operands}${entity}${filters}`;
}

function edgesText(feature: FeatureDeclaration): string {
  if (feature.windowMs === 0) return '';
  if (feature.delayMs > 0) {
    const delay = describeDuration(feature.delayMs);
    return `(t − ${delay} − ${feature.windowText}, t − ${delay}]`;
  }
  const compared = ['zscore', 'ratio_to_mean', 'ratio_to_max', 'is_new'].includes(feature.aggregate);
  const current = feature.includesCurrent && !compared ? 'this payment included' : 'this payment left out';
  return `(t − ${feature.windowText}, t], ${current}`;
}

function nullRule(feature: FeatureDeclaration): string {
  switch (feature.aggregate) {
    case 'expression':
      return 'a part that decides has none, or there is no finite answer';
    case 'mean':
    case 'min':
    case 'max':
    case 'share':
      return 'no payment counts';
    case 'trimmed_mean':
    case 'nth_last':
    case 'time_since_nth_last':
      return `fewer than ${feature.n} payments match`;
    case 'time_since_oldest':
      return 'no payment matches';
    case 'streak_age':
      return 'the streak is empty';
    case 'count_since':
      return 'none matches `since`';
    case 'std':
      return 'fewer than two payments count';
    case 'zscore':
      return 'fewer than two earlier payments, or all equal';
    case 'ratio_to_mean':
    case 'ratio_to_max':
      return 'no earlier payment above 0';
    case 'is_new':
    case 'time_since_value':
      return feature.aggregate === 'is_new'
        ? 'the field is null'
        : 'the field is null, or not seen within the longest window';
    case 'time_since_last':
      return 'no such payment within the longest window';
    case 'time_since_first':
      return 'no earlier payment is known';
    case 'speed_kmh':
    case 'distance_km':
      return 'this or no earlier payment has coordinates';
    case 'ratio':
      return 'either has none, or the divisor is 0';
    case 'difference':
      return 'either has none';
    case 'amount':
    case 'count':
    case 'sum':
    case 'distinct':
    case 'matches':
    case 'rate':
    case 'streak':
    case 'hour_of_day':
    case 'day_of_week':
      return 'never';
  }
}
