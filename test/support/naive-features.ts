import type { Transaction } from '../../src/domain/transaction.ts';
import type { Catalogue, FeatureDeclaration, LabelWord, WhereCondition } from '../../src/features/catalogue.ts';

/**
 * The oracle: features recounted from the list of all earlier events, as slowly and plainly as can be. Shares nothing
 * with the engine but the declarations.
 */
export interface Seen {
  readonly transaction: Transaction;
  readonly offset: number;
  /** what is known of it */
  label?: LabelWord;
  /** its own features, as they were */
  readonly values?: readonly number[];
}

type Past = Transaction & { readonly label?: LabelWord; readonly values?: readonly number[] };

export function naiveFeatures(
  catalogue: Catalogue,
  current: Transaction,
  earlier: readonly Seen[],
  lookbackMs: number,
  horizonMs: number,
  /** features of this payment that are known already: those of its user, for another entity */
  known: readonly number[] = [],
): number[] {
  const visible = earlier
    .filter((seen) => seen.transaction.event_time <= current.event_time)
    .sort((a, b) => a.transaction.event_time - b.transaction.event_time || a.offset - b.offset)
    .map((seen): Past => ({ ...seen.transaction, label: seen.label ?? 'unknown', values: seen.values ?? [] }));
  const remembered: Past[] = [];
  for (const one of visible) {
    const last = remembered[remembered.length - 1];
    if (last && one.event_time - last.event_time >= horizonMs) remembered.length = 0;
    remembered.push(one);
  }
  const newest = remembered[remembered.length - 1];
  if (newest && current.event_time - newest.event_time >= horizonMs) remembered.length = 0;
  const out: number[] = [];
  const now: Past = { ...current, values: known.length > 0 ? known : out };
  for (const feature of catalogue.features) out.push(value(feature, now, remembered, lookbackMs, out));
  return out;
}

function value(
  feature: FeatureDeclaration,
  current: Past,
  past: readonly Past[],
  lookbackMs: number,
  done: readonly number[],
): number {
  const t = current.event_time;
  const untilMs = t - feature.delayMs;
  const lengthMs = feature.windowMs === 0 ? lookbackMs : feature.windowMs;
  const inWindow = past.filter((one) => one.event_time > untilMs - lengthMs && one.event_time <= untilMs);
  const alive = past.filter((one) => one.event_time > t - lookbackMs);
  const before = inWindow.filter((one) => fits(feature.where, one));
  const counted = feature.includesCurrent && fits(feature.where, current) ? [...before, current] : before;
  const own = (one: Past): number => (feature.kept < 0 ? one.amount_minor : (one.values![feature.kept] ?? NaN));
  if (feature.kept >= 0 && ['sum', 'mean', 'min', 'max'].includes(feature.aggregate)) {
    const values = counted.map(own).filter((one) => !Number.isNaN(one));
    if (feature.aggregate === 'sum') return values.reduce((sum, one) => sum + one, 0);
    if (values.length === 0) return NaN;
    if (feature.aggregate === 'mean') return values.reduce((sum, one) => sum + one, 0) / values.length;
    return feature.aggregate === 'min' ? Math.min(...values) : Math.max(...values);
  }
  const amounts = counted.map((one) => one.amount_minor);
  const earlierAmounts = before.map((one) => one.amount_minor);
  const field = (one: Transaction): string | null => (feature.field === null ? null : read(one, feature.field));
  switch (feature.aggregate) {
    case 'amount':
      return current.amount_minor;
    case 'count':
      return amounts.length;
    case 'sum':
      return total(amounts);
    case 'mean':
      return amounts.length === 0 ? NaN : total(amounts) / amounts.length;
    case 'std':
      return deviation(amounts);
    case 'min':
      return amounts.length === 0 ? NaN : Math.min(...amounts);
    case 'max':
      return amounts.length === 0 ? NaN : Math.max(...amounts);
    case 'share': {
      const all = inWindow.length + (feature.includesCurrent ? 1 : 0);
      return all === 0 ? NaN : amounts.length / all;
    }
    case 'rate': {
      const among = inWindow.filter((one) => fits(feature.among, one));
      if (feature.includesCurrent && fits(feature.among, current)) among.push(current);
      return among.length === 0 ? 0 : among.filter((one) => fits(feature.where, one)).length / among.length;
    }
    case 'trimmed_mean': {
      const values = before.map(own).filter((one) => !Number.isNaN(one));
      if (values.length < Math.max(1, feature.n)) return NaN;
      values.sort((a, b) => a - b);
      const cut = Math.floor(feature.trim * values.length);
      const left = values.slice(cut, values.length - cut);
      return left.reduce((sum, one) => sum + one, 0) / left.length;
    }
    case 'nth_last':
    case 'time_since_nth_last': {
      const one = before.filter((past) => !Number.isNaN(own(past))).at(-feature.n);
      if (one === undefined) return NaN;
      return feature.aggregate === 'nth_last' ? own(one) : (t - one.event_time) / 1000;
    }
    case 'time_since_oldest':
      return before.length === 0 ? NaN : (t - before[0]!.event_time) / 1000;
    case 'streak':
    case 'streak_age': {
      const among = inWindow.filter((one) => fits(feature.among, one)).reverse();
      const end = among.findIndex((one) => !fits(feature.where, one));
      const streak = end < 0 ? among : among.slice(0, end);
      if (feature.aggregate === 'streak') return streak.length;
      return streak.length === 0 ? NaN : (t - streak.at(-1)!.event_time) / 1000;
    }
    case 'count_since': {
      const last = inWindow.findLastIndex((one) => fits(feature.among, one));
      return last < 0 ? NaN : inWindow.slice(last + 1).filter((one) => fits(feature.where, one)).length;
    }
    case 'zscore': {
      const d = deviation(earlierAmounts);
      return d > 0 ? (current.amount_minor - total(earlierAmounts) / earlierAmounts.length) / d : NaN;
    }
    case 'ratio_to_mean':
      return total(earlierAmounts) > 0 ? (current.amount_minor * earlierAmounts.length) / total(earlierAmounts) : NaN;
    case 'ratio_to_max': {
      const most = Math.max(0, ...earlierAmounts);
      return most > 0 ? current.amount_minor / most : NaN;
    }
    case 'distinct': {
      const values = inWindow.map(field);
      if (feature.includesCurrent) values.push(field(current));
      return new Set(values.filter((one) => one !== null)).size;
    }
    case 'is_new':
      if (field(current) === null) return NaN;
      return inWindow.some((one) => field(one) === field(current)) ? 0 : 1;
    case 'time_since_last': {
      const last = alive.filter((one) => fits(feature.where, one)).at(-1);
      return last ? (t - last.event_time) / 1000 : NaN;
    }
    case 'time_since_value': {
      const last = field(current) === null ? undefined : alive.filter((one) => field(one) === field(current)).at(-1);
      return last ? (t - last.event_time) / 1000 : NaN;
    }
    case 'time_since_first': {
      const first = past[0];
      return first ? (t - first.event_time) / 1000 : NaN;
    }
    case 'speed_kmh': {
      const last = alive.filter((one) => one.lat !== null).at(-1);
      if (!last || current.lat === null) return NaN;
      const km = kilometres(last, current);
      return km < 1 ? 0 : km / (Math.max(t - last.event_time, 1000) / 3_600_000);
    }
    case 'distance_km': {
      const last = alive.filter((one) => one.lat !== null).at(-1);
      return !last || current.lat === null ? NaN : kilometres(last, current);
    }
    case 'matches':
      return fits(feature.where, current) ? 1 : 0;
    case 'hour_of_day':
      return (t % 86_400_000) / 3_600_000;
    case 'day_of_week':
      return (new Date(t).getUTCDay() + 6) % 7;
    case 'ratio': {
      const [a, b] = feature.operands.map((k) => done[k]!);
      return b === 0 ? NaN : a! / b!;
    }
    case 'difference':
      return done[feature.operands[0]!]! - done[feature.operands[1]!]!;
    case 'expression':
      throw new Error('expressions have an oracle of their own');
  }
}

