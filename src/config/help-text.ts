import { COMMAND_NAMES, COMMANDS, EXIT_CODES, type CommandName, type CommandSpec } from './command-table.ts';
import { CONFIG_ENV, envName, flagName, isFlagOnly, OPTION_TABLE, optionsOf } from './options.ts';
import type { OptionSpec } from './option-types.ts';
import { formatBytes, formatDuration } from './values.ts';

const WIDTH = 100;

/** `fraudstream --help` */
export function overviewHelp(version: string): string {
  const shown = COMMAND_NAMES.filter((name) => (COMMANDS[name] as CommandSpec).hidden !== true);
  const width = Math.max(...shown.map((name) => name.length));
  return [
    `fraudstream ${version}: real-time fraud detection on Kafka`,
    '',
    'Usage: fraudstream <command> [options]',
    '',
    'Commands:',
    ...shown.map((name) => `  ${name.padEnd(width)}  ${COMMANDS[name].summary}`),
    '',
    'Options:',
    '  --config FILE  YAML file with options; its values yield to the environment, and both to flags',
    '  --help, -h     help, also for one command',
    '  --version      version',
    '',
    'Exit codes:',
    ...EXIT_CODES.map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`),
    '',
    '`fraudstream <command> --help` shows the options of a command. All of them: docs/configuration.md',
    '',
  ].join('\n');
}

/** `fraudstream <command> --help` */
export function commandHelp(command: CommandName): string {
  const spec: CommandSpec = COMMANDS[command];
  const names = optionsOf(command);
  const own = names.filter((name) => isFlagOnly(name));
  const shared = names.filter((name) => !isFlagOnly(name));
  const lines = [
    `fraudstream ${command}: ${spec.summary}`,
    '',
    `Usage: fraudstream ${command}${spec.args === '' ? '' : ` ${spec.args}`} [options]`,
    '',
    ...wrap(spec.details, WIDTH),
    '',
    'Examples:',
    ...spec.examples.map((example) => `  ${example}`),
    '',
  ];
  if (own.length > 0) lines.push('Options of this command:', ...own.flatMap(optionHelp), '');
  if (shared.length > 0) {
    lines.push('Options that a file and the environment can set too:', ...shared.flatMap(optionHelp), '');
    lines.push(`  --config FILE`, `      YAML file with options [${CONFIG_ENV}]`, '');
  }
  return lines.join('\n');
}

/** The type of an option's value, in words: `one of a, b`, `duration, 1s to 30m`. */
export function typeText(spec: OptionSpec): string {
  if (spec.type === 'enum') return (spec.values ?? []).join(' | ');
  const format = spec.type === 'duration' ? formatDuration : spec.type === 'bytes' ? formatBytes : String;
  if (spec.min === undefined && spec.max === undefined) return spec.patternText ?? '';
  if (spec.max === undefined || spec.max === Number.MAX_SAFE_INTEGER) return `${format(spec.min ?? 0)} or more`;
  return `${format(spec.min ?? 0)} to ${format(spec.max)}`;
}

/** What stands for the value after a flag. */
function placeholder(spec: OptionSpec): string {
  const words = {
    string: 'TEXT',
    int: 'N',
    number: 'X',
    bool: '',
    duration: 'DURATION',
    bytes: 'SIZE',
    time: 'TIME',
    list: 'A,B',
    enum: 'WORD',
    path: 'PATH',
    url: 'URL',
    secret: 'FILE',
  } as const;
  return words[spec.type];
}

function defaultText(spec: OptionSpec): string {
  if (spec.required === true) return 'needed';
  return spec.default === null || spec.default === '' ? 'not set' : spec.default;
}

function optionHelp(name: string): string[] {
  const spec = OPTION_TABLE[name] as OptionSpec;
  const isEnum = spec.type === 'enum' && (spec.values ?? []).length <= 6;
  const word = isEnum ? (spec.values ?? []).join('|') : placeholder(spec);
  const flag = spec.type === 'bool' && spec.default === 'true' ? `--[no-]${flagName(name).slice(2)}` : flagName(name);
  const range = spec.type === 'enum' ? '' : typeText(spec);
  const standard = spec.type === 'bool' || spec.default === null ? '' : `default ${defaultText(spec)}`;
  const facts = [spec.required === true ? 'needed' : standard, range].filter(
    (fact) => fact !== '' && fact !== 'default not set',
  );
  const variable = envName(name);
  const text = `${spec.description}${facts.length === 0 ? '' : ` (${facts.join('; ')})`}${variable === null ? '' : ` [${variable}${spec.type === 'secret' ? ' or …_FILE' : ''}]`}`;
  return [`  ${flag}${word === '' ? '' : ` ${word}`}`, ...wrap(text, WIDTH - 6).map((line) => `      ${line}`)];
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}
