import type { CommandName } from './command-table.ts';
import type { OptionSpec } from './option-types.ts';

const CLIENT: readonly CommandName[] = ['run', 'simulate', 'validate', 'flagged', 'dlq', 'doctor', 'state'];
const RUN_DOCTOR: readonly CommandName[] = ['run', 'validate', 'doctor', 'state'];

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+):[1-9]\d{0,4}$/;

/** Where Redis and the schema registry are, and how to speak with them. */
export const CONNECTION_OPTIONS = {
  'redis.mode': {
    type: 'enum',
    values: ['standalone', 'sentinel', 'cluster'],
    default: 'standalone',
    description: 'one server (redis.url), a master that sentinels name (redis.sentinels), or a cluster (redis.nodes)',
    commands: RUN_DOCTOR,
  },
  'redis.url': {
    type: 'url',
    default: 'redis://localhost:6379',
    description: 'redis://[user:password@]host:port[/db], rediss:// for TLS; of mode standalone',
    commands: RUN_DOCTOR,
    pattern: /^rediss?:\/\/[^\s,]+$/,
    patternText: 'a redis:// or rediss:// URL',
  },
  'redis.sentinels': {
    type: 'list',
    default: null,
    description: 'some of the sentinels; of mode sentinel',
    commands: RUN_DOCTOR,
    pattern: HOST_PORT,
    patternText: 'host:port',
  },
  'redis.sentinel-master': {
    type: 'string',
    default: null,
    description: 'the name by which the sentinels know the master; of mode sentinel',
    commands: RUN_DOCTOR,
    pattern: /^\S+$/,
    patternText: 'a name without spaces',
  },
  'redis.sentinel-username': {
    type: 'string',
    default: null,
    description: 'user name for the sentinels themselves',
    commands: RUN_DOCTOR,
  },
  'redis.sentinel-password': {
    type: 'secret',
    default: null,
    description: 'password for the sentinels themselves; not set: they ask for none',
    commands: RUN_DOCTOR,
  },
  'redis.nodes': {
    type: 'list',
    default: null,
    description: 'some of the nodes; of mode cluster',
    commands: RUN_DOCTOR,
    pattern: HOST_PORT,
    patternText: 'host:port',
  },
  'redis.username': {
    type: 'string',
    default: null,
    description: 'user name, if not in redis.url',
    commands: RUN_DOCTOR,
  },
  'redis.password': {
    type: 'secret',
    default: null,
    description: 'password, if not in redis.url',
    commands: RUN_DOCTOR,
  },
  'redis.tls': {
    type: 'bool',
    default: 'false',
    description: 'TLS also when redis.url begins with redis://; to sentinels and cluster nodes, too',
    commands: RUN_DOCTOR,
  },
  'redis.tls-ca-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the certificate authorities; not set: those of Node',
    commands: RUN_DOCTOR,
  },
  'redis.tls-cert-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the client certificate',
    commands: RUN_DOCTOR,
  },
  'redis.tls-key-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the private key of the client certificate',
    commands: RUN_DOCTOR,
  },
  'redis.connect-timeout': {
    type: 'duration',
    default: '3s',
    min: 10,
    max: 60_000,
    description: 'longest wait for a connection',
    commands: RUN_DOCTOR,
  },
  'redis.command-timeout': {
    type: 'duration',
    default: '2s',
    min: 10,
    max: 60_000,
    description: 'longest wait for the answer to one command',
    commands: RUN_DOCTOR,
  },
  'registry.url': {
    type: 'url',
    default: '',
    description: 'schema registry, e.g. http://localhost:8081; empty: bare Avro of the bundled schemas',
    commands: CLIENT,
    pattern: /^(https?:\/\/\S+)?$/,
    patternText: 'an http:// or https:// URL',
  },
  'registry.username': {
    type: 'string',
    default: null,
    description: 'user name for basic authentication',
    commands: CLIENT,
  },
  'registry.password': {
    type: 'secret',
    default: null,
    description: 'password for basic authentication',
    commands: CLIENT,
  },
  'registry.tls-ca-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the certificate authorities; not set: those of Node',
    commands: CLIENT,
  },
  'registry.tls-cert-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the client certificate',
    commands: CLIENT,
  },
  'registry.tls-key-file': {
    type: 'path',
    default: null,
    description: 'PEM file of the private key of the client certificate',
    commands: CLIENT,
  },
  'registry.timeout': {
    type: 'duration',
    default: '5s',
    min: 10,
    max: 120_000,
    description: 'longest wait for one answer of the registry',
    commands: CLIENT,
  },
} as const satisfies Record<string, OptionSpec>;
