import type { InputBatch } from '../record.ts';
import type { Source, SourceBatch } from '../source.ts';

/** A source for tests. `read` waits until the test pushes a batch, ends it or aborts it. */
export class MemorySource implements Source {
  private readonly batches: InputBatch[] = [];
  private readonly waiting: { resolve: (batch: SourceBatch | null) => void; reject: (error: unknown) => void }[] = [];
  private pushed = 0;
  private taken = 0;
  private state: { kind: 'open' } | { kind: 'ended' } | { kind: 'aborted'; error: unknown } = { kind: 'open' };

  /** @param batches read first; more can be pushed until `end` */
  constructor(batches: readonly InputBatch[] = []) {
    this.push(...batches);
  }

  push(...batches: readonly InputBatch[]): void {
    if (this.state.kind !== 'open') throw new Error('push after end or abort');
    this.pushed += batches.length;
    this.batches.push(...batches);
    this.serve();
  }

  /** No more batches: `read` gives null once those pushed are read. */
  end(): void {
    if (this.state.kind === 'open') this.state = { kind: 'ended' };
    this.serve();
  }

  /** Every read rejects with this from now on; batches not yet read are dropped. */
  abort(error: unknown): void {
    this.state = { kind: 'aborted', error };
    this.batches.length = 0;
    this.serve();
  }

  read(): Promise<SourceBatch | null> {
    const promise = new Promise<SourceBatch | null>((resolve, reject) => this.waiting.push({ resolve, reject }));
    this.serve();
    return promise;
  }

  async close(): Promise<void> {
    this.batches.length = 0;
    this.end();
  }

  private serve(): void {
    for (let reader = this.waiting[0]; reader !== undefined; reader = this.waiting[0]) {
      const batch = this.batches.shift();
      if (batch !== undefined) reader.resolve({ batch, progress: ++this.taken / this.pushed });
      else if (this.state.kind === 'aborted') reader.reject(this.state.error);
      else if (this.state.kind === 'ended') reader.resolve(null);
      else return;
      this.waiting.shift();
    }
  }
}
