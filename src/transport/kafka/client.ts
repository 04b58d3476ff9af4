import kafkajs, { type Admin, type KafkaConfig, type LogEntry, type SASLOptions } from 'kafkajs';
import { createCluster, type Cluster } from './kafkajs-internals.ts';

/** How to reach the cluster, and the one place where connections are configured. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
/** Where the transport says what happens. Fields never hold payloads or secrets. */
export type KafkaLogger = (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;

export interface KafkaSettings {
  /** host:port */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** true: TLS with the system's authorities; else PEM texts */
  readonly ssl?: boolean | { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: SaslSettings;
  /** default 3,000 */
  readonly connectTimeoutMs?: number;
  /** default 30,000 */
  readonly requestTimeoutMs?: number;
}

export type SaslSettings =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
      readonly username: string;
      readonly password: string;
    }
  | { readonly mechanism: 'oauthbearer'; readonly token: () => Promise<string> };

/** KafkaJS's own retries are short: ours go on behind them, with deadlines and a word in the log. */
const RETRY = { initialRetryTime: 20, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 4 };
const METADATA_AGE_MS_MAX = 60_000;

export class KafkaClient {
  readonly settings: KafkaSettings;
  readonly log: KafkaLogger;
  readonly requestTimeoutMs: number;
  private readonly config: Omit<KafkaConfig, 'brokers'> & { brokers: string[] };

  constructor(settings: KafkaSettings, log: KafkaLogger) {
    this.settings = settings;
    this.log = log;
    this.requestTimeoutMs = settings.requestTimeoutMs ?? 30_000;
    const { ssl, sasl } = settings;
    this.config = {
      brokers: [...settings.brokers],
      clientId: settings.clientId,
      connectionTimeout: settings.connectTimeoutMs ?? 3_000,
      authenticationTimeout: 10_000,
      requestTimeout: this.requestTimeoutMs,
      retry: RETRY,
      ...(ssl === undefined ? {} : { ssl }),
      ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
    };
  }

  /**
   * Connections of their own, and the metadata of the topics that are added to it. Not yet connected. KafkaJS takes the
   * larger of a request's timeout and its cluster's: who needs a short one gives it here.
   */
  openCluster(requestTimeoutMs = this.requestTimeoutMs): Cluster {
    const options = {
      ...this.config,
      requestTimeout: requestTimeoutMs,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_AGE_MS_MAX,
      isolationLevel: 1,
    };
    return createCluster(options, () => this.forward, kafkajs.logLevel.WARN);
  }

  admin(): Admin {
    return new kafkajs.Kafka({ ...this.config, logLevel: kafkajs.logLevel.WARN, logCreator: () => this.forward }).admin(
      {
        retry: RETRY,
      },
    );
  }

  /** What KafkaJS reports as an error is one try that failed, for us: a warning. Stacks say nothing that helps. */
  private readonly forward = (entry: LogEntry): void => {
    const { message, broker, error, retryCount } = entry.log;
    const fields: Record<string, unknown> = { component: `kafkajs.${entry.namespace}` };
    for (const [name, value] of Object.entries({
      broker: broker as unknown,
      error: error as unknown,
      retryCount: retryCount as unknown,
    })) {
      if (value !== undefined) fields[name] = value;
    }
    this.log(
      entry.level === kafkajs.logLevel.ERROR || entry.level === kafkajs.logLevel.WARN ? 'warn' : 'debug',
      message,
      fields,
    );
  };
}

function saslOptions(sasl: SaslSettings): SASLOptions {
  if (sasl.mechanism === 'oauthbearer') {
    const { token } = sasl;
    return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: await token() }) };
  }
  return { mechanism: sasl.mechanism, username: sasl.username, password: sasl.password } as SASLOptions;
}
