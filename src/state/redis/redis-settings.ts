import { isIP } from 'node:net';
import type { RedisOptions } from 'ioredis';
import { FraudstreamError } from '../../domain/errors.ts';

/** How to reach Redis. */
export interface RedisSettings {
  /** default standalone */
  readonly mode?: 'standalone' | 'sentinel' | 'cluster';
  /** standalone: `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS */
  readonly url?: string;
  /** sentinel: `host:port` of some of the sentinels; the others are learnt from them */
  readonly sentinels?: readonly string[];
  /** sentinel: the name by which they know the master */
  readonly sentinelMaster?: string;
  /** of the sentinels, where they ask for a login of their own */
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  /** cluster: `host:port` of some of the nodes; the others are learnt from them */
  readonly nodes?: readonly string[];
  /** wins over the one in the url */
  readonly username?: string;
  /** wins over the one in the url */
  readonly password?: string;
  /** true = as the url's scheme says or more; an object = TLS with these (PEM texts); for sentinels, too */
  readonly tls?: boolean | RedisTls;
  /** a command without a reply for this long has an unknown outcome */
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

const RECONNECT_DELAY_MS_MIN = 50;
const RECONNECT_DELAY_MS_MAX = 5_000;
const SENTINEL_DELAY_MS_MAX = 1_000;

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

/** `host:port`, `[::1]:port` → both; null when it is none. */
export function parseAddress(text: string): RedisAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  return port >= 1 && port <= 65_535 ? { host: (match[1] ?? match[2]) as string, port } : null;
}

/** As `parseAddress` reads it. */
export function addressText({ host, port }: RedisAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function addressesOf(name: string, texts: readonly string[] | undefined, mode: string): RedisAddress[] {
  if (texts === undefined || texts.length === 0) throw invalid(`redis.mode ${mode} needs ${name}`);
  return texts.map((text) => {
    const address = parseAddress(text);
    // It may hold a password by mistake.
    if (address === null) throw invalid(`${name}: each must be host:port`);
    return address;
  });
}

/** The nodes to begin with. Throws FS_CONFIG_INVALID. */
export function clusterSeeds(settings: RedisSettings): RedisAddress[] {
  return addressesOf('redis.nodes', settings.nodes, 'cluster');
}

/** Where, for logs and messages: without user and password. Throws FS_CONFIG_INVALID when settings are missing or wrong. */
export function describeRedis(settings: RedisSettings): string {
  if (settings.mode === 'cluster') return `redis-cluster://${clusterSeeds(settings).map(addressText).join(',')}`;
  redisOptions(settings);
  if (settings.mode !== 'sentinel') return maskRedisUrl(settings.url ?? '');
  return `redis-sentinel://${(settings.sentinels ?? []).join(',')}/${settings.sentinelMaster}`;
}

/** What must not appear in a message. */
export function secretsOf(settings: RedisSettings, options: RedisOptions): string[] {
  return [options.password, settings.sentinelPassword].filter(
    (secret): secret is string => typeof secret === 'string' && secret !== '',
  );
}

/** The name for the certificate; an address has none, and is compared by itself. */
const serverName = (host: string): { servername?: string } => (isIP(host) === 0 ? { servername: host } : {});

function tlsOptions(
  host: string | null,
  wanted: boolean,
  tls: boolean | RedisTls | undefined,
): RedisOptions['tls'] | undefined {
  const name = host === null ? {} : serverName(host);
  if (typeof tls === 'object') return { ...name, ...tls };
  return wanted || tls === true ? name : undefined;
}

/** Options for one ioredis connection: to the url, or to whom the sentinels call master. Throws FS_CONFIG_INVALID; its messages hold no part of the url. */
export function redisOptions(settings: RedisSettings): RedisOptions {
  if (settings.mode === 'cluster') throw invalid('redis.mode cluster has a connection per node');
  return settings.mode === 'sentinel' ? sentinelOptions(settings) : standaloneOptions(settings);
}

/** Options for the connection to one node of a cluster. */
export function clusterNodeOptions(settings: RedisSettings, { host, port }: RedisAddress): RedisOptions {
  const tls = tlsOptions(host, false, settings.tls);
  return { host, port, ...login(settings.username, settings.password), ...(tls ? { tls } : {}), ...common(settings) };
}

function standaloneOptions(settings: RedisSettings): RedisOptions {
  const url = parse(settings.url ?? '');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const tls = tlsOptions(host, url.protocol === 'rediss:', settings.tls);
  return {
    host,
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(url.pathname.replace('/', '')),
    ...login(settings.username ?? decoded(url.username), settings.password ?? decoded(url.password)),
    ...(tls === undefined ? {} : { tls }),
    ...common(settings),
  };
}

function sentinelOptions(settings: RedisSettings): RedisOptions {
  const sentinels = addressesOf('redis.sentinels', settings.sentinels, 'sentinel');
  const { sentinelMaster: name = '', sentinelUsername, sentinelPassword } = settings;
  if (name === '') throw invalid('redis.mode sentinel needs redis.sentinel-master');
  const tls = tlsOptions(null, false, settings.tls);
  return {
    sentinels,
    name,
    // Never a replica: it may lack the last flush.
    role: 'master',
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(tls === undefined ? {} : { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: settings.commandTimeoutMs,
    // Without a strategy ioredis gives up for ever when no sentinel answers once.
    sentinelRetryStrategy: (attempt) => Math.min(SENTINEL_DELAY_MS_MAX, reconnectDelayMs(attempt, Math.random())),
    ...login(settings.username, settings.password),
    ...common(settings),
  };
}

function login(username = '', password = ''): { username?: string; password?: string } {
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function common(settings: RedisSettings): RedisOptions {
  return {
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
