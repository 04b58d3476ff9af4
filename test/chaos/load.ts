import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { join } from 'node:path';
import { REPOSITORY, sleep } from '../servers/process.ts';

/** Payments in an open loop, from a process of their own (`scripts/chaos-load.mjs`). */

export interface LoadOptions {
  readonly brokers: string;
  readonly topic: string;
  readonly partitions: number;
  /** payments per second */
  readonly rate: number;
  readonly users: number;
  readonly seed: number;
  /** no odd payments: neither late nor repeated nor unreadable */
  readonly plain?: boolean;
}

interface Report {
  readonly sent: number;
  readonly lateMsMax: number;
  readonly done?: boolean;
}

const live = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export class Load {
  /** written so far */
  sent = 0;
  /** how far the process itself was behind its schedule at worst */
  lateMsMax = 0;
  private readonly child: ChildProcess;
  private readonly ended: Promise<number>;
  /** its first report, or its end: before it a signal would just end it */
  private readonly begun: Promise<unknown>;
  private errors = '';

  constructor(options: LoadOptions) {
    const program = join(REPOSITORY, 'scripts/chaos-load.mjs');
    this.child = spawn(process.execPath, [program, JSON.stringify(options)], {
      cwd: REPOSITORY,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    live.add(this.child);
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.errors += text.slice(0, 2_000)));
    const lines = createInterface({ input: this.child.stdout as Readable });
    lines.on('line', (line) => {
      const { sent, lateMsMax } = JSON.parse(line) as Report;
      this.sent = sent;
      this.lateMsMax = lateMsMax;
    });
    this.begun = new Promise((done) => lines.once('line', done).once('close', done));
    this.ended = new Promise((done) =>
      this.child.once('close', (code) => {
        live.delete(this.child);
        done(code ?? -1);
      }),
    );
  }

  get running(): boolean {
    return live.has(this.child);
  }

  /** Every user pays once more, and the load ends. */
  async stop(timeoutMs = 120_000): Promise<void> {
    await this.begun;
    this.child.kill('SIGTERM');
    const code = await Promise.race([this.ended, sleep(timeoutMs).then(() => 'late' as const)]);
    if (code === 0) return;
    this.kill();
    throw new Error(`the load ended with ${code}\n${this.errors.slice(-2_000)}`);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
