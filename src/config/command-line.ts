import { COMMANDS, type CommandName } from './command-table.ts';
import { flagName, OPTION_NAMES, OPTION_TABLE, optionsOf } from './options.ts';
import { didYouMean } from '../domain/suggest.ts';
import { quote } from './values.ts';

export interface CommandLine {
  readonly configFile: string | null;
  readonly help: boolean;
  readonly positional: readonly string[];
  /** option name → texts in order; a secret's is a file name */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly problems: readonly string[];
}

/** The arguments after the command's name. `--x v`, `--x=v`, `--x` and `--no-x` for switches, `--` ends the flags. */
export function parseCommandLine(command: CommandName, argv: readonly string[]): CommandLine {
  const known = new Map(optionsOf(command).map((name) => [flagName(name), name as string]));
  const flags = new Map<string, string[]>();
  const positional: string[] = [];
  const problems: string[] = [];
  let configFile: string | null = null;
  let help = false;

  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? '';
    if (arg === '--') {
      positional.push(...argv.slice(i + 1));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      positional.push(arg);
      continue;
    }
    if (arg === '-h' || arg === '--help') {
      help = true;
      continue;
    }
    const equals = arg.indexOf('=');
    const flag = equals === -1 ? arg : arg.slice(0, equals);
    let text = equals === -1 ? null : arg.slice(equals + 1);
    const negated = flag.startsWith('--no-') && !known.has(flag) ? `--${flag.slice(5)}` : null;
    const name = known.get(negated ?? flag);
    if (name === undefined && flag !== '--config') {
      problems.push(`${quoteFlag(flag)}: ${unknownFlag(command, flag, known.keys())}`);
      // what follows is likely its value, which may be a password: not an argument to be named in a message
      if (text === null && argv[i + 1]?.startsWith('--') === false) i++;
      continue;
    }
    const spec = name === undefined ? undefined : OPTION_TABLE[name];
    if (negated !== null && (spec?.type !== 'bool' || text !== null)) {
      problems.push(`${quoteFlag(flag)}: only a switch has a --no- form, and it takes no value`);
      continue;
    }
    if (spec?.type === 'bool') {
      text = negated === null ? (text ?? 'true') : 'false';
    } else if (text === null) {
      const next = argv[i + 1];
      if (next === undefined || next.startsWith('--')) {
        problems.push(`${flag}: needs a value`);
        continue;
      }
      text = next;
      i++;
    }
    if (name === undefined) {
      if (configFile !== null) problems.push('--config: given more than once');
      configFile = text;
      continue;
    }
    const before = flags.get(name);
    if (before === undefined) flags.set(name, [text]);
    else if (spec?.type === 'list') before.push(text);
    else problems.push(`${flag}: given more than once`);
  }
  if (positional.length > COMMANDS[command].argsMax) {
    const extra = positional[COMMANDS[command].argsMax] ?? '';
    problems.push(`${command}: unexpected argument ${quote(extra)}`);
  }
  return { configFile, help, positional, flags, problems };
}

function unknownFlag(command: CommandName, flag: string, known: Iterable<string>): string {
  const secret = OPTION_NAMES.find(
    (name) => flagName(name) === `${flag}-file` && OPTION_TABLE[name]?.type === 'secret',
  );
  if (secret !== undefined) {
    return `a secret is not taken from the command line, where others can see it; use ${flag}-file or the environment`;
  }
  const elsewhere = OPTION_NAMES.find((name) => flagName(name) === flag);
  if (elsewhere !== undefined) return `is not an option of ${command}`;
  return `unknown option${didYouMean(flag, ['--config', '--help', ...known])}`;
}

/** A mistyped flag may hold anything, a password too: only its own letters are repeated. */
function quoteFlag(flag: string): string {
  return /^--?[a-zA-Z0-9-]{1,60}$/.test(flag) ? flag : quote(flag.slice(0, 20));
}
