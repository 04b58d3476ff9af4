import { FraudstreamError } from '../../src/domain/errors.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

export type RedisValue = Uint8Array | string;

/** How a command fares. Of all but `well` the client hears nothing in time. */
export type RedisFate = 'well' | 'lost' | 'answer lost' | 'late' | 'twice' | 'half';

export interface RedisOptions {
  /** a command without an answer for this long has an unknown outcome, ms */
  readonly timeoutMs: number;
  /** largest delay of a command or an answer, ms */
  readonly delayMsMax: number;
}

/** A command, run alone in one step, as a script is. */
export type RedisCommand<T> = (node: RedisNode) => T;

type Undo = readonly { readonly key: string; readonly before: RedisValue | undefined }[];

/** One server. Remembers how to take back each command that wrote: replicas lag by some of them. */
export class RedisNode {
  readonly data = new Map<string, RedisValue>();
  private readonly journal: Undo[] = [];
  private current: { key: string; before: RedisValue | undefined }[] = [];
  /** the next command dies after so many writes, and what it wrote stays; a script is no transaction */
  writesLeft = Infinity;

  get(key: string): RedisValue | undefined {
    return this.data.get(key);
  }

  set(key: string, value: RedisValue): void {
    this.remember(key);
    this.data.set(key, value);
  }

  remove(key: string): void {
    this.remember(key);
    this.data.delete(key);
  }

  run<T>(command: RedisCommand<T>): T {
    this.current = [];
    try {
      return command(this);
    } finally {
      if (this.current.length > 0) this.journal.push(this.current);
      this.writesLeft = Infinity;
    }
  }

  /** A replica that lags by so many commands. */
  copyWithout(commands: number): RedisNode {
    const copy = new RedisNode();
    for (const [key, value] of this.data) copy.data.set(key, value);
    const lost = Math.min(commands, this.journal.length);
    for (let k = 0; k < lost; k++) {
      for (const { key, before } of (this.journal[this.journal.length - 1 - k] as Undo).toReversed()) {
        if (before === undefined) copy.data.delete(key);
        else copy.data.set(key, before);
      }
    }
    copy.journal.push(...this.journal.slice(0, this.journal.length - lost));
    return copy;
  }

  private remember(key: string): void {
    if (this.writesLeft-- <= 0) throw new FraudstreamError('FS_STATE_UNAVAILABLE', 'OOM in the middle of a script');
    this.current.push({ key, before: this.data.get(key) });
  }
}

/** A client's connection: commands of one arrive in order. */
export interface RedisConnection {
  /** a master that was deposed and does not know it yet; this client still talks to it */
  deposed: RedisNode | null;
  lastArrivalMs: number;
}

/**
 * A Redis that acknowledges before it replicates. Failovers lose the last commands, a deposed master still answers some
 * clients for a while, restarts may bring back less than was there; single commands are lost, late, or run twice.
 */
export class ModelRedis {
  readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly options: RedisOptions;
  private master = new RedisNode();
  private readonly connections: RedisConnection[] = [];
  private awayUntilMs = -1;
  /** asked for each command; the faults of a history decide here */
  fateOf: (label: string) => RedisFate = () => 'well';

  constructor(scheduler: Scheduler, random: Random, options: Partial<RedisOptions> = {}) {
    this.scheduler = scheduler;
    this.random = random;
    this.options = { timeoutMs: 1_000, delayMsMax: 8, ...options };
  }

  /** For the oracle: what the master holds now. */
  get data(): ReadonlyMap<string, RedisValue> {
    return this.master.data;
  }

  connect(): RedisConnection {
    const connection: RedisConnection = { deposed: null, lastArrivalMs: 0 };
    this.connections.push(connection);
    return connection;
  }

  /** A replica that has not seen the last commands becomes master; some clients notice only later. */
  failover(lostCommands: number, splitMs: number): void {
    const deposed = this.master;
    this.master = deposed.copyWithout(lostCommands);
    for (const connection of this.connections) {
      if (splitMs <= 0 || !this.random.chance(0.5)) continue;
      connection.deposed = deposed;
      this.scheduler.schedule(splitMs, 'redis: client finds the master', () => (connection.deposed = null));
    }
  }

  /** Comes back after a while without the last commands (append-only file, fsync every second), or with nothing. */
  restart(downMs: number, kept: 'nothing' | { readonly lostCommands: number }): void {
    this.master = kept === 'nothing' ? new RedisNode() : this.master.copyWithout(kept.lostCommands);
    this.away(downMs);
  }

  away(downMs: number): void {
    this.awayUntilMs = Math.max(this.awayUntilMs, this.scheduler.elapsedMs + downMs);
  }

  /** FLUSHALL, or another database */
  wipe(): void {
    this.master = new RedisNode();
    for (const connection of this.connections) connection.deposed = null;
  }

  /** Puts a value, as an operator would. */
  edit(key: string, value: RedisValue): void {
    this.master.run((node) => node.set(key, value));
  }

  /** Removes some keys, as an operator or an eviction would. */
  forget(matches: (key: string) => boolean): void {
    this.master.run((node) => {
      for (const key of [...node.data.keys()]) if (matches(key)) node.remove(key);
    });
  }

  /** Sends a command. Rejects with FS_STATE_UNAVAILABLE when no answer comes in time, or what the command throws. */
  send<T>(connection: RedisConnection, label: string, command: RedisCommand<T>): Promise<T> {
    const { scheduler, options } = this;
    const fate = this.fateOf(label);
    if (fate !== 'well') scheduler.note(`redis ${label}: ${fate}`);
    return new Promise((resolve, reject) => {
      const unanswered = scheduler.schedule(options.timeoutMs, `redis ${label} times out`, () =>
        reject(new FraudstreamError('FS_STATE_UNAVAILABLE', `no answer to ${label}`)),
      );
      const run = (answers: boolean): void => {
        const outcome = this.runNow(connection, command, fate);
        if (outcome === null || !answers) return;
        scheduler.schedule(this.random.skewed(options.delayMsMax), `redis answers ${label}`, () => {
          unanswered();
          if ('error' in outcome) reject(outcome.error as Error);
          else resolve(outcome.value);
        });
      };
      if (fate === 'lost') return;
      if (fate === 'late') {
        const delayMs = this.random.int(options.timeoutMs, options.timeoutMs * 8);
        scheduler.schedule(delayMs, `redis runs ${label} late`, () => run(false));
        return;
      }
      const atMs = Math.max(scheduler.elapsedMs + this.random.skewed(options.delayMsMax), connection.lastArrivalMs);
      connection.lastArrivalMs = atMs;
      scheduler.schedule(atMs - scheduler.elapsedMs, `redis runs ${label}`, () => run(fate !== 'answer lost'));
      if (fate !== 'twice') return;
      const againMs = this.random.int(options.delayMsMax, options.timeoutMs * 8);
      scheduler.schedule(againMs, `redis runs ${label} again`, () => run(false));
    });
  }

  private runNow<T>(
    connection: RedisConnection,
    command: RedisCommand<T>,
    fate: RedisFate,
  ): { readonly value: T } | { readonly error: unknown } | null {
    if (this.scheduler.elapsedMs < this.awayUntilMs) return null;
    const node = connection.deposed ?? this.master;
    if (fate === 'half') node.writesLeft = this.random.int(0, 2);
    try {
      return { value: node.run(command) };
    } catch (error) {
      return { error };
    }
  }
}
