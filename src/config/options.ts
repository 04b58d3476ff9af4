import { COMMAND_OPTIONS } from './command-options.ts';
import type { CommandName } from './command-table.ts';
import { CONNECTION_OPTIONS } from './connection-options.ts';
import { ENGINE_OPTIONS } from './engine-options.ts';
import { KAFKA_OPTIONS } from './kafka-options.ts';
import type { OptionSpec, SettingsOf } from './option-types.ts';

/**
 * Every option, once. Validation, `--help` and docs/configuration.md come from this table. The environment variable and
 * the flag follow from the name: `kafka.group-id` is `FRAUDSTREAM_KAFKA_GROUP_ID` and `--kafka-group-id`.
 */
export const OPTIONS = { ...ENGINE_OPTIONS, ...KAFKA_OPTIONS, ...CONNECTION_OPTIONS, ...COMMAND_OPTIONS } as const;

export type OptionName = keyof typeof OPTIONS;

/** What the commands get: parsed and checked. Durations are ms, sizes bytes, times ms since 1970. */
export type Settings = SettingsOf<typeof OPTIONS>;

/** The table without its literal types, for code that walks it. */
export const OPTION_TABLE: Readonly<Record<string, OptionSpec>> = OPTIONS;

export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

export const ENV_PREFIX = 'FRAUDSTREAM_';
/** names the YAML file; as a flag `--config` */
export const CONFIG_ENV = 'FRAUDSTREAM_CONFIG';

/** Belongs to one invocation of one command: not in a YAML file, not in the environment. */
export function isFlagOnly(name: string): boolean {
  return Object.hasOwn(COMMAND_OPTIONS, name);
}

/** The environment variable of an option; null for what is a flag only. */
export function envName(name: string): string | null {
  if (isFlagOnly(name)) return null;
  return ENV_PREFIX + name.toUpperCase().replaceAll(/[.-]/g, '_');
}

/** A secret's flag names a file: what is on a command line is seen by every user of the machine. */
export function flagName(name: string): string {
  const spec = OPTION_TABLE[name];
  const base = spec?.flag ?? `--${name.replaceAll('.', '-')}`;
  return spec?.type === 'secret' ? `${base}-file` : base;
}

/** The options that a command takes as flags, in table order. */
export function optionsOf(command: CommandName): OptionName[] {
  return OPTION_NAMES.filter((name) => (OPTION_TABLE[name]?.commands ?? []).includes(command));
}
