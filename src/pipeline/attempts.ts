import type { Logger } from '../domain/logger.ts';
import type { PartitionStore } from '../state/store.ts';
import type { InputRecord } from '../transport/record.ts';

const DEATHS_OF_POISON = 3;
/** deaths at one position after which suspects are taken one by one */
const DEATHS_BEFORE_SINGLES = 2;
/** names kept of processes that ended: the count needs no more */
const DEATHS_MAX = 8;
/** how many are taken with care: as many as the batch may have had that nobody survived */
const CAREFUL_MAX = 2_000;
/** records that are noted together: a note costs a write, and so does a transaction for each of them */
const PORTION = 64;

/** Offsets from `from` to `to`, inclusive. */
interface Range {
  readonly from: number;
  readonly to: number;
}

interface Suspect extends Range {
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
  /** what is in hand, when it is noted before it is tried; null = whole batches */
  readonly trying: Range | null;
  readonly suspect: Suspect | null;
}

export interface Portion {
  readonly count: number;
  /** to be noted before it is tried */
  readonly noted: boolean;
  /** nothing else may run in the process: its end then names this record */
  readonly alone: boolean;
}

/**
 * Finds the record that ends the process: a native crash or an exhausted heap cannot be caught, so what is being tried is noted
 * in the store before it is tried. The first death at a position names nobody; behind it records are noted in small portions,
 * and the second death makes the portion in hand suspect; behind that one its records are taken one by one, and a third death
 * with one of them in hand convicts it. Two deaths with the same record in hand are no accident.
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

  /**
   * How many of these records, from the one at `at` on, are tried together, and how.
   * @param position committed: what lies below was survived
   */
  portion(records: readonly InputRecord[], at: number, position: number): Portion {
    const rest = records.length - at;
    const deaths = this.current?.deaths.length ?? 0;
    if (this.current === null || deaths === 0) return { count: rest, noted: false, alone: false };
    const { suspect } = this.current;
    const offset = records[at]!.offset;
    if (offset < position) {
      const first = records.findIndex((one) => one.offset >= position);
      return { count: first < 0 ? rest : first - at, noted: false, alone: false };
    }
    if (deaths >= DEATHS_BEFORE_SINGLES && (suspect === null || isIn(suspect, offset))) {
      return { count: 1, noted: true, alone: true };
    }
    let count = 1;
    while (count < Math.min(rest, PORTION) && !(suspect !== null && isIn(suspect, records[at + count]!.offset)))
      count++;
    return { count, noted: true, alone: false };
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
      const { processId } = this;
      const hasEnded = last.processId !== processId;
      deaths = [...(last.offset === offset ? last.deaths : []), ...(hasEnded ? [last.processId] : [])].filter(
        (one) => one !== processId,
      );
      const before = last.suspect?.processId === processId ? null : last.suspect;
      // What lies below the position was survived.
      const inHand = hasEnded && last.trying !== null && last.trying.from >= offset ? last.trying : null;
      const isSingle = inHand !== null && inHand.from === inHand.to;
      if (isSingle && before !== null && isIn(before, inHand.from) && deaths.length >= DEATHS_OF_POISON) {
        poison = inHand.from;
        deaths = [];
      } else suspect = inHand === null ? before : { ...inHand, processId: last.processId };
    }
    this.careful = 0;
    this.current = { offset, deaths, processId: this.processId, trying: null, suspect };
    if (poison < 0) await this.store.writeAttempt(JSON.stringify(this.current));
    if (deaths.length >= DEATHS_BEFORE_SINGLES) {
      this.log.warn('processes have ended at this position: records are tried with care', {
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

  /** @param position the one that is committed while these records are in hand. Throws FS_STATE_UNAVAILABLE. */
  async trying(records: readonly InputRecord[], position: number): Promise<void> {
    if (this.current === null) return;
    this.careful += records.length;
    const trying = { from: records[0]!.offset, to: records[records.length - 1]!.offset };
    this.current = { ...this.current, offset: position, trying };
    await this.store.writeAttempt(JSON.stringify(this.current));
  }

  /** What was tried is published. Behind the last of what is taken with care, the deaths are over. */
  survived(): void {
    if (this.current === null || this.current.deaths.length === 0 || this.careful < CAREFUL_MAX) return;
    this.current = { ...this.current, deaths: [], trying: null, suspect: null };
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

function isIn({ from, to }: Range, offset: number): boolean {
  return offset >= from && offset <= to;
}

function parse(text: string | null): Attempt | null {
  if (text === null) return null;
  try {
    const { offset, deaths, processId, trying, suspect } = JSON.parse(text) as Partial<Attempt>;
    if (typeof offset !== 'number' || !Array.isArray(deaths) || trying === undefined) return null;
    return {
      offset,
      deaths: deaths.map(String).slice(-DEATHS_MAX),
      processId: String(processId),
      trying: isRange(trying) ? trying : null,
      suspect: isRange(suspect) && typeof suspect.processId === 'string' ? suspect : null,
    };
  } catch {
    return null;
  }
}

function isRange(value: Range | null | undefined): value is Range {
  return typeof value?.from === 'number' && typeof value.to === 'number';
}
