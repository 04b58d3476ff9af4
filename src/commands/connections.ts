import { readFileSync } from 'node:fs';
import { SchemaRegistry, type RegistryOptions } from '../codec/registry.ts';
import type { Settings } from '../config/options.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { LogFields, Logger } from '../domain/logger.ts';
import { describeRedis, type RedisSettings } from '../state/redis/redis-settings.ts';
import { KafkaClient, type KafkaSettings } from '../transport/kafka/client.ts';

/** From settings to what the adapters take. Secrets are revealed here, and nowhere else. */
export function kafkaClientOf(settings: Settings, log: Logger): KafkaClient {
  return new KafkaClient(kafkaSettingsOf(settings), (level, message, fields) =>
    log[level](message, fields as LogFields),
  );
}

/** Throws FS_CONFIG_INVALID when a PEM file cannot be read. */
export function kafkaSettingsOf(settings: Settings): KafkaSettings {
  const mechanism = settings['kafka.sasl-mechanism'];
  const tls = tlsOf(settings, 'kafka.ssl');
  return {
    brokers: settings['kafka.brokers'],
    clientId: settings['kafka.client-id'] ?? settings['app.id'],
    ...(settings['kafka.ssl'] ? { ssl: tls ?? true } : {}),
    ...(mechanism === 'none'
      ? {}
      : {
          sasl: {
            mechanism,
            username: settings['kafka.sasl-username'] ?? '',
            password: settings['kafka.sasl-password']?.reveal() ?? '',
          },
        }),
    connectTimeoutMs: settings['kafka.connection-timeout'],
    requestTimeoutMs: settings['kafka.request-timeout'],
  };
}

/** Throws FS_CONFIG_INVALID when a PEM file cannot be read, or when what the mode needs is missing. */
export function redisSettingsOf(settings: Settings): RedisSettings {
  const tls = tlsOf(settings, 'redis.tls');
  const redis: RedisSettings = {
    mode: settings['redis.mode'],
    url: settings['redis.url'],
    ...given('username', settings['redis.username']),
    ...given('password', settings['redis.password']?.reveal()),
    ...given('sentinels', settings['redis.sentinels']),
    ...given('sentinelMaster', settings['redis.sentinel-master']),
    ...given('sentinelUsername', settings['redis.sentinel-username']),
    ...given('sentinelPassword', settings['redis.sentinel-password']?.reveal()),
    ...given('nodes', settings['redis.nodes']),
    ...(tls !== null ? { tls } : settings['redis.tls'] ? { tls: true } : {}),
    commandTimeoutMs: settings['redis.command-timeout'],
    connectTimeoutMs: settings['redis.connect-timeout'],
  };
  describeRedis(redis);
  return redis;
}

function given<N extends string, V>(name: N, value: V | null | undefined): { readonly [K in N]?: V } {
  return value === null || value === undefined ? {} : ({ [name]: value } as { readonly [K in N]: V });
}

/** Null when records are bare Avro. Throws FS_CONFIG_INVALID when a PEM file cannot be read. */
export function registryOf(settings: Settings): SchemaRegistry | null {
  const options = registryOptionsOf(settings);
  return options === null ? null : new SchemaRegistry(options);
}

/** As above. */
export function registryOptionsOf(settings: Settings): RegistryOptions | null {
  if (settings['registry.url'] === '' || settings['wire.format'] === 'avro') return null;
  const tls = tlsOf(settings, 'registry.tls');
  const username = settings['registry.username'];
  const password = settings['registry.password'];
  return {
    url: settings['registry.url'],
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password: password.reveal() }),
    ...(tls === null ? {} : { tls }),
    timeoutMs: settings['registry.timeout'],
  };
}

interface PemTexts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

function tlsOf(settings: Settings, group: 'kafka.ssl' | 'redis.tls' | 'registry.tls'): PemTexts | null {
  const texts: { ca?: string; cert?: string; key?: string } = {};
  for (const part of ['ca', 'cert', 'key'] as const) {
    const path = settings[`${group}-${part}-file`];
    if (path === null) continue;
    try {
      texts[part] = readFileSync(path, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
      const detail = `${group}-${part}-file: ${path} cannot be read (${code})`;
      throw new FraudstreamError('FS_CONFIG_INVALID', detail, {}, { cause: error });
    }
  }
  return Object.keys(texts).length === 0 ? null : texts;
}
