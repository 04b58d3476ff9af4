import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, closeSync, existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Everything that test servers share: free ports, bounded waits, child processes that never outlive us. */

/** The repository: the nearest folder upwards that holds a package.json with our name. */
function findRepository(from: string): string {
  let folder = from;
  for (let depth = 0; depth < 12; depth++) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && readFileSync(file, 'utf8').includes('"name": "fraudstream"')) return folder;
    folder = dirname(folder);
  }
  throw new Error(`no fraudstream package.json above ${from}`);
}

export const REPOSITORY = findRepository(import.meta.dirname);
export const CACHE = join(REPOSITORY, '.cache', 'servers');

export function temporaryFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `fraudstream-${name}-`));
}

/** Ports that were free a moment ago, on 127.0.0.1. All are held until all are chosen, so they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((done, fail) => {
          const server = createServer();
          server.once('error', fail);
          server.listen(0, '127.0.0.1', () => done(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Polls until `ready` is true. Throws with `what` and the end of the log when time is up or the process died. */
export async function waitUntil(
  ready: () => Promise<boolean>,
  { what, timeoutMs, server }: { what: string; timeoutMs: number; server?: ServerProcess },
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    if (server !== undefined && !server.running) throw new Error(`${what} ended at start.\n${server.logTail()}`);
    if (await ready().catch(() => false)) return;
    await sleep(25);
  }
  throw new Error(`${what} was not ready within ${timeoutMs} ms.\n${server?.logTail() ?? ''}`);
}

const live = new Set<ChildProcess>();
const folders = new Set<string>();
let hooked = false;

function killAll(): void {
  for (const child of live) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** A folder that is removed at exit, also when nobody stopped its server. */
export function removeAtExit(folder: string): void {
  folders.add(folder);
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

export interface ServerProcess {
  readonly pid: number;
  readonly running: boolean;
  logTail(): string;
  /** SIGTERM, then SIGKILL after graceMs. Resolves when the process has ended. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL. Resolves when the process has ended. */
  kill9(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** Starts a program whose output goes to a log file, and that is killed when this process exits. */
export function startProcess(command: string, args: readonly string[], log: string, env = process.env): ServerProcess {
  if (!hooked) {
    hooked = true;
    process.once('exit', killAll);
  }
  mkdirSync(dirname(log), { recursive: true });
  const fd = openSync(log, 'a');
  const child = spawn(command, args, { stdio: ['ignore', fd, fd], env });
  closeSync(fd);
  live.add(child);
  let failure = '';
  const ended = new Promise<void>((done) => {
    child.once('error', (error) => {
      failure = `cannot start ${command}: ${error.message}\n`;
      live.delete(child);
      done();
    });
    child.once('exit', () => {
      live.delete(child);
      done();
    });
  });
  const kill9 = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  return {
    get pid() {
      return child.pid ?? -1;
    },
    get running() {
      return live.has(child);
    },
    logTail: () => failure + (existsSync(log) ? readFileSync(log, 'utf8').slice(-3_000) : ''),
    signal: (signal) => void child.kill(signal),
    kill9,
    async stop(graceMs = 5_000) {
      child.kill('SIGTERM');
      await Promise.race([ended, sleep(graceMs)]);
      if (live.has(child)) await kill9();
    },
  };
}

export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, with optional standard input. Killed at timeoutMs. */
export function runProcess(
  command: string,
  args: readonly string[],
  { input, timeoutMs = 60_000 }: { input?: string | Buffer; timeoutMs?: number } = {},
): Promise<ToolResult> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: 'pipe' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined);
    child.once('error', fail);
    child.once('close', (code) => {
      clearTimeout(timer);
      done({ status: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    });
    child.stdin.end(input);
  });
}

/** Fetches the Kafka jars and the registry once, into .cache/servers. A mark is written last: a broken copy is fetched anew. */
export function resolveJars(): void {
  const pom = resolve(REPOSITORY, 'test/servers/pom.xml');
  const mark = join(CACHE, 'resolved');
  if (existsSync(mark)) return;
  process.stderr.write('test servers: fetching Kafka and the schema registry with Maven (once)\n');
  const args = ['-q', '-B', '-f', pom, `-Dout=${CACHE}`, 'process-resources'];
  const result = spawnSync('mvn', args, { encoding: 'utf8', timeout: 600_000 });
  if (result.error !== undefined || result.status !== 0) {
    const why = result.error?.message ?? `${result.stdout}\n${result.stderr}`.slice(-2_000);
    throw new Error(`test servers need Maven and Java 17 (or a running Docker engine): mvn failed.\n${why}`);
  }
  writeFileSync(mark, '');
}
