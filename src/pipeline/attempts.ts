import type { Logger } from '../domain/logger.ts';
import type { PartitionStore } from '../state/store.ts';

/** deaths at one position after which the records behind it are taken one by one */
const DEATHS_BEFORE_SINGLES = 2;
/** names kept of processes that ended: the count needs no more */
const DEATHS_MAX = 8;
/** how many: as many as the batch may have had that nobody survived */
const SINGLES_MAX = 2_000;

interface Attempt {
  /** the position from which decisions went on */
  readonly offset: number;
  /** processes that seem to have ended there without a step forward, the first one first */
  readonly deaths: readonly string[];
  readonly processId: string;
  /** the record in hand, when records are taken one by one; -1 = whole batches */
  readonly trying: number;
}

/**
 * Finds the record that ends the process: a native crash or an exhausted heap cannot be caught, so what was being tried is
 * noted in the store before it is tried. Two deaths at one position, and its records are taken one by one, each noted; the
 * death after that names its record. A position that moves forgets all.
 *
 * A process that lost the partition without being able to say so (frozen, cut off) looks as if it had ended. So the note names
 * its processes, and one that comes back takes its own name out.
 */
export class Attempts {
  private readonly store: PartitionStore;
  private readonly processId: string;
  private readonly log: Logger;
  private current: Attempt | null = null;
  private singles = 0;

  constructor(store: PartitionStore, processId: string, log: Logger) {
    this.store = store;
    this.processId = processId;
    this.log = log;
  }

  /** Records are to be taken one by one, each with `trying` before it. */
  get singly(): boolean {
    return this.current !== null && this.current.deaths.length >= DEATHS_BEFORE_SINGLES;
  }

  /**
   * At acquisition, before anything is folded. Throws FS_STATE_UNAVAILABLE.
   * @returns the record that has ended three processes, to be told again until `putAside`; -1 = none
   */
  async begin(offset: number): Promise<number> {
    const last = parse(await this.store.readAttempt());
    let deaths: readonly string[] = [];
    let poison = -1;
    if (last !== null && last.offset === offset) {
      deaths = [...last.deaths, last.processId].filter((one) => one !== this.processId);
      if (last.processId !== this.processId && last.trying >= 0 && deaths.length > DEATHS_BEFORE_SINGLES) {
        poison = last.trying;
        deaths = [];
      }
    }
    this.singles = 0;
    this.current = { offset, deaths, processId: this.processId, trying: -1 };
    if (poison < 0) await this.store.writeAttempt(JSON.stringify(this.current));
    if (deaths.length >= DEATHS_BEFORE_SINGLES) {
      this.log.warn('records are taken one by one: processes have ended at this position', {
        offset,
        deaths: deaths.length,
      });
    }
    return poison;
  }

  /** The record that `begin` has named is in the committed position: its deaths are over. Throws FS_STATE_UNAVAILABLE. */
  async putAside(): Promise<void> {
    if (this.current !== null) await this.store.writeAttempt(JSON.stringify(this.current));
  }

  /** @param position the one that is committed while this record is in hand */
  async trying(record: number, position: number): Promise<void> {
    if (this.current === null) return;
    this.singles++;
    this.current = { ...this.current, offset: position, trying: record };
    await this.store.writeAttempt(JSON.stringify(this.current));
  }

  /** The record that was being tried has ended nothing: whatever ends the process next, it is not that one. */
  async outlived(): Promise<void> {
    if (this.current === null) return;
    this.current = { ...this.current, trying: -1 };
    await this.store.writeAttempt(JSON.stringify(this.current));
  }

  /** A step was made: in whole batches, or the last of those that are taken one by one. */
  survived(): void {
    if (!this.singly || this.singles >= SINGLES_MAX) this.end();
  }

  /** The partition is given back in order, or moves on. A note that stays is of a position that is past: harmless. */
  end(): void {
    if (this.current === null) return;
    this.current = null;
    this.store.writeAttempt(null).catch(() => undefined);
  }
}

function parse(text: string | null): Attempt | null {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<Attempt> | null;
    if (typeof value?.offset !== 'number' || !Array.isArray(value.deaths) || typeof value.trying !== 'number') {
      return null;
    }
    const deaths = value.deaths.map(String).slice(-DEATHS_MAX);
    return { offset: value.offset, deaths, processId: String(value.processId), trying: value.trying };
  } catch {
    return null;
  }
}
