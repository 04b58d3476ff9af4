import { startKafka, type KafkaServer } from '../servers/kafka.ts';
import { startRedis, type RedisServer } from '../servers/redis.ts';
import type { WorldOptions } from './world.ts';

/** What the scenarios of one run share: servers that start when first asked for, the size of it all, and a voice. */

export interface StageOptions {
  /** long: `npm run chaos`; short: among the tests */
  readonly long: boolean;
  readonly seed: number;
  /** payments per second */
  readonly rate: number;
  /** makes the long form longer or shorter: 1 = as documented */
  readonly share?: number;
  /** only operators' mistakes with such a name */
  readonly mishap?: RegExp;
  /** the logs of processors are kept there */
  readonly logs?: string;
  readonly say?: (text: string) => void;
}

/** so that a dead member is forgotten within 3 s, and not within the 6 s that are the least by default */
const SHORT_SESSIONS = { 'group.min.session.timeout.ms': 1_000 };

export class Stage {
  readonly long: boolean;
  readonly seed: number;
  readonly options: StageOptions;
  private kafkaServer: Promise<KafkaServer> | null = null;
  private otherKafkaServer: Promise<KafkaServer> | null = null;
  private redisServer: Promise<RedisServer> | null = null;
  private readonly stops: (() => Promise<void>)[] = [];

  constructor(options: StageOptions) {
    this.options = options;
    this.long = options.long;
    this.seed = options.seed;
  }

  say(text: string): void {
    this.options.say?.(text);
  }

  /** How often something is done: in the short form, and in the long one. */
  times(short: number, long: number): number {
    return this.long ? Math.max(1, Math.round(long * (this.options.share ?? 1))) : short;
  }

  /** One broker that nobody harms. */
  kafka(): Promise<KafkaServer> {
    return (this.kafkaServer ??= this.newKafka());
  }

  /** Another cluster. */
  otherKafka(): Promise<KafkaServer> {
    return (this.otherKafkaServer ??= this.newKafka());
  }

  /** A Redis that nobody harms. */
  redis(): Promise<RedisServer> {
    return (this.redisServer ??= this.newRedis(false));
  }

  async newKafka(options: Parameters<typeof startKafka>[0] = {}): Promise<KafkaServer> {
    const properties = { ...SHORT_SESSIONS, ...options.properties };
    return this.kept(await startKafka({ ...options, properties }));
  }

  async newRedis(persistence: boolean): Promise<RedisServer> {
    return this.kept(await startRedis({ persistence }));
  }

  /** Stopped when the stage is struck. */
  kept<T extends { stop(): Promise<void> }>(server: T): T {
    this.stops.push(() => server.stop());
    return server;
  }

  /** What all worlds have in common. */
  world(name: string): Pick<WorldOptions, 'name' | 'seed' | 'rate' | 'users' | 'say' | 'logs'> {
    const { seed, rate, logs } = this.options;
    const say = (text: string): void => this.say(`${name}: ${text}`);
    return { name, seed, rate, users: this.long ? 500 : 100, say, ...(logs === undefined ? {} : { logs }) };
  }

  async strike(): Promise<void> {
    await Promise.allSettled(this.stops.splice(0).map((stop) => stop()));
  }
}
