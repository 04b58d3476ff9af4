import { FraudstreamError } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { PartitionStore } from '../state/store.ts';

/** An input partition that this process owns, as its transport sees it. */
export interface PartitionInput {
  readonly topic: string;
  readonly partition: number;
  /** aborted when the partition is taken away */
  readonly signal: AbortSignal;
  /** committed offset of the group; null = none */
  committed(): Promise<number | null>;
  /** first offset that the log still has, and the one behind its last */
  range(): Promise<{ readonly start: number; readonly end: number }>;
  commit(offset: number): Promise<void>;
}

/** Where to begin when the group has never committed. */
export type StartPolicy = 'earliest' | 'latest' | 'fail';

export interface Acquisition {
  /** stored watermark that the state in memory starts from; null = from nothing */
  readonly watermark: number | null;
  readonly readFrom: number;
  /** records from readFrom to here are folded silently */
  readonly decideFrom: number;
}

/**
 * Compares the committed offset C, the state's watermark w and the log. State is a fold of the log: w < C folds the
 * tail silently; no usable state is rebuilt from the log; a position that the log does not have is an error that names
 * the range, never a jump.
 *
 * Throws FS_OFFSET_OUT_OF_RANGE, and what its ports throw.
 */
export async function planAcquisition(
  input: PartitionInput,
  store: PartitionStore,
  fingerprint: string,
  options: { startPolicy: StartPolicy; log: Logger },
): Promise<Acquisition> {
  const { topic, partition } = input;
  const place = { topic, partition };
  const committed = await input.committed();
  const stored = await store.readState();
  const range = await input.range();
  const decideFrom = committed ?? stored.watermark ?? firstOffset(range, options.startPolicy, place);
  if (decideFrom < range.start || decideFrom > range.end) {
    throw new FraudstreamError(
      'FS_OFFSET_OUT_OF_RANGE',
      `${topic}/${partition} is committed at ${decideFrom}, the log has ${range.start} to ${range.end}` +
        (decideFrom < range.start
          ? `: records ${decideFrom} to ${range.start - 1} were deleted before they were decided`
          : ': the topic was truncated or made anew') +
        '; set the offsets of the group with the group stopped',
      { ...place, offset: decideFrom },
    );
  }
  const reason = unusable(stored, decideFrom, fingerprint);
  if (reason !== null) {
    options.log.warn('state is rebuilt from the log', { ...place, reason });
    await store.drop();
  }
  if (stored.watermark === null || reason !== null) {
    // Nothing was ever decided: there is no earlier input to fold when the policy is to begin at the end.
    const readFrom = committed === null && stored.watermark === null ? decideFrom : range.start;
    // A removal that was cut short leaves histories without a watermark, also when the group begins at the first record.
    if (reason === null) await store.drop();
    return { watermark: null, readFrom, decideFrom };
  }
  if (stored.watermark < range.start) {
    options.log.warn('records between the state and the log are gone', {
      ...place,
      offset: stored.watermark,
      to: range.start,
    });
  }
  return { watermark: stored.watermark, readFrom: Math.max(stored.watermark, range.start), decideFrom };
}

function firstOffset(
  range: { start: number; end: number },
  policy: StartPolicy,
  place: { topic: string; partition: number },
): number {
  if (policy === 'latest') return range.end;
  if (policy === 'earliest') return range.start;
  throw new FraudstreamError(
    'FS_OFFSET_OUT_OF_RANGE',
    `${place.topic}/${place.partition} has no committed offset and kafka.from is fail; commit one, or choose earliest or latest`,
    place,
  );
}

function unusable(
  stored: { watermark: number | null; fingerprint: string | null },
  decideFrom: number,
  fingerprint: string,
): string | null {
  if (stored.watermark === null) return null;
  if (stored.fingerprint !== fingerprint) return 'the catalogue keeps other fields now';
  if (stored.watermark > decideFrom) return 'the group was set back';
  return null;
}
