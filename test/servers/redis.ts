import { connect } from 'node:net';
import { join } from 'node:path';
import {
  freePorts,
  removeAtExit,
  removeFolder,
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

function pings(port: number): Promise<boolean> {
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
  const [port = 0] = await freePorts(1);
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
