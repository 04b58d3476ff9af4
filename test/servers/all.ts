import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { startKafka } from './kafka.ts';
import { freePorts, REPOSITORY } from './process.ts';
import { startRedis } from './redis.ts';
import { startRegistry } from './registry.ts';

/** One Kafka, one Redis and one registry: with Docker where an engine runs, else as processes. */

export interface Servers {
  readonly kafka: string;
  readonly redis: string;
  readonly registry: string;
  stop(): Promise<void>;
}

type Named = 'kafka' | 'redis' | 'registry';

const COMPOSE = join(REPOSITORY, 'test/servers/docker-compose.yml');

function docker(args: readonly string[], timeoutMs: number, env = process.env): boolean {
  const result = spawnSync('docker', args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: timeoutMs, env });
  return result.error === undefined && result.status === 0;
}

/** The client alone is not enough: the engine must answer. */
function dockerRuns(): boolean {
  const result = spawnSync('docker', ['info', '--format', '{{.ServerVersion}}'], { encoding: 'utf8', timeout: 10_000 });
  return result.error === undefined && result.status === 0 && result.stdout.trim() !== '';
}

async function startWithDocker(): Promise<{ kafka: string; redis: string; stop(): Promise<void> } | null> {
  const [kafkaPort, redisPort] = await freePorts(2);
  const env = { ...process.env, KAFKA_PORT: String(kafkaPort), REDIS_PORT: String(redisPort) };
  const compose = ['compose', '-p', `fraudstream-test-${process.pid}`, '-f', COMPOSE];
  const down = (): Promise<void> => {
    docker([...compose, 'down', '-v', '--timeout', '5'], 60_000, env);
    return Promise.resolve();
  };
  if (!docker([...compose, 'up', '-d', '--wait', '--quiet-pull'], 300_000, env)) {
    await down();
    return null;
  }
  return { kafka: `127.0.0.1:${kafkaPort}`, redis: `redis://127.0.0.1:${redisPort}`, stop: down };
}

/** Starts what is named. FRAUDSTREAM_TEST_SERVERS chooses: `docker`, `jars`, or `auto` (Docker, and jars when that fails). */
export async function startServers(names: readonly Named[] = ['kafka', 'redis', 'registry']): Promise<Servers> {
  const mode = process.env.FRAUDSTREAM_TEST_SERVERS ?? 'auto';
  if (!['auto', 'docker', 'jars'].includes(mode))
    throw new Error(`FRAUDSTREAM_TEST_SERVERS: not ${mode}; docker, jars or auto`);
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    await Promise.allSettled(stops.splice(0).map((end) => end()));
  };
  const urls: Record<Named, string> = { kafka: '', redis: '', registry: '' };
  try {
    let rest = [...names];
    if (mode !== 'jars' && (mode === 'docker' || dockerRuns())) {
      const containers = await startWithDocker();
      if (containers !== null) {
        urls.kafka = containers.kafka;
        urls.redis = containers.redis;
        stops.push(() => containers.stop());
        rest = rest.filter((name) => name === 'registry');
      } else if (mode === 'docker') {
        throw new Error('docker compose could not start the test servers');
      } else {
        process.stderr.write('test servers: Docker could not start them; using the Maven jars and redis-server\n');
      }
    }
    const started = await Promise.allSettled(
      rest.map(async (name) => {
        if (name === 'kafka') {
          const server = await startKafka();
          urls.kafka = server.bootstrap;
          stops.push(() => server.stop());
        } else {
          const server = await (name === 'redis' ? startRedis() : startRegistry());
          urls[name] = server.url;
          stops.push(() => server.stop());
        }
      }),
    );
    const failed = started.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...urls, stop };
}
