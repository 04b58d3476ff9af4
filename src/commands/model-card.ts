import type { ModelManifest } from '../model/manifest.ts';
import { escapeText } from '../observability/terminal.ts';

/** A part of the card: lines of `name, value`, or a table with a header. */
export interface CardSection {
  readonly title: string;
  readonly header: readonly string[] | null;
  readonly rows: readonly (readonly string[])[];
}

type Details = Readonly<Record<string, unknown>>;

const FEATURES_SHOWN = 20;
const METRICS: readonly (readonly [key: string, header: string])[] = [
  ['rows', 'payments'],
  ['frauds', 'frauds'],
  ['roc_auc', 'area under ROC'],
  ['average_precision', 'average precision'],
  ['user_precision_at_100', 'precision of 100 users a day'],
  ['brier', 'Brier score'],
  ['frauds_expected', 'frauds expected by score'],
];
const AT_THRESHOLD: readonly (readonly [key: string, header: string])[] = [
  ['precision', 'precision'],
  ['recall', 'recall'],
  ['recall_by_amount', 'recall by amount'],
  ['false_positive_rate', 'false positive rate'],
  ['rows_at_or_above', 'payments'],
];

/**
 * What a person should know before trusting a model.
 * @param details the manifest as JSON, for what the processor does not read; parts that are missing are left out
 */
export function modelCard(manifest: ModelManifest, details: Details): CardSection[] {
  const sections = [
    { title: 'Model', header: null, rows: modelRows(manifest, details) },
    { title: 'Training data', header: null, rows: trainingRows(manifest, objectOf(details, 'training_data')) },
    thresholdSection(manifest, objectOf(details, 'thresholds')),
    metricSection(manifest),
    atThresholdSection(manifest),
    importanceSection(objectOf(details, 'gain_share')),
    { title: 'Parameters', header: null, rows: pairs(objectOf(details, 'parameters')) },
    { title: 'Libraries', header: null, rows: pairs(objectOf(details, 'libraries')) },
  ];
  return sections.filter((section) => section.rows.length > 0);
}

export function cardAsText(sections: readonly CardSection[]): string {
  return sections.map((section) => `${section.title}\n${textRows(section)}`).join('\n');
}

