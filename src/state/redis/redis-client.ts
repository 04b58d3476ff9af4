import { Command } from 'ioredis';
import { FraudstreamError, type ErrorPlace } from '../../domain/errors.ts';
import { RedisCluster } from './redis-cluster.ts';
import { RedisConnection, type RedisListener, type RedisRoute } from './redis-connection.ts';
import { messageOf, redisError } from './redis-errors.ts';
import { clusterNodeOptions, clusterSeeds, describeRedis, redisOptions, secretsOf } from './redis-settings.ts';
import type { RedisSettings } from './redis-settings.ts';
import type { EncodedCommand } from './resp-writer.ts';

/** What a server answered, and which. */
export interface NodeReply {
  /** without user and password */
  readonly url: string;
  readonly reply: unknown;
}

type Argument = string | Buffer | number;

/**
 * Commands to Redis: one server, the master that sentinels name, or the masters of a cluster. Connections come back by
 * themselves for ever. No command is queued while one is away, and none is sent twice unless the server said that it did
 * not run it: it fails with FS_STATE_UNAVAILABLE, and the caller decides.
 */
export class RedisClient {
  /** where, without user and password */
  readonly url: string;
  readonly mode: 'standalone' | 'sentinel' | 'cluster';
  private readonly route: RedisRoute;
  private readonly secrets: readonly string[];

  /** Starts to connect; does not wait. Throws FS_CONFIG_INVALID. */
  constructor(settings: RedisSettings, listener: RedisListener = () => undefined) {
    this.mode = settings.mode ?? 'standalone';
    this.url = describeRedis(settings);
    if (this.mode === 'cluster') {
      const seeds = clusterSeeds(settings);
      this.secrets = secretsOf(settings, settings.password === undefined ? {} : { password: settings.password });
      const optionsOf = clusterNodeOptions.bind(null, settings);
      const { url, secrets } = this;
      const { connectTimeoutMs } = settings;
      this.route = new RedisCluster({ url, seeds, optionsOf, secrets, connectTimeoutMs, listener });
    } else {
      const options = redisOptions(settings);
      this.secrets = secretsOf(settings, options);
      this.route = new RedisConnection(this.url, options, this.secrets, listener);
    }
  }

  /**
   * Waits at most `connectTimeoutMs` for a connection that takes commands: to who serves the key, if one is given, else
   * to every master. Throws FS_STATE_UNAVAILABLE.
   */
  async ready(key: string | null = null): Promise<void> {
    try {
      await this.route.ready(key);
    } catch (thrown) {
      throw this.error(thrown, 'connect', {});
    }
  }

  /** Sends a command that is encoded already; the reply is as Redis gives it, strings as Buffers. Rejects raw: see `error`. */
  send(command: EncodedCommand): Promise<unknown> {
    let next: EncodedCommand | null = command;
    return this.route.send(null, () => {
      const made = next ?? command.copy();
      next = null;
      return made;
    });
  }

  /** Any command by name, strings in and (nested arrays of) Buffers out. Rejects raw: see `error`. */
  call(name: string, ...args: Argument[]): Promise<unknown> {
    return this.route.send(null, commandOf(name, args));
  }

  /** As `call`, to who serves the key: for commands on a server as a whole. */
  callAt(key: string, name: string, ...args: Argument[]): Promise<unknown> {
    return this.route.send(key, commandOf(name, args));
  }

  /** As `call`, to every master. Rejects when one of them does not answer; a refusal is a reply: the Error. */
  async callMasters(name: string, ...args: Argument[]): Promise<NodeReply[]> {
    await this.route.ready(null);
    const make = commandOf(name, args);
    return Promise.all(
      this.route.masters().map(async (master) => {
        const refusal = (thrown: unknown): Error => {
          if (thrown instanceof Error && thrown.name === 'ReplyError') return new Error(messageOf(thrown));
          throw thrown;
        };
        return { url: master.url, reply: await master.sendHere(make()).catch(refusal) };
      }),
    );
  }

  /** Who serves the key: a name that differs after each reconnection and each move of the key. Rejects raw. */
  home(key: string): Promise<string> {
    return this.route.home(key);
  }

  /** Asks every master, without waiting for a connection. Throws FS_STATE_UNAVAILABLE. */
  async ping(): Promise<void> {
    try {
      const masters = this.route.masters();
      if (masters.length === 0) throw new Error('not connected');
      await Promise.all(masters.map((master) => master.sendHere(commandOf('PING', [])())));
    } catch (thrown) {
      throw this.error(thrown, 'ping', {});
    }
  }

  /** What the others threw, as FS_STATE_UNAVAILABLE with advice and without the command's content. */
  error(thrown: unknown, doing: string, place: ErrorPlace): FraudstreamError {
    if (thrown instanceof FraudstreamError) return thrown;
    const message = this.secrets.reduce((text, secret) => text.replaceAll(secret, '***'), messageOf(thrown));
    return redisError(new Error(message), `${this.url}: ${doing}`, place, this.route.failure);
  }

  /** Ends the connections after what was written to them; later commands fail. */
  close(): Promise<void> {
    return this.route.close();
  }
}

const commandOf =
  (name: string, args: readonly Argument[]): (() => Command) =>
  () =>
    new Command(name.toLowerCase(), [...args]);
