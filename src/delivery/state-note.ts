import { DELIVERIES, type Delivery, type LogMark } from '../domain/log-mark.ts';
import { decodeWords, encodeWords, offsetOf } from './words.ts';

/** What stands beside the watermark of a partition's state. */
export interface StateNote {
  /** the log that was folded, and its record before the watermark */
  readonly mark: LogMark;
  /** histories are complete from this event time (ms) on; 0 = from the beginning */
  readonly knownSinceMs: number;
}

const VERSION = 's1';
const WORDS = 8;

export function encodeNote({ mark, knownSinceMs }: StateNote): string {
  const { clusterId, topicId, partitions, delivery, lastOffset, lastHash } = mark;
  return encodeWords([VERSION, clusterId, topicId, partitions, delivery, lastOffset, lastHash, knownSinceMs]);
}

/** null when it cannot be read: then the state is nothing that this version may go on from. */
export function decodeNote(note: string): StateNote | null {
  const words = decodeWords(note, WORDS);
  if (words === null || words[0] !== VERSION) return null;
  const delivery = words[4] as Delivery;
  const [partitions, lastOffset, knownSinceMs] = [offsetOf(words[3]!), offsetOf(words[5]!), offsetOf(words[7]!)];
  if (!DELIVERIES.includes(delivery) || [partitions, lastOffset, knownSinceMs].some(Number.isNaN)) return null;
  const mark = { clusterId: words[1]!, topicId: words[2]!, partitions, delivery, lastOffset, lastHash: words[6]! };
  return { mark, knownSinceMs };
}