/** @param level of the headings of sections */
export function cardAsMarkdown(sections: readonly CardSection[], level = 2): string {
  const cell = (text: string): string => escapeText(text).replaceAll('|', '\\|');
  return sections
    .map(({ title, header, rows }) => {
      const head = header ?? ['', ''];
      const lines = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`);
      return `${'#'.repeat(level)} ${title}\n\n${lines.join('\n')}\n`;
    })
    .join('\n');
}

function textRows({ header, rows }: CardSection): string {
  const all = header === null ? rows : [header, ...rows];
  const widths = all.reduce<number[]>((found, row) => row.map((text, k) => Math.max(found[k] ?? 0, text.length)), []);
  return all
    .map((row) => {
      const cells = row.map((text, k) =>
        k === row.length - 1 && header === null
          ? text
          : k === 0
            ? text.padEnd(widths[k]!)
            : text[header === null ? 'padEnd' : 'padStart'](widths[k]!),
      );
      return `  ${escapeText(cells.join('  '), 1_000)}\n`;
    })
    .join('');
}

function modelRows(manifest: ModelManifest, details: Details): string[][] {
  const { calibration, explanation } = manifest;
  const parity = objectOf(details, 'parity');
  return [
    ['version', manifest.version],
    ...said('kind', details['kind']),
    ...said('trees', details['trees']),
    ['features', String(manifest.features.length)],
    ...(manifest.catalogueFingerprint === null ? [] : [['catalogue', manifest.catalogueFingerprint]]),
    ['sha256', manifest.sha256],
    ['calibration', calibration.method === 'isotonic' ? `isotonic, ${calibration.x.length} knots` : calibration.method],
    [
      'explanations',
      explanation === null
        ? 'none stated'
        : explanation.kind === 'linear'
          ? 'weight × distance from the mean, in log odds'
          : `tree path, in ${textOf(objectOf(details, 'explanation')['space']).replace('_', ' ')}`,
    ],
    ...('difference_max' in parity
      ? [['parity', `${textOf(parity['difference_max'])} at most, on ${textOf(parity['rows'])} rows`]]
      : []),
  ];
}

function trainingRows({ trainingData }: ModelManifest, more: Details): string[][] {
  const { description, rows, frauds, timeFromMs, timeToMs, sha256 } = trainingData;
  const share = more['unseen_user_share'];
  return [
    ...(description === '' ? [] : [['description', description]]),
    ['payments', `${rows}, ${frauds} of them fraud (${((100 * frauds) / Math.max(1, rows)).toPrecision(3)} %)`],
    ...said('without a label', more['unlabelled']),
    ...said('users', more['users']),
    ['from', dateOf(timeFromMs)],
    ['to', dateOf(timeToMs)],
    ...said('payments trained on', more['trained_rows']),
    ...(typeof more['validation_from_ms'] === 'number'
      ? [['validation from', dateOf(more['validation_from_ms'])]]
      : []),
    ...(typeof more['later_days_from_ms'] === 'number'
      ? [['later days from', dateOf(more['later_days_from_ms'])]]
      : []),
    ...(typeof share === 'number' ? [['users never seen', `${100 * share} %`]] : []),
    ['sha256', sha256],
  ];
}

function thresholdSection({ thresholds }: ModelManifest, more: Details): CardSection {
  const chosen = objectOf(more, 'chosen');
  const target = (name: string): string => {
    // manifests of earlier releases state a rate
    const rate = chosen[`${name}_target_false_positive_rate`];
    return rate === undefined ? textOf(chosen[`${name}_target`]) : `fpr=${textOf(rate)}`;
  };
  return {
    title: 'Thresholds',
    header: ['decision', 'score at or above', 'target'],
    rows: [
      ['flag', String(thresholds.flag), target('flag')],
      ['block', String(thresholds.block), target('block')],
    ],
  };
}

function metricSection({ metrics }: ModelManifest): CardSection {
  const parts = Object.keys(metrics).map((part) => [part, objectOf(metrics, part)] as const);
  const shown = METRICS.filter(([key]) => parts.some(([, values]) => key in values));
  return {
    title: 'Metrics',
    header: ['part', ...shown.map(([, header]) => header)],
    rows: parts.map(([part, values]) => [part.replaceAll('_', ' '), ...shown.map(([key]) => textOf(values[key]))]),
  };
}

function atThresholdSection({ metrics }: ModelManifest): CardSection {
  const rows = Object.keys(metrics).flatMap((part) =>
    ['flag', 'block'].flatMap((decision) => {
      const values = objectOf(objectOf(metrics, part), decision);
      if (Object.keys(values).length === 0) return [];
      return [[part.replaceAll('_', ' '), decision, ...AT_THRESHOLD.map(([key]) => textOf(values[key]))]];
    }),
  );
  return {
    title: 'At the thresholds',
    header: ['part', 'decision', ...AT_THRESHOLD.map(([, header]) => header)],
    rows,
  };
}

function importanceSection(shares: Details): CardSection {
  const rows = Object.entries(shares)
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number')
    .sort((a, b) => b[1] - a[1])
    .slice(0, FEATURES_SHOWN)
    .map(([name, share]) => [name, `${(100 * share).toFixed(1)} %`]);
  return { title: 'Most important features', header: ['feature', 'share'], rows };
}

function pairs(object: Details): string[][] {
  return Object.entries(object).map(([name, value]) => [name, textOf(value)]);
}

function said(name: string, value: unknown): string[][] {
  return value === undefined || value === null ? [] : [[name, textOf(value)]];
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '–';
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}

function objectOf(object: Details, key: string): Details {
  const value = object[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Details) : {};
}

function dateOf(ms: number): string {
  // a date that JavaScript cannot write is shown as it stands
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`;
}
