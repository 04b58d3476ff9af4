import type { CommandName } from './command-table.ts';
import type { Secret } from './secret.ts';

/**
 * How an option's text is read:
 * - duration: `250ms`, `10s`, `1h30m`, `7d` → ms
 * - bytes: `1048576`, `64KiB`, `128MiB`, `1GiB` (also kB, MB, GB) → bytes
 * - time: ISO 8601 (`2026-01-31`, `2026-01-31T10:00:00Z`), or a duration that means "that long ago" → ms since 1970
 * - list: a comma-separated text, a repeated flag, or a YAML sequence
 * - path: relative to the working directory, in a file relative to that file; a default relative to the package
 * - secret: from the environment, a YAML file, or a file named by `…-file`; never a flag
 * - url: as secret as a password when it has one; printed without
 */
export type OptionType =
  'string' | 'int' | 'number' | 'bool' | 'duration' | 'bytes' | 'time' | 'list' | 'enum' | 'path' | 'url' | 'secret';

export interface OptionSpec {
  readonly type: OptionType;
  /** as a user would write it; null = not set */
  readonly default: string | null;
  readonly description: string;
  /** the commands that use it; the others refuse its flag */
  readonly commands: readonly CommandName[];
  /** of an enum */
  readonly values?: readonly string[];
  /** bounds, in the unit of the parsed value */
  readonly min?: number;
  readonly max?: number;
  /** a string or each item of a list must match it */
  readonly pattern?: RegExp;
  /** the pattern in words, for messages and docs */
  readonly patternText?: string;
  /** where it is not `--` + the name with `.` → `-` */
  readonly flag?: string;
  /** must be given to the commands that use it */
  readonly required?: true;
}

type BaseValue<S extends OptionSpec> = S['type'] extends 'bool'
  ? boolean
  : S['type'] extends 'int' | 'number' | 'duration' | 'bytes' | 'time'
    ? number
    : S['type'] extends 'list'
      ? readonly string[]
      : S['type'] extends 'enum'
        ? S extends { readonly values: readonly (infer V)[] }
          ? V
          : never
        : S['type'] extends 'secret'
          ? Secret
          : string;

/** The parsed value of an option; null only where the default is "not set". */
export type OptionValue<S extends OptionSpec> = S['default'] extends null ? BaseValue<S> | null : BaseValue<S>;

export type SettingsOf<T extends Record<string, OptionSpec>> = { readonly [N in keyof T]: OptionValue<T[N]> };
