import { FraudstreamError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { BLOB_VERSION } from '../state/blob-format.ts';
import type { Filter, Layout } from '../state/layout.ts';
import { SCAN, type Scan, type ScanKind } from '../state/scans.ts';
import { keptFeatures, type Aggregate, type FeatureDeclaration } from './catalogue.ts';
import type { FeatureExpression } from './feature-expression.ts';
import { fieldsOf, filterIndex, isLabel, questionField, questionsOf } from './filter-plan.ts';
import { hash32 } from './hash.ts';
import { compileQuestion } from './where-expression.ts';

/** One feature, resolved to indexes. */
export interface Step {
  /** index of the entity whose history it is of */
  readonly entity: number;
  readonly aggregate: Aggregate;
  readonly includesCurrent: boolean;
  /** start of the measure in `Measures.values`; -1 when it needs none */
  readonly measureAt: number;
  /** start of the measure of what it is a share of, for `share` and `rate`; -1 when it needs none */
  readonly allAt: number;
  /** filter of what it is a share of */
  readonly among: number;
  readonly window: number;
  readonly windowMs: number;
  readonly delayMs: number;
  readonly filter: number;
  /** its values change when verdicts come */
  readonly labelled: boolean;
  /** index of the field in the layout; -1 when it needs none */
  readonly field: number;
  /** first of the two places in `Measures.scanned`; -1 when it needs none */
  readonly scanAt: number;
  /** index of the kept value that it is of; -1 = the amount */
  readonly kept: number;
  readonly operandA: number;
  readonly operandB: number;
  readonly expression: FeatureExpression | null;
}

/** The features of one entity, compiled. */
export interface EntityPlan {
  /** its `fingerprint` is the text of what is kept: `compilePlan` makes one of all entities' */
  readonly layout: Layout;
  readonly steps: readonly Step[];
}

const WINDOWED_BY_MEASURE: ReadonlySet<Aggregate> = new Set<Aggregate>([
  'count',
  'sum',
  'mean',
  'std',
  'min',
  'max',
  'share',
  'rate',
  'zscore',
  'ratio_to_mean',
  'ratio_to_max',
]);

const SCANS: Partial<Readonly<Record<Aggregate, ScanKind>>> = {
  trimmed_mean: SCAN.trimmedMean,
  nth_last: SCAN.nthLast,
  time_since_nth_last: SCAN.timeSinceNthLast,
  time_since_oldest: SCAN.timeSinceOldest,
  streak: SCAN.streak,
  streak_age: SCAN.streakAge,
  count_since: SCAN.countSince,
};
const KEPT_SCANS: Partial<Readonly<Record<Aggregate, ScanKind>>> = {
  sum: SCAN.sum,
  mean: SCAN.sum,
  min: SCAN.min,
  max: SCAN.max,
};

/** null = running totals, or none of both, answer it */
function scanOf({ aggregate, kept }: FeatureDeclaration): ScanKind | null {
  return SCANS[aggregate] ?? (kept < 0 ? null : (KEPT_SCANS[aggregate] ?? null));
}

function isMeasured({ aggregate, kept }: FeatureDeclaration): boolean {
  return kept < 0 && WINDOWED_BY_MEASURE.has(aggregate);
}

function isShare(aggregate: Aggregate): boolean {
  return aggregate === 'share' || aggregate === 'rate';
}

/**
 * What an entity's histories keep, and where its features find their numbers.
 * @param entity its index
 * @param features its own
 * @param kept the features of the catalogue whose values rows keep
 * Throws FS_CATALOGUE_INVALID when they are beyond the limits.
 */
export function compileEntity(
  entity: number,
  features: readonly FeatureDeclaration[],
  latenessMs: number,
  kept: readonly number[],
): EntityPlan {
  const plain = [...new Set(features.flatMap(fieldsOf))].sort();
  const asked = questionsOf(features);
  const fields = [...plain, ...asked.map(questionField)];
  const windows = windowsOf(features);
  const filters: Filter[] = [{ text: '', conditions: [] }];
  const filterOf = features.map(({ aggregate, where, among }) =>
    filterIndex(filters, aggregate === 'count_since' ? where : [...where, ...among], fields, kept),
  );
  const amongOf = features.map(({ among }) => filterIndex(filters, among, fields, kept));
  check(windows.length, LIMITS.catalogueWindowsMax, 'different windows');
  check(filters.length, LIMITS.catalogueFiltersMax, 'different filters');
  check(fields.length, 24, 'different fields and expressions of conditions');

  const pairs = new Set<number>();
  features.forEach((feature, k) => {
    if (!isMeasured(feature)) return;
    const w = windowIndex(windows, feature);
    pairs.add(w * 64 + filterOf[k]!);
    if (isShare(feature.aggregate)) pairs.add(w * 64 + amongOf[k]!);
  });
  const measures = [...pairs].sort((a, b) => a - b);
  const own = makeLayout(fields, windows, filters, measures, features, latenessMs);
  const scans = features.flatMap((feature, k): Scan[] => {
    const kind = scanOf(feature);
    if (kind === null) return [];
    const last = windows.length - 1;
    return [
      {
        kind,
        window: feature.windowMs === 0 ? last : windowIndex(windows, feature),
        windowMs: feature.windowMs === 0 ? own.lookbackMs : feature.windowMs,
        delayMs: feature.delayMs,
        filter: filterOf[k]!,
        among: amongOf[k]!,
        kept: kept.indexOf(feature.kept),
        n: feature.n,
        trim: feature.trim,
      },
    ];
  });
  const keeps = entity === 0 || keptFeatures(features).length > 0;
  const questions = asked.map((condition, k) => compileQuestion(condition, plain.length + k, kept));
  const layout: Layout = { ...own, questions, scans, kept: keeps ? kept.length : 0 };
  let scanCount = 0;
  const steps = features.map((feature, k): Step => {
    const w = windowIndex(windows, feature);
    const measured = isMeasured(feature);
    return {
      entity,
      aggregate: feature.aggregate,
      includesCurrent: feature.includesCurrent,
      measureAt: measured ? measures.indexOf(w * 64 + filterOf[k]!) * 8 : -1,
      allAt: isShare(feature.aggregate) ? measures.indexOf(w * 64 + amongOf[k]!) * 8 : -1,
      among: amongOf[k]!,
      window: w,
      windowMs: feature.windowMs,
      delayMs: feature.delayMs,
      filter: filterOf[k]!,
      labelled: (layout.labelFilters & ((1 << filterOf[k]!) | (1 << amongOf[k]!))) !== 0,
      field: feature.field === null ? -1 : fields.indexOf(feature.field),
      scanAt: scanOf(feature) === null ? -1 : 2 * scanCount++,
      kept: kept.indexOf(feature.kept),
      operandA: feature.operands[0] ?? -1,
      operandB: feature.operands[1] ?? -1,
      expression: feature.expression,
    };
  });
  return { layout, steps };
}

interface Window {
  readonly windowMs: number;
  readonly delayMs: number;
}

/** Those without a delay first, each group ascending; at least one. */
function windowsOf(features: readonly FeatureDeclaration[]): Window[] {
  const windows: Window[] = [];
  for (const { windowMs, delayMs } of features) {
    if (windowMs > 0 && windowIndex(windows, { windowMs, delayMs }) < 0) windows.push({ windowMs, delayMs });
  }
  if (windows.length === 0) windows.push({ windowMs: 86_400_000, delayMs: 0 });
  return windows.sort((a, b) => a.delayMs - b.delayMs || a.windowMs - b.windowMs);
}

function windowIndex(windows: readonly Window[], { windowMs, delayMs }: Window): number {
  return windows.findIndex((window) => window.windowMs === windowMs && window.delayMs === delayMs);
}

function makeLayout(
  fields: readonly string[],
  windows: readonly Window[],
  filters: readonly Filter[],
  measures: readonly number[],
  features: readonly FeatureDeclaration[],
  latenessMs: number,
): Layout {
  const measureStart = new Int32Array(windows.length + 1);
  measures.forEach((pair) => measureStart[Math.floor(pair / 64) + 1]!++);
  for (let w = 0; w < windows.length; w++) measureStart[w + 1]! += measureStart[w]!;
  const labelFilters = filters.reduce(
    (bits, { conditions }, f) => (conditions.some(isLabel) ? bits | (1 << f) : bits),
    0,
  );
  const lookbackMs = Math.max(...windows.map(({ windowMs, delayMs }) => windowMs + delayMs));
  return {
    fingerprint: `blob ${BLOB_VERSION}\n${fields.join('\n')}${labelFilters === 0 ? '' : '\nlabels'}`,
    filterFingerprint: hash32(filters.map((filter) => filter.text).join('\n'), 0xf117e5),
    fields,
    windowsMs: Float64Array.from(windows, ({ windowMs }) => windowMs),
    delaysMs: Float64Array.from(windows, ({ delayMs }) => delayMs),
    plainWindows: windows.filter(({ delayMs }) => delayMs === 0).length,
    latenessMs,
    lookbackMs,
    horizonMs: lookbackMs + latenessMs,
    filters,
    labelFilters,
    questions: [],
    kept: 0,
    scans: [],
    measureWindow: Int32Array.from(measures, (pair) => Math.floor(pair / 64)),
    measureFilter: Int32Array.from(measures, (pair) => pair % 64),
    measureStart,
    beside: [],
    distinctFields: Uint8Array.from(fields, (field) =>
      features.some((feature) => feature.aggregate === 'distinct' && feature.field === field) ? 1 : 0,
    ),
  };
}

function check(count: number, most: number, what: string): void {
  if (count > most) throw new FraudstreamError('FS_CATALOGUE_INVALID', `${count} ${what}; at most ${most}`);
}
