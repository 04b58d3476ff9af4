import { createHash } from 'node:crypto';
import { DELIVERIES, type Delivery, type LogMark } from '../domain/log-mark.ts';
import type { CommittedOffset } from '../transport/ledger.ts';
import { decodeWords, encodeWords, offsetOf } from './words.ts';

/** A committed position of an input partition: how far it is decided, in which log, and how to tell. */
export interface Position {
  /** next offset to be decided */
  readonly offset: number;
  readonly mark: LogMark;
  /** input offset of the last decision in the output; -1 = none yet. A dead letter is no decision. */
  readonly lastDecision: number;
  /** where the fold begins: 0, or where the first owner began by `kafka.from: latest` */
  readonly origin: number;
  /** layout fingerprint of the state that decided */
  readonly fingerprint: string;
  /** output up to this input offset was there before an operator set the position back: it repeats; -1 = none */
  readonly acceptedTo: number;
  /** offsets of records that were put aside because they ended the process */
  readonly poison: readonly number[];
}

export interface PositionKey {
  readonly app: string;
  readonly topic: string;
  readonly partition: number;
}

const VERSION = 'fs1';
const WORDS = 14;
/** offset.metadata.max.bytes is 4,096 by default */
export const POISON_MAX = 64;

/**
 * The text beside a committed offset. Its last word is a checksum over all others and over whose position it is, the offset
 * included: an offset that somebody else has set, with or without a copy of a text, does not pass. No secret: it guards against
 * mistakes; whoever may write to the group can forge it.
 */
export function encodePosition(key: PositionKey, position: Position): string {
  const { mark } = position;
  const words = encodeWords([
    VERSION,
    mark.clusterId,
    mark.topicId,
    mark.partitions,
    mark.delivery,
    mark.lastOffset,
    mark.lastHash,
    position.lastDecision,
    position.origin,
    position.fingerprint,
    position.acceptedTo,
    position.poison.join(','),
    position.offset,
  ]);
  return `${words} ${checksum(key, words)}`;
}

/** 'foreign': not written by us for this place and offset; 'newer': by a later version. */
export function decodePosition(key: PositionKey, committed: CommittedOffset): Position | 'foreign' | 'newer' {
  const { metadata, offset } = committed;
  if (/^fs(?:[2-9]|\d\d) /.test(metadata)) return 'newer';
  const words = decodeWords(metadata, WORDS);
  if (words === null || words[0] !== VERSION) return 'foreign';
  if (words[13] !== checksum(key, metadata.slice(0, metadata.lastIndexOf(' ')))) return 'foreign';
  const delivery = words[4] as Delivery;
  const poison = words[11] === '' ? [] : words[11]!.split(',').map(offsetOf);
  const position: Position = {
    offset,
    mark: {
      clusterId: words[1]!,
      topicId: words[2]!,
      partitions: offsetOf(words[3]!),
      delivery,
      lastOffset: offsetOf(words[5]!),
      lastHash: words[6]!,
    },
    lastDecision: offsetOf(words[7]!),
    origin: offsetOf(words[8]!),
    fingerprint: words[9]!,
    acceptedTo: offsetOf(words[10]!),
    poison,
  };
  const numbers = [position.mark.partitions, position.mark.lastOffset, position.lastDecision, position.origin];
  const sound =
    offsetOf(words[12]!) === offset &&
    DELIVERIES.includes(delivery) &&
    ![...numbers, position.acceptedTo, ...poison].some(Number.isNaN);
  return sound ? position : 'foreign';
}

function checksum({ app, topic, partition }: PositionKey, words: string): string {
  const text = `${encodeWords([app, topic, partition])} ${words}`;
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}
