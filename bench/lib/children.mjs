// Child processes of a benchmark: the servers, the processor, producers and consumers. None outlives it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { MAIN, ROOT } from './build.mjs';

const live = new Set();
// SIGTERM: the servers take theirs with them
process.once('exit', () => {
  for (const child of live) child.kill('SIGTERM');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/**
 * Starts a program; `onLine` sees the lines that it prints on stdout.
 * @returns its pid, `ended` (resolves to the exit code), `stop()` (SIGTERM, SIGKILL after 30 s) and `stderrTail()`
 */
export function startChild(command, args, { env = process.env, onLine = () => undefined } = {}) {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  live.add(child);
  let tail = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (tail = (tail + text).slice(-4_000)));
  const lines = createInterface({ input: child.stdout });
  lines.on('line', onLine);
  const ended = new Promise((done) => {
    child.once('error', (error) => {
      tail += error.message;
      live.delete(child);
      done(-1);
    });
    child.once('close', (code) => {
      live.delete(child);
      done(code ?? -1);
    });
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const code = await ended;
    clearTimeout(timer);
    return code;
  };
  return { pid: child.pid, child, ended, stop, stderrTail: () => tail };
}

/** Runs a Node program to its end. @returns its stdout. Throws when it fails. */
export async function runNode(args, options = {}) {
  let out = '';
  const started = startChild(process.execPath, args, { ...options, onLine: (line) => (out += `${line}\n`) });
  const code = await started.ended;
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}\n${started.stderrTail()}`);
  return out;
}

/** Kafka and Redis of the tests' kind. @returns { brokers, redis, stop } */
export async function startServers() {
  const { line, stop } = await startUntil(process.execPath, [join(ROOT, 'test/servers/up.mjs'), 'kafka', 'redis'], {
    wanted: (text) => text.startsWith('{'),
    timeoutMs: 300_000,
  });
  const { kafka, redis } = JSON.parse(line);
  return { brokers: kafka.bootstrap ?? kafka, redis: redis.url ?? redis, stop };
}

/**
 * `fraudstream run` as an operator starts it. @returns its pid, the port of its metrics, and `stop`.
 * @param nodeArgs for instance ['--cpu-prof']
 */
export async function startProcessor({ env, nodeArgs = [] }) {
  const started = await startUntil(process.execPath, [...nodeArgs, MAIN, 'run'], {
    env: { ...process.env, FRAUDSTREAM_HTTP_PORT: '0', FRAUDSTREAM_LOG_PRETTY: 'never', ...env },
    wanted: (text) => text.includes('serving /metrics'),
    timeoutMs: 30_000,
    also: 'stderr',
  });
  return { pid: started.pid, port: JSON.parse(started.line).port, stop: started.stop, stderrTail: started.stderrTail };
}

function startUntil(command, args, { env, wanted, timeoutMs, also }) {
  return new Promise((done, fail) => {
    const see = (line) => {
      if (!wanted(line)) return;
      clearTimeout(timer);
      done({ ...started, line });
    };
    const started = startChild(command, args, { ...(env ? { env } : {}), onLine: see });
    if (also === 'stderr') createInterface({ input: started.child.stderr }).on('line', see);
    const give = (why) => fail(new Error(`${args.join(' ')} ${why}\n${started.stderrTail()}`));
    const timer = setTimeout(() => {
      void started.stop();
      give(`was not ready within ${timeoutMs} ms`);
    }, timeoutMs);
    void started.ended.then((code) => {
      clearTimeout(timer);
      give(`ended with ${code}`);
    });
  });
}
