import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { REPOSITORY, sleep } from '../servers/process.ts';

/** The built program as a child process, driven by environment variables alone. */

const MAIN = join(REPOSITORY, 'dist/main.js');
const TAIL_CHARACTERS = 6_000;
const live = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export type Environment = Readonly<Record<string, string>>;
export type LogLine = Readonly<Record<string, unknown>> & { readonly message?: string };

/** `{ 'kafka.brokers': x }` → `{ FRAUDSTREAM_KAFKA_BROKERS: x }` */
export function environmentOf(settings: Readonly<Record<string, string | number | boolean>>): Environment {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [
      `FRAUDSTREAM_${key.toUpperCase().replaceAll(/[.-]/g, '_')}`,
      String(value),
    ]),
  );
}

export class Program {
  stdout = '';
  stderr = '';
  exitCode: number | null = null;
  signal: NodeJS.Signals | null = null;
  readonly ended: Promise<void>;
  private readonly child: ChildProcess;
  private readonly name: string;
  /** it was sent SIGTERM: a second one would end it at once */
  private leaving = false;

  constructor(args: readonly string[], settings: Readonly<Record<string, string | number | boolean>>) {
    this.name = args.join(' ');
    const { PATH, HOME, TMPDIR } = process.env;
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd: REPOSITORY,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH, HOME, TMPDIR, ...environmentOf(settings) },
    });
    live.add(this.child);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((done) => {
      this.child.once('close', (code, signal) => {
        live.delete(this.child);
        this.exitCode = code;
        this.signal = signal;
        done();
      });
    });
  }

  get running(): boolean {
    return live.has(this.child);
  }

  /** Log lines so far; what is no JSON is left out. */
  log(): LogLine[] {
    return this.stderr.split('\n').flatMap((line) => {
      try {
        return line.startsWith('{') ? [JSON.parse(line) as LogLine] : [];
      } catch {
        return [];
      }
    });
  }

  tail(): string {
    return `--- ${this.name} (${this.running ? 'running' : `ended: ${this.exitCode ?? this.signal}`})\n${this.stderr.slice(-TAIL_CHARACTERS)}`;
  }

  kill(signal: NodeJS.Signals): void {
    if (signal === 'SIGTERM') this.leaving = true;
    this.child.kill(signal);
  }

  async kill9(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** SIGTERM. @returns the exit code; throws when it does not end in time */
  async stop(timeoutMs = 30_000): Promise<number | null> {
    if (!this.leaving) this.kill('SIGTERM');
    const late = Symbol('late');
    if ((await Promise.race([this.ended, sleep(timeoutMs).then(() => late)])) === late) {
      const tail = this.tail();
      await this.kill9();
      throw new Error(`did not end within ${timeoutMs} ms of SIGTERM\n${tail}`);
    }
    return this.exitCode;
  }
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  settings: Readonly<Record<string, string | number | boolean>>,
  timeoutMs = 60_000,
): Promise<Program> {
  const program = new Program(args, settings);
  const timer = setTimeout(() => program.kill('SIGKILL'), timeoutMs);
  await program.ended;
  clearTimeout(timer);
  return program;
}

/** A condition that is polled; a process that ends meanwhile fails it at once, with the end of its log. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { timeoutMs = 60_000, programs = [] }: { timeoutMs?: number; programs?: readonly Program[] } = {},
): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  const tails = (): string => programs.map((program) => program.tail()).join('\n');
  while (Date.now() < deadlineMs) {
    if (await holds()) return;
    if (programs.length > 0 && !programs.some((program) => program.running)) {
      if (await holds()) return;
      throw new Error(`${what}: the process has ended\n${tails()}`);
    }
    await sleep(50);
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}\n${tails()}`);
}

/** Where a running program serves its metrics and health. */
async function addressOf(program: Program): Promise<string> {
  let port: unknown;
  await until(
    'the address of /metrics in the log',
    () =>
      (port = program.log().find(({ message }) => message?.startsWith('serving /metrics') === true)?.['port']) !==
      undefined,
    { timeoutMs: 30_000, programs: [program] },
  );
  return `http://127.0.0.1:${String(port)}`;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

export async function ask(program: Program, path: string): Promise<HttpAnswer> {
  const response = await fetch(`${await addressOf(program)}${path}`, { signal: AbortSignal.timeout(5_000) });
  return { status: response.status, body: await response.text() };
}

/** The sum of a metric over its labels. */
export async function metric(program: Program, name: string, labels = ''): Promise<number> {
  const { body } = await ask(program, '/metrics');
  let sum = 0;
  for (const line of body.split('\n')) {
    if (!line.startsWith(`fraudstream_${name}{`) && !line.startsWith(`fraudstream_${name} `)) continue;
    if (line.includes(labels)) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
