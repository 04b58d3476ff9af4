import { connect } from 'node:net';
import { join } from 'node:path';
import {
  freePorts,
  removeAtExit,
  removeFolder,
  runProcess,
  startProcess,
  temporaryFolder,
  waitUntil,
  type ServerProcess,
} from './process.ts';

/** A real Redis from Debian's `redis-server`, without persistence unless asked. */

export interface RedisOptions {
  /** append-only file with fsync on every write; default false */
  readonly persistence?: boolean;
  /** further `redis-server` arguments, as `--name value` */
  readonly args?: readonly string[];
  /** default: a free one */
  readonly port?: number;
  /** host:port of a master to replicate */
  readonly replicaOf?: { readonly host: string; readonly port: number };
}

export interface RedisServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  pid(): number;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  shutdown(): Promise<void>;
  /** Starts it again on the same port; without persistence it comes back empty. */
  restart(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** One command by `redis-cli` (of the same package); its text. Throws what the server answers as an error. */
export async function redisCli(port: number, ...args: readonly string[]): Promise<string> {
  const result = await runProcess('redis-cli', ['-e', '-p', String(port), ...args], { timeoutMs: 5_000 });
  if (result.status === 0) return result.stdout.trim();
  throw new Error(`redis-cli ${args.slice(0, 2).join(' ')}: ${result.stdout}${result.stderr}`.trim());
}

/**
 * Ends the replication from this master, and lets no replica sync again: what is written from now on is lost when the
 * master dies.
 */
export async function cutReplication(port: number): Promise<void> {
  await redisCli(port, 'ACL', 'SETUSER', 'default', '-psync', '-sync');
  await redisCli(port, 'CLIENT', 'KILL', 'TYPE', 'replica');
}

export function pings(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    const end = (ok: boolean): void => {
      socket.destroy();
      done(ok);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (data: Buffer) => end(data.toString().startsWith('+PONG')));
  });
}

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const folder = temporaryFolder('redis');
  removeAtExit(folder);
  const port = options.port ?? (await freePorts(1))[0] ?? 0;
  const persistence =
    options.persistence === true ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
  const replica =
    options.replicaOf === undefined ? [] : ['--replicaof', options.replicaOf.host, String(options.replicaOf.port)];
  const base = [
    '--bind',
    '127.0.0.1',
    '--port',
    String(port),
    '--dir',
    folder,
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
  ];
  const args = [...base, ...persistence, ...replica, ...(options.args ?? [])];
  let server: ServerProcess | undefined;
  const begin = async (): Promise<void> => {
    server = startProcess('redis-server', args, join(folder, 'redis.log'));
    const what = "Redis (Debian's package redis-server must be installed)";
    await waitUntil(() => pings(port), { what, timeoutMs: 10_000, server });
  };
  const stop = async (): Promise<void> => {
    await server?.stop();
    removeFolder(folder);
  };
  try {
    await begin();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    pid: () => server?.pid ?? -1,
    stop,
    kill9: async () => server?.kill9(),
    shutdown: async () => server?.stop(),
    restart: begin,
    signal: (signal) => server?.signal(signal),
  };
}
