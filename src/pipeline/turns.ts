interface Waiting {
  readonly alone: boolean;
  readonly go: () => void;
}

/**
 * Who may run in a process: many at a time, or one alone. In the order in which they came, so that nobody waits for ever. A
 * process that ends while one runs alone was ended by that one.
 */
export class Turns {
  private running = 0;
  private isAlone = false;
  private readonly waiting: Waiting[] = [];

  async run<T>(alone: boolean, work: () => Promise<T>): Promise<T> {
    if (this.waiting.length > 0 || !this.mayBegin(alone)) {
      await new Promise<void>((go) => this.waiting.push({ alone, go }));
    } else this.begin(alone);
    try {
      return await work();
    } finally {
      this.running--;
      this.isAlone = false;
      this.next();
    }
  }

  private mayBegin(alone: boolean): boolean {
    return this.running === 0 || !(alone || this.isAlone);
  }

  private begin(alone: boolean): void {
    this.running++;
    this.isAlone = alone;
  }

  private next(): void {
    for (let first = this.waiting[0]; first !== undefined && this.mayBegin(first.alone); first = this.waiting[0]) {
      this.waiting.shift();
      this.begin(first.alone);
      first.go();
    }
  }
}