function read(one: Transaction, field: string): string | null {
  if (field.startsWith('attributes.')) return one.attributes[field.slice(11)] ?? null;
  return (one as unknown as Record<string, string | null>)[field] ?? null;
}

function fits(where: readonly WhereCondition[], one: Past): boolean {
  return where.every((condition) => {
    if (condition.kind === 'amount') {
      return one.amount_minor > condition.overMinor && one.amount_minor <= condition.atMostMinor;
    }
    if (condition.kind === 'kept') {
      const kept = Math.round((one.values?.[condition.feature] ?? NaN) * 1e6) / 1e6;
      return (kept > condition.over && kept <= condition.atMost) !== condition.negate;
    }
    if (condition.kind === 'label') return condition.states.includes(one.label ?? 'unknown');
    const value = read(one, condition.field);
    return (value !== null && condition.values.includes(value)) !== condition.negate;
  });
}

function total(amounts: readonly number[]): number {
  return Number(amounts.reduce((sum, amount) => sum + BigInt(amount), 0n));
}

function deviation(amounts: readonly number[]): number {
  if (amounts.length < 2) return NaN;
  const n = BigInt(amounts.length);
  const sum = amounts.reduce((s, a) => s + BigInt(a), 0n);
  const squares = amounts.reduce((s, a) => s + BigInt(a) * BigInt(a), 0n);
  return Math.sqrt(Number(n * squares - sum * sum) / Number(n * (n - 1n)));
}

function kilometres(a: Transaction, b: Transaction): number {
  const rad = (degrees: number): number => (degrees * Math.PI) / 180;
  const dLat = rad(b.lat! - a.lat!);
  const dLon = rad(b.lon! - a.lon!);
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(rad(a.lat!)) * Math.cos(rad(b.lat!)) * Math.sin(dLon / 2) ** 2;
  return 2 * 6371.0088 * Math.asin(Math.min(1, Math.sqrt(h)));
}
