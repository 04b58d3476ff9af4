import { Redis, type Command } from 'ioredis';
import { FraudstreamError, type ErrorPlace } from '../../domain/errors.ts';
import { adviceFor, isTimeout, messageOf, redisError } from './redis-errors.ts';
import { maskRedisUrl, redisOptions, type RedisSettings } from './redis-settings.ts';

/** What happens to the connection, for log and metrics. `message` holds no secret. */
export interface RedisEvent {
  readonly kind: 'ready' | 'error' | 'reconnecting';
  /** where: `redis://host:port/db` without user and password */
  readonly url: string;
  readonly message: string;
}

const CLOSE_TIMEOUT_MS = 1_000;

export type RedisListener = (event: RedisEvent) => void;

/**
 * One connection that comes back by itself for ever, with backoff. No command is queued while it is away and none is sent
 * twice: it fails with FS_STATE_UNAVAILABLE, and the caller decides.
 */
export class RedisClient {
  /** without user and password */
  readonly url: string;
  private readonly redis: Redis;
  private readonly secrets: readonly string[];
  private readonly connectTimeoutMs: number;
  private connectionError: string | null = null;
  private closed = false;

  /** Starts to connect; does not wait. Throws FS_CONFIG_INVALID. */
  constructor(settings: RedisSettings, listener: RedisListener = () => undefined) {
    const options = redisOptions(settings);
    this.url = maskRedisUrl(settings.url);
    this.connectTimeoutMs = settings.connectTimeoutMs;
    this.secrets = typeof options.password === 'string' && options.password !== '' ? [options.password] : [];
    this.redis = new Redis(options);
    this.redis.on('error', (error: Error) => {
      this.connectionError = adviceFor(this.scrub(messageOf(error)));
      listener({ kind: 'error', url: this.url, message: this.connectionError });
    });
    this.redis.on('ready', () => {
      this.connectionError = null;
      listener({ kind: 'ready', url: this.url, message: 'connected' });
    });
    this.redis.on('reconnecting', (delayMs: number) => {
      listener({ kind: 'reconnecting', url: this.url, message: `next attempt in ${delayMs} ms` });
    });
    // The failure of the first attempt reaches the listener as an 'error' event, too.
    this.redis.connect().catch(() => undefined);
  }

  /** Waits at most `connectTimeoutMs` for a connection that takes commands. Throws FS_STATE_UNAVAILABLE. */
  async ready(): Promise<void> {
    if (this.usable()) return;
    let stop: () => void = () => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('not connected')), this.connectTimeoutMs);
        const onEnd = (): void => reject(new Error('the client is closed'));
        this.redis.once('ready', resolve);
        this.redis.once('end', onEnd);
        stop = () => {
          clearTimeout(timer);
          this.redis.off('ready', resolve);
          this.redis.off('end', onEnd);
        };
        if (this.closed) onEnd();
      });
    } catch (thrown) {
      throw this.error(thrown, 'connect', {});
    } finally {
      stop();
    }
  }

  /** Sends a command that is encoded already; the reply is as Redis gives it, strings as Buffers. Rejects raw: see `error`. */
  async send(command: Command): Promise<unknown> {
    try {
      return await this.redis.sendCommand(command);
    } catch (thrown) {
      this.leaveIfSilent(thrown);
      throw thrown;
    }
  }

  /** Any command by name, strings in and (nested arrays of) Buffers out. Rejects raw: see `error`. */
  async call(name: string, ...args: (string | Buffer | number)[]): Promise<unknown> {
    try {
      return await this.redis.callBuffer(name, ...args);
    } catch (thrown) {
      this.leaveIfSilent(thrown);
      throw thrown;
    }
  }

  /** Throws FS_STATE_UNAVAILABLE. */
  async ping(): Promise<void> {
    try {
      await this.call('PING');
    } catch (thrown) {
      throw this.error(thrown, 'ping', {});
    }
  }

  /** What `send` and `call` threw, as FS_STATE_UNAVAILABLE with advice and without the command's content. */
  error(thrown: unknown, doing: string, place: ErrorPlace): FraudstreamError {
    if (thrown instanceof FraudstreamError) return thrown;
    const connection = this.redis.status === 'ready' ? null : this.connectionError;
    return redisError(new Error(this.scrub(messageOf(thrown))), `${this.url}: ${doing}`, place, connection);
  }

  /** Ends the connection after what was written to it; later commands fail. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.redis.status === 'end') return;
    const ended = new Promise<void>((resolve) => {
      // Between two attempts there is no socket whose end could be awaited; nor does a lost name look-up tell its end.
      const timer = setTimeout(resolve, this.redis.status === 'reconnecting' ? 0 : CLOSE_TIMEOUT_MS);
      this.redis.once('end', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.redis.disconnect();
    await ended;
  }

  /**
   * A connection through a dead network looks alive for a quarter of an hour (TCP resends), and every command on it
   * times out. So the first time-out ends it; the next connection shows whether the server is there.
   */
  private leaveIfSilent(thrown: unknown): void {
    if (isTimeout(thrown) && this.redis.status === 'ready' && !this.closed) {
      this.connectionError = 'no answer within redis.command-timeout';
      this.redis.disconnect(true);
    }
  }

  /** ioredis says `ready` until a socket is gone; one that we have ended takes no more commands. */
  private usable(): boolean {
    return this.redis.status === 'ready' && this.redis.stream.writable;
  }

  private scrub(message: string): string {
    return this.secrets.reduce((text, secret) => text.replaceAll(secret, '***'), message);
  }
}
