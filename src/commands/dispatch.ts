import { COMMAND_NAMES, isCommandName, type CommandName } from '../config/command-table.ts';
import { commandHelp, overviewHelp } from '../config/help-text.ts';
import { loadSettings } from '../config/load.ts';
import { secretTexts } from '../config/mask.ts';
import type { Settings } from '../config/options.ts';
import { didYouMean } from '../domain/suggest.ts';
import { quote } from '../config/values.ts';
import type { Clock } from '../domain/clock.ts';
import { ERRORS, FraudstreamError } from '../domain/errors.ts';
import { createLog, errorFields, safeText } from '../observability/log.ts';
import type { CommandModule, Output } from './command.ts';

/** The process as seen by a command line: tests give their own. */
export interface World {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly packageRoot: string;
  readonly version: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly readFile: (path: string) => string;
}

export type Loaders = Readonly<Record<CommandName, () => Promise<CommandModule>>>;

/** From arguments to exit code. Never throws: what a command throws becomes one line on stderr. */
export async function dispatch(world: World, loaders: Loaders): Promise<number> {
  const [first, ...rest] = world.argv;
  if (first === undefined || first === '--help' || first === '-h') {
    (first === undefined ? world.stderr : world.stdout).write(overviewHelp(world.version));
    return first === undefined ? 2 : 0;
  }
  if (first === '--version' || first === '-v') {
    world.stdout.write(`${world.version}\n`);
    return 0;
  }
  if (!isCommandName(first)) {
    const hint = didYouMean(first, COMMAND_NAMES) || '; see fraudstream --help';
    world.stderr.write(`fraudstream: unknown command ${quote(first)}${hint}\n`);
    return 2;
  }
  // help is for those whose configuration is broken, too
  const env = first === 'help' ? {} : world.env;
  const loaded = loadSettings({ ...world, env, command: first, argv: rest, nowMs: world.clock.nowMs() });
  if (loaded.kind === 'help') {
    world.stdout.write(commandHelp(first));
    return 0;
  }
  if (loaded.kind === 'problems') {
    for (const problem of loaded.problems) world.stderr.write(`fraudstream ${first}: ${problem}\n`);
    return 2;
  }
  const secrets = secretTexts(loaded.settings);
  const log = createCommandLog(world, loaded.settings, secrets);
  try {
    const { run } = await loaders[first]();
    return await run({ ...world, ...loaded, args: loaded.positional, log });
  } catch (thrown) {
    const known = thrown instanceof FraudstreamError;
    if (!known || thrown.code === 'FS_INTERNAL') log.error('unexpected error', errorFields(thrown));
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    // a catalogue may have several problems, one per line; of a bug the log has all
    const lines = reason.split('\n').filter((line) => line.trim() !== '');
    for (const line of known ? lines : lines.slice(0, 1)) {
      world.stderr.write(
        `fraudstream ${first}: ${safeText(line, secrets, 1_000)}${known ? ` [${thrown.code}]` : ''}\n`,
      );
    }
    return known ? exitCodeOf(thrown) : 1;
  }
}

/** 2: what was given is wrong; 3: stalled; 1: the rest. */
function exitCodeOf(error: FraudstreamError): number {
  if (error.code === 'FS_STALLED') return 3;
  if (ERRORS[error.code].stage === 'config') return 2;
  return error.code.startsWith('FS_MODEL_') && error.code !== 'FS_MODEL_FAILED' ? 2 : 1;
}

function createCommandLog(world: World, settings: Settings, secrets: readonly string[]) {
  const pretty = settings['log.pretty'];
  const colour = world.stderr.isTTY === true && (world.env['NO_COLOR'] ?? '') === '';
  return createLog({
    level: settings['log.level'],
    pretty: pretty === 'always' || (pretty === 'auto' && world.stderr.isTTY === true),
    colour,
    app: settings['app.id'],
    secrets,
    write: (line) => world.stderr.write(line),
  });
}
