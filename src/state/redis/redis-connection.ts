import { Redis, type Command, type RedisOptions } from 'ioredis';
import { adviceFor, isTimeout, messageOf } from './redis-errors.ts';

/** What happens to a connection, for log and metrics. `message` holds no secret. */
export interface RedisEvent {
  readonly kind: 'ready' | 'error' | 'reconnecting';
  /** where, without user and password */
  readonly url: string;
  readonly message: string;
}

export type RedisListener = (event: RedisEvent) => void;

/** How commands get to the server that is to have them. What it rejects with is raw: see `RedisClient.error`. */
export interface RedisRoute {
  /** what the connection last failed with; null = it is well */
  readonly failure: string | null;
  /** Waits for a connection to who serves the key (null = to all), at most the time to connect. */
  ready(key: string | null): Promise<void>;
  /**
   * Sends what `make` makes to who serves the key; null = to who serves the keys of the command, if it has any, else to
   * anyone. `make` is called again when the server says that it did not run the command and who will.
   */
  send(key: string | null, make: () => Command): Promise<unknown>;
  /** A connection per master. */
  masters(): readonly RedisConnection[];
  /** Who serves the key, as a name that changes with each new connection: SCAN has meaning only as long as it is the same. */
  home(key: string): Promise<string>;
  close(): Promise<void>;
}

const CLOSE_TIMEOUT_MS = 1_000;

/**
 * One connection that comes back by itself for ever, with backoff. No command is queued while it is away and none is sent
 * twice. With Sentinel in its options it asks who is master before each attempt.
 */
export class RedisConnection implements RedisRoute {
  /** without user and password */
  readonly url: string;
  private readonly redis: Redis;
  private readonly connectTimeoutMs: number;
  private lastFailure: string | null = null;
  private connects = 0;
  private closed = false;

  /** Starts to connect; does not wait. `secrets` are kept out of every event. */
  constructor(url: string, options: RedisOptions, secrets: readonly string[], listener: RedisListener) {
    this.url = url;
    this.connectTimeoutMs = options.connectTimeout ?? 0;
    this.redis = new Redis(options);
    this.redis.on('error', (error: Error) => {
      const message = secrets.reduce((text, secret) => text.replaceAll(secret, '***'), messageOf(error));
      this.lastFailure = adviceFor(message);
      if (!this.closed) listener({ kind: 'error', url, message: this.lastFailure });
    });
    this.redis.on('ready', () => {
      this.connects++;
      this.lastFailure = null;
      listener({ kind: 'ready', url, message: 'connected' });
    });
    this.redis.on('reconnecting', (delayMs: number) => {
      listener({ kind: 'reconnecting', url, message: `next attempt in ${delayMs} ms` });
    });
    // The failure of the first attempt reaches the listener as an 'error' event, too.
    this.redis.connect().catch(() => undefined);
  }

  get failure(): string | null {
    return this.redis.status === 'ready' ? null : this.lastFailure;
  }

  /** ioredis says `ready` until a socket is gone; one that we have ended takes no more commands. */
  get usable(): boolean {
    return this.redis.status === 'ready' && this.redis.stream.writable;
  }

  async ready(): Promise<void> {
    if (this.usable) return;
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
    } finally {
      stop();
    }
  }

  send(_key: string | null, make: () => Command): Promise<unknown> {
    return this.sendHere(make());
  }

  /** `asking`: right after ASKING, which lets a node answer for a slot that is on its way to it. */
  async sendHere(command: Command, asking = false): Promise<unknown> {
    try {
      if (asking) this.redis.call('ASKING').catch(() => undefined);
      return await this.redis.sendCommand(command);
    } catch (thrown) {
      this.leaveIfSilent(thrown);
      throw thrown;
    }
  }

  masters(): readonly RedisConnection[] {
    return [this];
  }

  home(): Promise<string> {
    return Promise.resolve(`${this.url} ${this.connects}`);
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
      this.lastFailure = 'no answer within redis.command-timeout';
      this.redis.disconnect(true);
    }
  }
}
