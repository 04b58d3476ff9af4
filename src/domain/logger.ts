/** The facts of a log line: plain values under names of the allow-list in `src/observability/log.ts`; others are dropped. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** The log as a port: pure code takes it, tests collect it. Messages are fixed words; what varies goes into fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export const SILENT_LOGGER: Logger = { debug() {}, info() {}, warn() {}, error() {} };
