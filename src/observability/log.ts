import { pino, type Logger as PinoLogger } from 'pino';
import pinoPretty from 'pino-pretty';
import { FraudstreamError } from '../domain/errors.ts';
import type { LogFields, Logger } from '../domain/logger.ts';
import { escapeText } from './terminal.ts';

/**
 * The only fields that a log line may have. An allow-list, because a list of what to hide forgets something:
 * no payload, user, card, ip or secret has a name here.
 */
export const SAFE_FIELDS: ReadonlySet<string> = new Set(
  (
    'address assigned broker component error retryCount waitMs app attempt batches blocked brokers bytes cache check code command config count ' +
    'dead_letters decided delay_ms decisions duplicates duration_ms entries events events_per_s exit_code expected ' +
    'fallback features field file fingerprint flagged from generation group host interval_ms jitter_ms lag late leader ' +
    'limit max member_id min mode model model_version name next_offset node offset offsets operation partition ' +
    'partitions path pending policy_version port position progress reason records redis_version remaining replication ' +
    'restarts retriable retry_count retry_in_ms rows scored seconds signal since_ms size stack stage state status ' +
    'store stream threshold timeout_ms topic topics uptime_s url users version watermark to'
  ).split(' '),
);

const STRING_LENGTH_MAX = 500;
const STACK_LENGTH_MAX = 4_000;

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly pretty: boolean;
  readonly colour: boolean;
  /** goes onto each line */
  readonly app: string;
  /** texts that are masked wherever they appear, e.g. in a message of a client library */
  readonly secrets: readonly string[];
  /** one line of JSON or, when pretty, of text */
  readonly write: (line: string) => void;
}

/** pino behind our port: JSON lines, one per call, written at once (a crash loses none). */
export function createLog(options: LogOptions): Logger {
  const sink = { write: (line: string): void => options.write(line) };
  const lines = options.pretty ? { write: prettyWriter(options.colour, sink.write) } : sink;
  const base: PinoLogger = pino(
    {
      level: options.level,
      base: { app: options.app },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    lines,
  );
  const secrets = options.secrets.filter((secret) => secret !== '');
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields?: LogFields): void => {
      if (!base.isLevelEnabled(level)) return;
      base[level](safeFields(fields, secrets), safeText(message, secrets, STRING_LENGTH_MAX));
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** What may be said of anything thrown: code, place and reason, as log fields. */
export function errorFields(thrown: unknown): LogFields {
  if (thrown instanceof FraudstreamError) {
    const { topic, partition, offset, field } = thrown.place;
    const stack = thrown.code === 'FS_INTERNAL' ? thrown.stack : undefined;
    return { code: thrown.code, reason: thrown.message, topic, partition, offset, field, stack };
  }
  if (thrown instanceof Error) {
    const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : thrown.name;
    return { code, reason: thrown.message, stack: thrown.stack };
  }
  return { reason: String(thrown) };
}

function safeFields(fields: LogFields | undefined, secrets: readonly string[]): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (!SAFE_FIELDS.has(name) || value === undefined) continue;
    if (typeof value === 'string') {
      safe[name] =
        name === 'stack'
          ? value
              .split('\n')
              .map((line) => safeText(line, secrets, STRING_LENGTH_MAX))
              .join('\n')
              .slice(0, STACK_LENGTH_MAX)
          : safeText(value, secrets, STRING_LENGTH_MAX);
    } else if (typeof value === 'number' || typeof value === 'boolean' || value === null) {
      safe[name] = value;
    }
  }
  return safe;
}

/** Secrets first, then cut and escape: a cut secret would no longer be found. */
export function safeText(text: string, secrets: readonly string[], lengthMax: number): string {
  let masked = text;
  for (const secret of secrets) masked = masked.replaceAll(secret, '[secret]');
  masked = masked.replaceAll(/:\/\/[^\s/@]*@/g, '://[secret]@');
  return escapeText(masked, lengthMax);
}

function prettyWriter(colour: boolean, write: (line: string) => void): (line: string) => void {
  const format = pinoPretty.prettyFactory({
    colorize: colour,
    messageKey: 'message',
    ignore: 'app,pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  return (line) => {
    write(format(line) ?? '');
  };
}
