import type { Reason } from '../domain/decision.ts';
import { minorUnitDigits } from '../domain/currency.ts';
import { LIMITS } from '../domain/limits.ts';
import type { ReasonRule, ReasonUnit } from '../features/catalogue.ts';
import type { Plan } from '../features/plan.ts';
import type { UserHistory } from '../state/history.ts';
import { usualOf } from './usual.ts';

/** Where the event that is explained stands in its user's log. */
export interface ReasonContext {
  readonly history: UserHistory;
  /** its past begins behind this, ms: the longest window ago */
  readonly sinceMs: number;
  readonly row: number;
  readonly beforeOffset: number;
  readonly currency: string;
}

/**
 * Why a payment stands out, strongest first, at most five.
 *
 * With contributions: the features that raise the score most. Where the rule of the catalogue applies its words are used;
 * else the value stands for itself. Without: the features whose rule applies, by the rule's weight times how far the
 * value is beyond what is usual (or beyond the rule's bound).
 *
 * @param values feature values of the event start at `at`; NaN = none
 * @param contributions one per feature of the catalogue; null: the model gives none
 */
export function explain(
  plan: Plan,
  values: Float64Array,
  at: number,
  context: ReasonContext,
  contributions: Float64Array | null = null,
): Reason[] {
  return contributions === null
    ? byRules(plan, values, at, context)
    : byContributions(plan, values, at, context, contributions);
}

function byRules(plan: Plan, values: Float64Array, at: number, context: ReasonContext): Reason[] {
  const found: { reason: Reason; strength: number }[] = [];
  plan.catalogue.features.forEach((feature, k) => {
    const rule = feature.reason;
    const value = values[at + k]!;
    if (rule === null || !applies(rule, value)) return;
    const usual = usualFor(plan, k, context);
    if (!isUnusual(rule, value, usual)) return;
    const compared = usual ?? 0;
    const bound = Math.max(Math.abs(Number.isFinite(rule.atLeast) ? rule.atLeast : 1), Math.abs(compared), 1e-9);
    const strength = rule.weight * (1 + Math.log2(1 + Math.abs(value) / bound));
    const text = wordsOf(rule, value, usual, context);
    found.push({ reason: { code: feature.name, value, usual, contribution: null, text }, strength });
  });
  found.sort((a, b) => b.strength - a.strength);
  return found.slice(0, LIMITS.reasonsMax).map((one) => one.reason);
}

function byContributions(
  plan: Plan,
  values: Float64Array,
  at: number,
  context: ReasonContext,
  contributions: Float64Array,
): Reason[] {
  const raising: number[] = [];
  contributions.forEach((contribution, k) => {
    if (contribution > 0) raising.push(k);
  });
  raising.sort((a, b) => contributions[b]! - contributions[a]! || a - b);
  return raising.slice(0, LIMITS.reasonsMax).map((k) => {
    const { name, reason: rule } = plan.catalogue.features[k]!;
    const value = values[at + k]!;
    const usual = usualFor(plan, k, context);
    const told = rule !== null && applies(rule, value) && isUnusual(rule, value, usual);
    const text = told ? wordsOf(rule, value, usual, context) : plainWords(name, rule, value, usual, context);
    return { code: name, value: Number.isNaN(value) ? null : value, usual, contribution: contributions[k]!, text };
  });
}

function usualFor(plan: Plan, k: number, context: ReasonContext): number | null {
  return usualOf(plan.steps[k]!, context.history, context.sinceMs, context.row, context.beforeOffset);
}

function isUnusual(rule: ReasonRule, value: number, usual: number | null): boolean {
  return !(rule.timesUsual > 0 && usual !== null && value < rule.timesUsual * usual);
}

function plainWords(
  name: string,
  rule: ReasonRule | null,
  value: number,
  usual: number | null,
  context: ReasonContext,
): string {
  if (Number.isNaN(value)) return `${name} has no value`;
  const unit = rule?.unit ?? 'number';
  const compared = usual === null ? '' : `; usually ${inUnit(unit, usual, context)}`;
  return `${name} is ${inUnit(unit, value, context)}${compared}`;
}

function applies(rule: ReasonRule, value: number): boolean {
  if (Number.isNaN(value)) return false;
  return value >= rule.atLeast && (rule.atMost === null || value <= rule.atMost);
}

function wordsOf(rule: ReasonRule, value: number, usual: number | null, context: ReasonContext): string {
  const text =
    usual === null ? rule.text.replace(/;[^;]*\{usual\}[^;]*/, '; too few earlier payments to compare') : rule.text;
  return text
    .replaceAll('{value}', inUnit(rule.unit, value, context))
    .replaceAll('{usual}', usual === null ? 'unknown' : inUnit(rule.unit, usual, context));
}

function inUnit(unit: ReasonUnit, value: number, context: ReasonContext): string {
  switch (unit) {
    case 'money':
      return moneyText(value, context.currency);
    case 'percent':
      return `${rounded(value * 100)} %`;
    case 'speed':
      return `${Math.round(value)} km/h`;
    case 'distance':
      return `${Math.round(value)} km`;
    case 'duration':
      return value < 120
        ? `${Math.round(value)} s`
        : value < 7_200
          ? `${Math.round(value / 60)} min`
          : `${Math.round(value / 3_600)} h`;
    case 'hour':
    case 'number':
    case 'flag':
      return rounded(value);
  }
}

function moneyText(amountMinor: number, currency: string): string {
  const digits = minorUnitDigits(currency) ?? 2;
  return `${(amountMinor / 10 ** digits).toFixed(digits)} ${currency}`;
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 1 : 0);
}
