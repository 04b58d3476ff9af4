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
 * Why a payment stands out: the features whose rule in the catalogue applies, strongest first, at most five. Strength
 * is the rule's weight times how far the value is beyond what is usual (or beyond the rule's bound).
 *
 * @param values feature values of the event start at `at`; NaN = none
 */
export function explain(plan: Plan, values: Float64Array, at: number, context: ReasonContext): Reason[] {
  const found: { reason: Reason; strength: number }[] = [];
  plan.catalogue.features.forEach((feature, k) => {
    const rule = feature.reason;
    const value = values[at + k]!;
    if (rule === null || !applies(rule, value)) return;
    const usual = usualOf(plan.steps[k]!, context.history, context.sinceMs, context.row, context.beforeOffset);
    const compared = usual ?? 0;
    if (rule.timesUsual > 0 && usual !== null && value < rule.timesUsual * usual) return;
    const bound = Math.max(Math.abs(Number.isFinite(rule.atLeast) ? rule.atLeast : 1), Math.abs(compared), 1e-9);
    const strength = rule.weight * (1 + Math.log2(1 + Math.abs(value) / bound));
    const text = wordsOf(rule, value, usual, context);
    found.push({ reason: { code: feature.name, value, usual, contribution: null, text }, strength });
  });
  found.sort((a, b) => b.strength - a.strength);
  return found.slice(0, LIMITS.reasonsMax).map((one) => one.reason);
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
