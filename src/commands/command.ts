import type { Origins } from '../config/load.ts';
import type { Settings } from '../config/options.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';

/** Where a command writes. stdout is for what was asked for, stderr for the rest; the log goes to stderr. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** All that a command gets from the world. */
export interface CommandContext {
  readonly settings: Settings;
  /** where each setting is from, for `validate --print` */
  readonly origins: Origins;
  /** positional arguments */
  readonly args: readonly string[];
  readonly stdout: Output;
  readonly stderr: Output;
  readonly log: Logger;
  readonly clock: Clock;
  /** aborted by the first SIGTERM or SIGINT: finish in order; `reason` is the signal's name */
  readonly signal: AbortSignal;
  readonly version: string;
  /** where schemas/, config/ and models/ lie */
  readonly packageRoot: string;
}

/** A command resolves with the exit code of the process. A FraudstreamError that it throws is printed as one line. */
export type Command = (context: CommandContext) => Promise<number>;

export interface CommandModule {
  readonly run: Command;
}
