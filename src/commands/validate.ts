import { readFileSync } from 'node:fs';
import { isFlagOnly, OPTION_NAMES, OPTION_TABLE, type Settings } from '../config/options.ts';
import type { OptionSpec } from '../config/option-types.ts';
import { formatValue } from '../config/values.ts';
import { FraudstreamError } from '../domain/errors.ts';
import { parseCatalogue } from '../features/parse.ts';
import { compilePlan, type Plan } from '../features/plan.ts';
import type { Mapping } from '../mapping/mapping.ts';
import type { ModelThresholds } from '../model/scorer.ts';
import { escapeText } from '../observability/terminal.ts';
import type { CommandContext } from './command.ts';
import { kafkaSettingsOf, redisSettingsOf, registryOf } from './connections.ts';
import { loadMapping } from './mapped-input.ts';

/**
 * `fraudstream validate`: what was found good goes to stdout, each problem as one line to stderr. The options are good
 * already when this runs. Exit code 2 when there is a problem.
 */
export async function run(context: CommandContext): Promise<number> {
  const { settings, stdout, stderr } = context;
  if (settings['validate.print']) stdout.write(printSettings(context));
  const problems: string[] = [];
  const good = (line: string): unknown => stdout.write(`✓ ${line}\n`);
  good('configuration');
  problems.push(...pemProblems(settings));
  try {
    // reads and compiles them
    const { SCHEMA_TYPES } = await import('../codec/schemas.ts');
    good(`schemas: ${Object.keys(SCHEMA_TYPES).join(', ')}`);
  } catch (thrown) {
    problems.push(...linesOf(thrown, 'schemas'));
  }
  const plan = readPlan(settings, problems);
  if (plan !== null) {
    good(`catalogue: ${plan.names.length} features, fingerprint ${plan.fingerprint}`);
    try {
      const { loadScorer } = await import('../model/onnx-scorer.ts');
      const scorer = await loadScorer(settings['model.dir'], plan.names);
      good(`model: ${escapeText(scorer.modelVersion)}, ${scorer.featureNames.length} inputs`);
      problems.push(...thresholdProblems(settings, scorer.thresholds));
      await scorer.close();
    } catch (thrown) {
      problems.push(...linesOf(thrown, 'model.dir'));
    }
  }
  const mappingFile = settings['mapping.file'];
  if (mappingFile !== null) {
    try {
      good(`mapping: ${describeMapping(await loadMapping(mappingFile))}`);
    } catch (thrown) {
      problems.push(...linesOf(thrown, 'mapping.file'));
    }
  }
  for (const problem of problems) stderr.write(`fraudstream validate: ${escapeText(problem, 1_000)}\n`);
  return problems.length === 0 ? 0 : 2;
}

/** `name: value  # origin`, in table order; a YAML file when read so, but for masked secrets. */
export function printSettings({ settings, origins }: Pick<CommandContext, 'settings' | 'origins'>): string {
  const lines = OPTION_NAMES.filter((name) => !isFlagOnly(name)).map((name) => {
    const value = escapeText(formatValue(OPTION_TABLE[name] as OptionSpec, settings[name]), 1_000);
    return `${name}: ${value}  # ${origins.get(name) ?? 'default'}\n`;
  });
  return lines.join('');
}

function describeMapping({ columns, attributes, label }: Mapping): string {
  const parts = [`${columns.size} columns`];
  if (attributes.size > 0) parts.push(`${attributes.size} attributes`);
  return `${parts.join(', ')}, ${label === null ? 'no label' : 'with a label'}`;
}

function readPlan(settings: Settings, problems: string[]): Plan | null {
  const file = settings['catalogue.file'];
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    problems.push(`catalogue.file: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`);
    return null;
  }
  try {
    return compilePlan(parseCatalogue(text, file), settings['event.allowed-lateness']);
  } catch (thrown) {
    problems.push(...linesOf(thrown, 'catalogue.file'));
    return null;
  }
}

function pemProblems(settings: Settings): string[] {
  return [kafkaSettingsOf, redisSettingsOf, registryOf].flatMap((read) => {
    try {
      read(settings);
      return [];
    } catch (thrown) {
      return linesOf(thrown, 'configuration');
    }
  });
}

/** One of the two may come from the manifest: only together they can be wrong. */
function thresholdProblems(settings: Settings, thresholds: ModelThresholds): string[] {
  const flag = settings['policy.flag-threshold'] ?? thresholds.flag;
  const block = settings['policy.block-threshold'] ?? thresholds.block;
  if (flag <= block) return [];
  return [`policy.flag-threshold: ${flag} is above the block threshold ${block}: what is blocked must be flagged`];
}

/** A FraudstreamError may have one line per problem; a bug is not a problem of what was given, and is thrown. */
function linesOf(thrown: unknown, what: string): string[] {
  if (!(thrown instanceof FraudstreamError) || thrown.code === 'FS_INTERNAL') {
    if (!(thrown instanceof FraudstreamError) && thrown instanceof Error && 'code' in thrown) {
      return [`${what}: ${String(thrown.code)}`];
    }
    throw thrown;
  }
  return thrown.message.split('\n').map((line) => `${what}: ${line} [${thrown.code}]`);
}
