import type { Logger } from '../domain/logger.ts';
import type { PartitionStore } from '../state/store.ts';

const DEATHS_OF_POISON = 3;
/** deaths at one position after which records are published one by one, each alone in the process */
const DEATHS_BEFORE_SINGLES = 2;
/** names kept of processes that ended: the count needs no more */
const DEATHS_MAX = 8;
/** how many are taken with care: as many as the batch may have had that nobody survived */
const CAREFUL_MAX = 2_000;

interface Suspect {
  readonly record: number;
  /** the process that ended with it in hand */
  readonly processId: string;
}

interface Attempt {
  /** the position from which decisions went on */
  readonly offset: number;
  /** processes that seem to have ended there without a step forward, the first one first */
  readonly deaths: readonly string[];
  /** who owns the partition, or did when it ended: the note of an owner that gave it back in order is gone */
  readonly processId: string;
  /** the record in hand, when each is noted before it is tried; -1 = none, or whole batches */
  readonly trying: number;
  readonly suspect: Suspect | null;
}

/** `whole` batches; each record `noted` before it is tried; or `single`: noted, alone in the process, and published at once. */
export type Care = 'whole' | 'noted' | 'single';

/**
 * Finds the record that ends the process: a native crash or an exhausted heap cannot be caught, so what is being tried is noted
 * in the store before it is tried. The first death at a position names nobody; behind it each record is noted, and the second
 * death makes the record in hand suspect; behind that one records are taken singly, and a third death with the suspect in hand
 * again convicts it. Other records are as good as any after that: two deaths with the same record in hand are no accident.
 *
 * A process that lost the partition without being able to say so (frozen, cut off) looks as if it had ended. So the note names
 * its processes, and one that comes back takes its own name out.
 */
export class Attempts {
  private readonly store: PartitionStore;
  private readonly processId: string;
  private readonly log: Logger;
  private current: Attempt | null = null;
  private careful = 0;

  constructor(store: PartitionStore, processId: string, log: Logger) {
    this.store = store;
    this.processId = processId;
    this.log = log;
  }

  get care(): Care {
    const deaths = this.current?.deaths.length ?? 0;
    return deaths === 0 ? 'whole' : deaths < DEATHS_BEFORE_SINGLES ? 'noted' : 'single';
  }

  /**
   * At acquisition, before anything is folded. Throws FS_STATE_UNAVAILABLE.
   * @returns the record that has ended three processes, to be told again until `putAside`; -1 = none
   */
  async begin(offset: number): Promise<number> {
    const last = parse(await this.store.readAttempt());
    let deaths: readonly string[] = [];
    let suspect: Suspect | null = null;
    let poison = -1;
    if (last !== null) {
      const ended = last.processId === this.processId ? [] : [last.processId];
      deaths = [...(last.offset === offset ? last.deaths : []), ...ended].filter((one) => one !== this.processId);
      const before = last.suspect?.processId === this.processId ? null : last.suspect;
      const inHand = ended.length > 0 && last.trying >= offset ? last.trying : -1;
      if (inHand >= 0 && inHand === before?.record && deaths.length >= DEATHS_OF_POISON) {
        poison = inHand;
        deaths = [];
      } else suspect = inHand < 0 ? before : { record: inHand, processId: last.processId };
    }
    this.careful = 0;
    this.current = { offset, deaths, processId: this.processId, trying: -1, suspect };
    if (poison < 0) await this.store.writeAttempt(JSON.stringify(this.current));
    if (this.care === 'single') {
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

  /** @param position the one that is committed while this record is in hand. Throws FS_STATE_UNAVAILABLE. */
  async trying(record: number, position: number): Promise<void> {
    if (this.current === null) return;
    this.careful++;
    this.current = { ...this.current, offset: position, trying: record };
    await this.store.writeAttempt(JSON.stringify(this.current));
  }

  /** The record that was being tried has ended nothing: whatever ends the process next, it is not that one. */
  async outlived(): Promise<void> {
    if (this.current === null) return;
    this.current = { ...this.current, trying: -1 };
    await this.store.writeAttempt(JSON.stringify(this.current));
  }

  /** A step was published. Behind the last of those that are taken with care, the deaths are over. */
  survived(): void {
    if (this.current === null || this.care === 'whole' || this.careful < CAREFUL_MAX) return;
    this.current = { ...this.current, deaths: [], trying: -1, suspect: null };
    // A note that stays as it was makes the next owner careful once more: harmless.
    this.store.writeAttempt(JSON.stringify(this.current)).catch(() => undefined);
  }

  /** The partition is given back in order: its owner has not ended. Never rejects. */
  async end(): Promise<void> {
    if (this.current === null) return;
    this.current = null;
    await this.store.writeAttempt(null).catch(() => undefined);
  }
}

function parse(text: string | null): Attempt | null {
  if (text === null) return null;
  try {
    const { offset, deaths, processId, trying, suspect } = JSON.parse(text) as Partial<Attempt>;
    if (typeof offset !== 'number' || !Array.isArray(deaths) || typeof trying !== 'number') return null;
    const isSuspect = typeof suspect?.record === 'number' && typeof suspect.processId === 'string';
    return {
      offset,
      deaths: deaths.map(String).slice(-DEATHS_MAX),
      processId: String(processId),
      trying,
      suspect: isSuspect ? suspect : null,
    };
  } catch {
    return null;
  }
}
