import { dirname, resolve } from 'node:path';
import { parseCommandLine } from './command-line.ts';
import type { CommandName } from './command-table.ts';
import { crossChecks } from './cross-checks.ts';
import {
  CONFIG_ENV,
  ENV_PREFIX,
  envName,
  flagName,
  isFlagOnly,
  OPTION_NAMES,
  OPTION_TABLE,
  type Settings,
} from './options.ts';
import type { OptionSpec } from './option-types.ts';
import { didYouMean } from '../domain/suggest.ts';
import { parseValue, quote, type ParsedValue } from './values.ts';
import { quoteKey, readYaml } from './yaml-file.ts';

export interface LoadInput {
  readonly command: CommandName;
  /** the arguments after the command's name */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** where the shipped config/ and models/ lie */
  readonly packageRoot: string;
  readonly nowMs: number;
  /** text of a file; throws when it cannot be read */
  readonly readFile: (path: string) => string;
}

/** Where a value is from, e.g. `default`, `fraudstream.yaml:12`, `FRAUDSTREAM_APP_ID`, `--app-id`. */
export type Origins = ReadonlyMap<string, string>;

export type LoadResult =
  | { readonly kind: 'help' }
  | { readonly kind: 'problems'; readonly problems: readonly string[] }
  | {
      readonly kind: 'settings';
      readonly settings: Settings;
      readonly origins: Origins;
      readonly positional: readonly string[];
    };

interface Given {
  readonly text: string | readonly string[];
  readonly origin: string;
  readonly baseDir: string;
  /** the origin is a line of a file: the option's name is not in it */
  readonly inFile: boolean;
}

/**
 * Defaults < YAML file < environment < flags. Collects every problem, one line each; none holds the text of a secret.
 * Never throws.
 */
export function loadSettings(input: LoadInput): LoadResult {
  const line = parseCommandLine(input.command, input.argv);
  if (line.help) return { kind: 'help' };
  const problems: string[] = [...line.problems];
  const given = new Map<string, Given>();

  const fileName = line.configFile ?? (input.env[CONFIG_ENV] || null);
  if (fileName !== null) fromYaml(input, fileName, given, problems);
  fromEnvironment(input, given, problems);
  for (const [name, texts] of line.flags) {
    const spec = OPTION_TABLE[name] as OptionSpec;
    const origin = flagName(name);
    // a list may come as a,b or as a repeated flag, or both
    const text = spec.type === 'list' ? texts.join(',') : (texts[0] ?? '');
    give(input, given, problems, {
      name,
      text,
      origin,
      baseDir: input.cwd,
      inFile: false,
      secretFile: spec.type === 'secret',
    });
  }

  const values: Record<string, ParsedValue | null> = Object.create(null) as Record<string, ParsedValue | null>;
  const origins = new Map<string, string>();
  for (const name of OPTION_NAMES) {
    const spec = OPTION_TABLE[name] as OptionSpec;
    const source = given.get(name) ?? fromDefault(spec, input.packageRoot);
    origins.set(name, source?.origin ?? 'default');
    values[name] = null;
    if (source === null) {
      if (spec.required === true && spec.commands.includes(input.command)) problems.push(missing(name));
      continue;
    }
    const parsed = parseValue(spec, source.text, { baseDir: source.baseDir, nowMs: input.nowMs });
    if (parsed.ok) values[name] = parsed.value;
    else problems.push(`${source.origin}: ${source.inFile ? `${name}: ` : ''}${parsed.why}`);
    if (spec.required === true && spec.commands.includes(input.command) && !given.has(name))
      problems.push(missing(name));
  }
  if (problems.length > 0) return { kind: 'problems', problems: [...new Set(problems)] };
  const settings = values as Settings;
  const crossed = crossChecks(settings);
  if (crossed.length > 0) return { kind: 'problems', problems: crossed };
  return { kind: 'settings', settings, origins, positional: line.positional };
}

function missing(name: string): string {
  return `${flagName(name)}: is needed`;
}

function fromDefault(spec: OptionSpec, packageRoot: string): Given | null {
  if (spec.default === null) return null;
  return { text: spec.default, origin: 'default', baseDir: packageRoot, inFile: true };
}

function fromYaml(input: LoadInput, fileName: string, given: Map<string, Given>, problems: string[]): void {
  const path = resolve(input.cwd, fileName);
  let source: string;
  try {
    source = input.readFile(path);
  } catch (error) {
    problems.push(`${quotePath(fileName)}: the configuration file cannot be read (${reasonOf(error)})`);
    return;
  }
  const shown = quotePath(fileName);
  const file = readYaml(source, shown);
  problems.push(...file.problems);
  const keys = OPTION_NAMES.filter((name) => !isFlagOnly(name)).flatMap((name) =>
    OPTION_TABLE[name]?.type === 'secret' ? [name, `${name}-file`] : [name],
  );
  for (const { key, text, line } of file.entries) {
    const origin = `${shown}:${line}`;
    if (!keys.includes(key)) {
      problems.push(`${origin}: unknown option ${quoteKey(key)}${didYouMean(key, keys)}`);
      continue;
    }
    const secretFile = OPTION_TABLE[key] === undefined;
    const name = secretFile ? key.slice(0, -'-file'.length) : key;
    const first = given.get(name);
    if (first !== undefined) problems.push(`${origin}: ${name} is set already in ${first.origin}`);
    else give(input, given, problems, { name, text, origin, baseDir: dirname(path), inFile: true, secretFile });
  }
}

function fromEnvironment(input: LoadInput, given: Map<string, Given>, problems: string[]): void {
  const names = new Map<string, string>();
  for (const name of OPTION_NAMES) {
    const variable = envName(name);
    if (variable === null) continue;
    names.set(variable, name);
    if (OPTION_TABLE[name]?.type === 'secret') names.set(`${variable}_FILE`, name);
  }
  for (const variable of Object.keys(input.env).sort()) {
    if (!variable.startsWith(ENV_PREFIX) || variable === CONFIG_ENV) continue;
    const name = names.get(variable);
    const text = input.env[variable];
    if (name === undefined) {
      problems.push(`${quoteKey(variable)}: unknown option${didYouMean(variable, [CONFIG_ENV, ...names.keys()])}`);
      continue;
    }
    // `${NAME:-}` in a compose file sets an empty variable: that is "not set"
    if (text === undefined || text === '') continue;
    const secretFile = variable !== envName(name);
    if (secretFile && (input.env[envName(name) ?? ''] ?? '') !== '') {
      problems.push(`${variable}: ${envName(name) ?? ''} is set too; use one of them`);
      continue;
    }
    give(input, given, problems, { name, text, origin: variable, baseDir: input.cwd, inFile: false, secretFile });
  }
}

interface Giving extends Given {
  readonly name: string;
  /** the text names a file that holds the secret */
  readonly secretFile: boolean;
}

function give(input: LoadInput, given: Map<string, Given>, problems: string[], giving: Giving): void {
  const { name, text, origin, baseDir, inFile } = giving;
  if (!giving.secretFile) {
    given.set(name, { text, origin, baseDir, inFile });
    return;
  }
  try {
    const secret = input.readFile(resolve(baseDir, String(text)));
    given.set(name, { text: secret.replace(/\r?\n$/, ''), origin, baseDir, inFile });
  } catch (error) {
    problems.push(`${origin}: ${name}: the file cannot be read (${reasonOf(error)})`);
  }
}

/** The error code of the system, such as ENOENT: its message may repeat what it read. */
function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unreadable';
}

function quotePath(path: string): string {
  return /^[\w./@+~ -]{1,200}$/.test(path) ? path : quote(path);
}
