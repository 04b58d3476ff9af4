import { COMMAND_NAMES, isCommandName } from '../config/command-table.ts';
import { commandHelp, overviewHelp } from '../config/help-text.ts';
import { didYouMean } from '../domain/suggest.ts';
import { quote } from '../config/values.ts';
import type { CommandContext } from './command.ts';

/** `fraudstream help [command]` */
export function run(context: CommandContext): Promise<number> {
  const topic = context.args[0];
  if (topic === undefined) {
    context.stdout.write(overviewHelp(context.version));
    return Promise.resolve(0);
  }
  if (!isCommandName(topic)) {
    context.stderr.write(`fraudstream help: unknown command ${quote(topic)}${didYouMean(topic, COMMAND_NAMES)}\n`);
    return Promise.resolve(2);
  }
  context.stdout.write(commandHelp(topic));
  return Promise.resolve(0);
}
