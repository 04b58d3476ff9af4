import type { RedisOptions } from 'ioredis';
import { FraudstreamError } from '../../domain/errors.ts';

/** How to reach Redis. */
export interface RedisSettings {
  /** `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS */
  readonly url: string;
  /** wins over the one in the url */
  readonly username?: string;
  /** wins over the one in the url */
  readonly password?: string;
  /** true = as the url's scheme says or more; an object = TLS with these (PEM texts) */
  readonly tls?: boolean | RedisTls;
  /** Sentinel and cluster come with the distributed set-up; keys and scripts already fit one slot per partition. */
  readonly mode?: 'standalone' | 'sentinel' | 'cluster';
  /** a command without a reply for this long has an unknown outcome */
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

const RECONNECT_DELAY_MS_MIN = 50;
const RECONNECT_DELAY_MS_MAX = 5_000;

/**
 * Milliseconds until connection attempt `attempt` (1, 2, …): exponential, capped, with "equal jitter" (half fixed, half
 * random), so that many processes do not come back in step. `random` is in [0, 1).
 */
export function reconnectDelayMs(attempt: number, random: number): number {
  const exponent = Math.min(Math.max(attempt, 1) - 1, 16);
  const ceiling = Math.min(RECONNECT_DELAY_MS_MAX, RECONNECT_DELAY_MS_MIN * 2 ** exponent);
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}

function parse(text: string): URL {
  // The text may hold a password: it is never repeated in a message.
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid('redis.url is not a URL; write redis://host:port or rediss://host:port');
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw invalid('redis.url must begin with redis:// or rediss://');
  }
  if (url.hostname === '') throw invalid('redis.url has no host');
  if (!/^\/?\d{0,5}$/.test(url.pathname)) throw invalid('the path of redis.url must be the number of a database');
  return url;
}

const invalid = (detail: string): FraudstreamError => new FraudstreamError('FS_CONFIG_INVALID', detail);

/** `redis://host:port/db` for logs and messages: no user, no password, no query. '' when the text is no URL. */
export function maskRedisUrl(text: string): string {
  if (!URL.canParse(text)) return '';
  const url = new URL(text);
  const db = url.pathname.length > 1 ? url.pathname : '';
  return `${url.protocol}//${url.hostname}:${url.port === '' ? '6379' : url.port}${db}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid('the user or password in redis.url is not percent-encoded properly');
  }
}

function tlsOptions(url: URL, tls: boolean | RedisTls | undefined): RedisOptions['tls'] | undefined {
  if (typeof tls === 'object') return { servername: url.hostname, ...tls };
  return tls === true || url.protocol === 'rediss:' ? { servername: url.hostname } : undefined;
}

/** Options for ioredis. Throws FS_CONFIG_INVALID; its messages hold no part of the url. */
export function redisOptions(settings: RedisSettings): RedisOptions {
  const mode = settings.mode ?? 'standalone';
  if (mode !== 'standalone') {
    throw invalid(`redis.mode ${mode} is not supported by this version; use standalone`);
  }
  const url = parse(settings.url);
  const username = settings.username ?? decoded(url.username);
  const password = settings.password ?? decoded(url.password);
  const tls = tlsOptions(url, settings.tls);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(url.pathname.replace('/', '')),
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    connectionName: 'fraudstream',
    disableClientInfo: true,
    commandTimeout: settings.commandTimeoutMs,
    connectTimeout: settings.connectTimeoutMs,
    // A server that is frozen never answers our FIN; after this the socket is destroyed.
    disconnectTimeout: 100,
    keepAlive: 10_000,
    // What cannot be sent now fails now: the pipeline has its own way to wait, with health and log.
    enableOfflineQueue: false,
    // A command whose connection broke has an unknown outcome: the caller must read the watermark again, so it is never
    // sent a second time. 0 is what makes ioredis reject such commands when the connection closes.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => reconnectDelayMs(attempt, Math.random()),
    // The address may lead to a demoted master: connect again, the name may point elsewhere by now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    lazyConnect: true,
  } as RedisOptions;
}
