import type { Scheduler } from './scheduler.ts';

/**
 * One life of a process: everything that reaches the code in it, answers and timers, comes through here. A killed one
 * hears nothing any more, whatever it had asked for still happens. A frozen one hears it all at once when it is thawed.
 */
export class Life {
  readonly name: string;
  private readonly scheduler: Scheduler;
  private state: 'running' | 'frozen' | 'dead' = 'running';
  private readonly held: (() => void)[] = [];

  constructor(name: string, scheduler: Scheduler) {
    this.name = name;
    this.scheduler = scheduler;
  }

  get dead(): boolean {
    return this.state === 'dead';
  }

  get frozen(): boolean {
    return this.state === 'frozen';
  }

  kill(): void {
    this.state = 'dead';
    this.held.length = 0;
  }

  freeze(): void {
    if (this.state === 'running') this.state = 'frozen';
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'running';
    for (const run of this.held.splice(0)) this.scheduler.schedule(0, `${this.name} thaws`, () => this.hear(run));
  }

  /** Something happens in this process, if it lives, as soon as it can. */
  hear(run: () => void): void {
    if (this.state === 'running') run();
    else if (this.state === 'frozen') this.held.push(run);
  }

  after(delayMs: number, label: string, run: () => void): () => void {
    return this.scheduler.schedule(delayMs, `${this.name} ${label}`, () => this.hear(run));
  }

  /** The port of the worker: resolves after the time, or early when the signal is aborted. */
  readonly pause = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const end = (): void => {
        cancel();
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.after(ms, 'pause', end);
      signal?.addEventListener('abort', end, { once: true });
    });

  /** What was promised, as far as this life hears of it. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.hear(() => resolve(value)),
        (error: unknown) => this.hear(() => reject(error as Error)),
      );
    });
  }

  every(ms: number, label: string, run: () => void): void {
    this.after(ms, label, () => {
      run();
      this.every(ms, label, run);
    });
  }
}
