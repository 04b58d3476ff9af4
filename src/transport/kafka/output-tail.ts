import type { OutputLog, OutputTail } from '../output-log.ts';
import type { InputRecord, RecordHeaders } from '../record.ts';
import type { LogReader } from './log-reader.ts';

/** Where an output record came from. */
export interface InputPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface OutputLogOptions {
  readonly inputTopic: string;
  readonly decisionsTopic: string;
  readonly deadLetterTopic: string;
  /** the flagged payments, where they are a witness too: each in the partition of its input */
  readonly flagged?: { readonly topic: string; readonly place: (value: Buffer) => InputPlace | null };
  /** which input a decision decides; null when these bytes are not a decision of ours */
  readonly decisionPlace: (value: Buffer) => InputPlace | null;
  /**
   * among how many of the last decisions the highest input is looked for: 1 where transactions keep them in order; more where output of
   * an earlier owner may come late. Default 1
   */
  readonly decisions?: number;
  /** names of the headers that say where a dead letter came from */
  readonly deadLetterHeaders: { readonly topic: string; readonly partition: string; readonly offset: string };
}

const WINDOW_FIRST = 64;
const WINDOW_GROWTH = 4;
const WINDOW_MAX = 65_536;
const CHUNK_RECORDS = 500;
const BYTES_FIRST = 65_536;
const DEAD_LETTERS_MAX = 1_000;
const DEAD_LETTER_BYTES_MAX = 33_554_432;

/** What the end of the output says, read as any read-committed consumer would. */
export class KafkaOutputLog implements OutputLog {
  private readonly reader: LogReader;
  private readonly options: OutputLogOptions;

  constructor(reader: LogReader, options: OutputLogOptions) {
    this.reader = reader;
    this.options = options;
  }

  async tail(partition: number): Promise<OutputTail> {
    const { decisionsTopic } = this.options;
    const [whole, lastDecision, lastDeadLetter, lastFlagged, firstOpen] = await Promise.all([
      this.reader.range(decisionsTopic, partition),
      this.lastDecision(partition),
      this.lastDeadLetter(partition),
      this.lastFlagged(partition),
      this.firstOpen(partition),
    ]);
    const untouched = whole.start === 0 && lastDecision === null;
    return { lastDecision, lastDeadLetter, lastFlagged, firstOpen, untouched };
  }

  private async lastFlagged(partition: number): Promise<number | null> {
    const { flagged } = this.options;
    if (flagged === undefined) return null;
    let last: number | null = null;
    await this.backwards(flagged.topic, partition, (records) => {
      for (const { value } of records) {
        const place = value === null ? null : flagged.place(value);
        if (place !== null && this.isOurs(place, partition)) last = place.offset;
      }
      return () => last === null;
    });
    return last;
  }

  private async firstOpen(partition: number): Promise<number | null> {
    const { decisionsTopic, decisionPlace, deadLetterTopic, deadLetterHeaders, flagged } = this.options;
    const count = await this.reader.partitionCount(deadLetterTopic);
    const [decision, letter, other] = await Promise.all([
      this.reader.firstOpen(decisionsTopic, partition),
      this.reader.firstOpen(deadLetterTopic, partition % count),
      flagged === undefined ? null : this.reader.firstOpen(flagged.topic, partition),
    ]);
    const places = [
      decision?.value ? decisionPlace(decision.value) : null,
      letter ? placeOf(letter.headers, deadLetterHeaders) : null,
      other?.value && flagged !== undefined ? flagged.place(other.value) : null,
    ];
    const offsets = places.flatMap((place) => (place !== null && this.isOurs(place, partition) ? [place.offset] : []));
    return offsets.length === 0 ? null : Math.min(...offsets);
  }

  /** Windows come newest first, so the highest of the last `decisions` ones is known when so many were seen. */
  private async lastDecision(partition: number): Promise<number | null> {
    const { decisionsTopic, decisionPlace, decisions = 1 } = this.options;
    let highest: number | null = null;
    let seen = 0;
    await this.backwards(decisionsTopic, partition, (records) => {
      const offsets: number[] = [];
      for (const { value } of records) {
        const place = value === null ? null : decisionPlace(value);
        if (place !== null && this.isOurs(place, partition)) offsets.push(place.offset);
      }
      const last = decisions === 1 ? offsets.slice(-1) : offsets;
      if (last.length > 0) highest = Math.max(decisions === 1 ? -1 : (highest ?? -1), ...last);
      seen += offsets.length;
      return () => seen < decisions;
    });
    return highest;
  }

  private async lastDeadLetter(partition: number): Promise<number | null> {
    const { deadLetterTopic, deadLetterHeaders } = this.options;
    const count = await this.reader.partitionCount(deadLetterTopic);
    let last: number | null = null;
    let records = 0;
    let bytes = 0;
    await this.backwards(deadLetterTopic, partition % count, (some) => {
      for (const { headers, value } of some) {
        records++;
        bytes += value?.length ?? 0;
        const place = placeOf(headers, deadLetterHeaders);
        if (place !== null && this.isOurs(place, partition) && (last === null || place.offset > last)) {
          last = place.offset;
        }
      }
      return () => records < DEAD_LETTERS_MAX && bytes < DEAD_LETTER_BYTES_MAX;
    });
    return last;
  }

  private isOurs(place: InputPlace, partition: number): boolean {
    return place.topic === this.options.inputTopic && place.partition === partition;
  }

  /**
   * Reads windows of the log from its last stable offset back, each four times as long as the one behind it, and each in
   * offset order. `see` returns what tells, at the end of a window, whether to go on.
   */
  private async backwards(
    topic: string,
    partition: number,
    see: (records: readonly InputRecord[]) => () => boolean,
  ): Promise<void> {
    const { start, end } = await this.reader.stableRange(topic, partition);
    const giveUpAtMs = Date.now() + this.reader.deadlineMs;
    let to = end;
    let length = WINDOW_FIRST;
    while (to > start) {
      const from = Math.max(start, to - length);
      let goOn = (): boolean => true;
      const stretch = { topic, partition, from, to, recordsMax: CHUNK_RECORDS, bytesFirst: BYTES_FIRST };
      await this.reader.read(stretch, (records) => {
        goOn = see(records);
        return true;
      });
      if (!goOn()) return;
      if (Date.now() > giveUpAtMs) throw this.reader.tooLong(topic, partition, from, end);
      to = from;
      length = Math.min(length * WINDOW_GROWTH, WINDOW_MAX);
    }
  }
}

function placeOf(headers: RecordHeaders | null, names: OutputLogOptions['deadLetterHeaders']): InputPlace | null {
  const topic = text(headers, names.topic);
  const partition = wholeNumber(text(headers, names.partition));
  const offset = wholeNumber(text(headers, names.offset));
  return topic === null || partition === null || offset === null ? null : { topic, partition, offset };
}

function text(headers: RecordHeaders | null, name: string): string | null {
  if (headers === null || !Object.hasOwn(headers, name)) return null;
  const value = headers[name];
  return Buffer.isBuffer(value) ? value.toString('utf8') : null;
}

function wholeNumber(digits: string | null): number | null {
  if (digits === null || !/^\d{1,15}$/.test(digits)) return null;
  return Number(digits);
}
