/**
 * Live means progress. KafkaJS is known to stop fetching in silence, its heartbeats going on: a process whose lag is
 * above zero while no offset moves is not alive, whatever its connections say. Pure: the caller gives the time.
 */
export interface HealthOptions {
  /** ms without progress, with lag, after which the process is not live */
  readonly stallTimeoutMs: number;
}

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** why not, or a fact worth showing; no payload, no secret */
  readonly reason: string;
}

export interface HealthReport {
  readonly ok: boolean;
  readonly checks: readonly CheckResult[];
}

export interface PartitionProgress {
  readonly partition: number;
  readonly nextOffset: number;
  /** -1 while unknown */
  readonly lag: number;
}

interface Progress {
  nextOffset: number;
  lag: number;
  /** monotonic ms of the last move, or of the first sight of lag after none */
  movedMs: number;
}

/** Named checks that a part of the process must have passed before it is ready. */
export const READY_CHECKS = ['model', 'store', 'kafka', 'assignment'] as const;
export type ReadyCheck = (typeof READY_CHECKS)[number];

export class Health {
  readonly #stallTimeoutMs: number;
  readonly #progress = new Map<number, Progress>();
  readonly #ready = new Map<ReadyCheck, CheckResult>();
  readonly #halted = new Map<number, string>();
  #stopping = false;
  #fatal: string | null = null;

  constructor(options: HealthOptions) {
    this.#stallTimeoutMs = options.stallTimeoutMs;
    for (const name of READY_CHECKS) this.#ready.set(name, { name, ok: false, reason: 'not there yet' });
  }

  /** The outcome of a named check; `reason` says why not. */
  set(name: ReadyCheck, ok: boolean, reason = ''): void {
    this.#ready.set(name, { name, ok, reason });
  }

  /**
   * The member has joined its group and owns these partitions. None is fine: there may be more members than partitions.
   * What is known of other partitions is forgotten.
   */
  assigned(partitions: readonly number[], nowMs: number): void {
    for (const known of this.#progress.keys()) if (!partitions.includes(known)) this.#progress.delete(known);
    for (const known of this.#halted.keys()) if (!partitions.includes(known)) this.#halted.delete(known);
    for (const partition of partitions) {
      if (!this.#progress.has(partition)) this.#progress.set(partition, { nextOffset: -1, lag: -1, movedMs: nowMs });
    }
    this.set('assignment', true, partitions.length === 0 ? 'joined, no partitions for this member' : '');
  }

  /** The group was left or a rebalance is on. */
  unassigned(reason: string): void {
    this.#progress.clear();
    this.#halted.clear();
    this.set('assignment', false, reason);
  }

  /** Position and lag of a partition, after each batch and on each look at the end of the log. */
  progress({ partition, nextOffset, lag }: PartitionProgress, nowMs: number): void {
    const known = this.#progress.get(partition);
    if (known === undefined) return;
    // time without lag is not time without progress: the clock starts when lag appears
    if (nextOffset !== known.nextOffset || known.lag <= 0) known.movedMs = nowMs;
    known.nextOffset = nextOffset;
    known.lag = lag;
  }

  /** All partitions count as moved: a restarted consumer gets its full time. */
  forgive(nowMs: number): void {
    for (const known of this.#progress.values()) known.movedMs = nowMs;
  }

  /** A partition that stopped on purpose and needs an operator: reported, and not a stall. */
  halted(partition: number, reason: string): void {
    this.#halted.set(partition, reason);
  }

  /** Draining: not ready, still live. */
  stopping(): void {
    this.#stopping = true;
  }

  /** Nothing but a new process helps. */
  fatal(reason: string): void {
    this.#fatal = reason;
  }

  /** Partitions with lag whose offset has not moved for the stall time, lowest first. */
  stalled(nowMs: number): readonly number[] {
    return [...this.#progress]
      .filter(([partition, known]) => !this.#halted.has(partition) && this.#isStalled(known, nowMs))
      .map(([partition]) => partition)
      .sort((a, b) => a - b);
  }

  live(nowMs: number): HealthReport {
    const stalled = this.stalled(nowMs);
    const since = stalled.map((partition) => nowMs - (this.#progress.get(partition)?.movedMs ?? nowMs));
    const progress: CheckResult = {
      name: 'progress',
      ok: stalled.length === 0,
      reason:
        stalled.length === 0
          ? ''
          : `partitions ${stalled.join(', ')}: lag, and no offset moved for ${Math.round(Math.max(...since) / 1_000)} s`,
    };
    const process: CheckResult = { name: 'process', ok: this.#fatal === null, reason: this.#fatal ?? '' };
    return reportOf([process, progress]);
  }

  ready(): HealthReport {
    const checks = [...this.#ready.values()];
    if (this.#stopping) checks.push({ name: 'stopping', ok: false, reason: 'shutting down' });
    if (this.#fatal !== null) checks.push({ name: 'process', ok: false, reason: this.#fatal });
    for (const [partition, reason] of [...this.#halted].sort(([a], [b]) => a - b)) {
      checks.push({ name: `partition-${partition}`, ok: false, reason });
    }
    return reportOf(checks);
  }

  #isStalled(known: Progress, nowMs: number): boolean {
    return known.lag > 0 && nowMs - known.movedMs >= this.#stallTimeoutMs;
  }
}

function reportOf(checks: readonly CheckResult[]): HealthReport {
  return { ok: checks.every((check) => check.ok), checks };
}
