import type { PartitionLog } from './model-kafka-log.ts';
import type { Payments } from './payments.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** Far from the ids that the coordinator gives. */
const PRODUCER_ID = 900_000;
const PRODUCERS = 4;
const ABORTS = 0.2;

interface Producer {
  readonly id: number;
  /** next sequence by partition */
  readonly sequences: Map<number, number>;
  /** partitions with an open transaction of it */
  readonly open: Set<number>;
  /** records in it */
  pending: number;
}

export interface UpstreamOptions {
  readonly partitions: number;
  /** that can be read in the end, at least */
  readonly events: number;
  readonly durationMs: number;
}

/** Who writes the input: one producer without transactions, and four with, whose transactions interleave and are often aborted. */
export class Upstream {
  /** transactions are ended no more until this time, ms */
  hangsUntilMs = -1;
  /** records, without those of aborted transactions */
  written = 0;
  aborted = 0;
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly payments: Payments;
  private readonly logOf: (partition: number) => PartitionLog;
  private readonly options: UpstreamOptions;
  private readonly producers: Producer[];
  private readonly aborting = new Set<string>();

  constructor(
    scheduler: Scheduler,
    random: Random,
    payments: Payments,
    logOf: (partition: number) => PartitionLog,
    options: UpstreamOptions,
  ) {
    this.scheduler = scheduler;
    this.random = random;
    this.payments = payments;
    this.logOf = logOf;
    this.options = options;
    this.producers = Array.from({ length: PRODUCERS }, (_, k) => ({
      id: PRODUCER_ID + k,
      sequences: new Map<number, number>(),
      open: new Set<number>(),
      pending: 0,
    }));
  }

  get done(): boolean {
    return this.written >= this.options.events && this.producers.every(({ open }) => open.size === 0);
  }

  start(): void {
    // A part is there before anybody reads.
    const before = this.random.int(0, this.options.events / 3);
    while (this.written < before) this.act();
    this.later();
  }

  /** All transactions end now. */
  finish(): void {
    this.hangsUntilMs = -1;
    this.endAll();
  }

  private endAll(): void {
    for (const producer of this.producers) this.end(producer);
  }

  private later(): void {
    const { events, durationMs } = this.options;
    const delayMs = this.random.int(0, (2 * durationMs * 4) / events);
    this.scheduler.schedule(delayMs, 'upstream', () => {
      if (this.written < this.options.events) this.act();
      else if (this.scheduler.elapsedMs >= this.hangsUntilMs) this.endAll();
      if (!this.done) this.later();
    });
  }

  private act(): void {
    const { random } = this;
    const partition = random.int(0, this.options.partitions - 1);
    if (!this.logOf(partition).available) return;
    if (random.chance(0.5)) {
      this.logOf(partition).append(null, this.records(partition, random.int(1, 6)));
      return;
    }
    const producer = random.pick(this.producers);
    const ends = this.scheduler.elapsedMs >= this.hangsUntilMs;
    if (ends && producer.open.size > 0 && random.chance(0.5)) this.end(producer);
    else this.write(producer, partition);
  }

  private write(producer: Producer, partition: number): void {
    const records = this.records(partition, this.random.int(1, 4));
    const sequence = producer.sequences.get(partition) ?? 0;
    this.logOf(partition).append(
      { producerId: producer.id, epoch: 0, sequence, count: records.length, transactional: true },
      records,
    );
    producer.sequences.set(partition, sequence + records.length);
    producer.open.add(partition);
    producer.pending += records.length;
    const name = `${producer.id}/${partition}`;
    if (this.random.chance(ABORTS)) this.aborting.add(name);
  }

  private end(producer: Producer): void {
    const commit = ![...producer.open].some((partition) => this.aborting.has(`${producer.id}/${partition}`));
    if (!commit) {
      this.aborted++;
      this.written -= producer.pending;
    }
    producer.pending = 0;
    for (const partition of producer.open) {
      this.logOf(partition).appendMarker(producer.id, 0, commit);
      this.aborting.delete(`${producer.id}/${partition}`);
    }
    producer.open.clear();
  }

  private records(partition: number, count: number): ReturnType<Payments['next']>[] {
    this.written += count;
    return Array.from({ length: count }, () => this.payments.next(partition));
  }
}
