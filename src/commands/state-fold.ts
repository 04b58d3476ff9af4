import { hashOf } from '../delivery/record-hash.ts';
import { encodeNote } from '../delivery/state-note.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { LogMark } from '../domain/log-mark.ts';
import { errorFields } from '../observability/log.ts';
import { CacheBudget } from '../state/cache.ts';
import { PartitionHistories } from '../state/partition-histories.ts';
import type { PartitionStore } from '../state/store.ts';
import { partitionOf } from '../transport/kafka/murmur2.ts';
import { readTopic } from '../transport/kafka/read-topic.ts';
import type { InputRecord } from '../transport/record.ts';
import type { StateSession } from './state-session.ts';

const FLUSH_RECORDS = 20_000;
const CACHE_BYTES = 268_435_456;
const PROGRESS_EVERY_MS = 2_000;

export interface FoldJob {
  readonly partition: number;
  readonly store: PartitionStore;
  /** watermark that the store has; null = it is empty */
  readonly watermark: number | null;
  readonly from: number;
  /** the offset behind the last record */
  readonly to: number;
  /** of the log; its last record does not matter */
  readonly mark: LogMark;
  /** of the state that is there; NaN = to be told from the first record */
  readonly knownSinceMs: number;
  /** offsets that were put aside, never folded */
  readonly poison: readonly number[];
}

/**
 * Folds a stretch of the log into a store as the owner of the partition would: the same engine, no decisions. The state is whole
 * after each flush, so it may be ended at any time. Reports on stderr.
 */
export async function foldLog(session: StateSession, job: FoldJob): Promise<{ records: number }> {
  const { context, plan, topic } = session;
  const { settings, signal, clock, log } = context;
  const { partition, to } = job;
  const engine = session.engine();
  const histories = new PartitionHistories(plan.layout, job.store, new CacheBudget(CACHE_BYTES));
  let folded: LogMark = { ...job.mark, lastOffset: -1, lastHash: '' };
  histories.restart(job.watermark, job.knownSinceMs);
  histories.position = job.from;
  histories.noteOf = () => encodeNote({ mark: folded, knownSinceMs: histories.knownSinceMs });
  const flush = async (position: number): Promise<void> => {
    histories.position = position;
    await histories.flush();
    histories.trim();
  };
  let records = 0;
  let waiting = 0;
  let saidAtMs = clock.monotonicMs();
  for await (const batch of recordsOf(session, partition, job.from, to)) {
    if (signal.aborted) break;
    const first = batch[0]!;
    if (Number.isNaN(histories.knownSinceMs)) {
      // as the owner tells it: what was lost was logged before it, and reached at most the skew into the future
      histories.knownSinceMs =
        first.timestampMs < 0 ? Number.MAX_SAFE_INTEGER : first.timestampMs + settings['event.future-skew'];
    }
    await engine.foldSilently(asFolded(session, batch, job), histories);
    folded = markOf(folded, batch[batch.length - 1]!);
    records += batch.length;
    waiting += batch.length;
    if (waiting >= FLUSH_RECORDS) {
      await flush(histories.position);
      waiting = 0;
    }
    if (clock.monotonicMs() - saidAtMs >= PROGRESS_EVERY_MS) {
      saidAtMs = clock.monotonicMs();
      log.info('folding', { topic, partition, offset: histories.position, to });
    }
  }
  if (signal.aborted) {
    await flush(histories.position);
    throw new FraudstreamError(
      'FS_STALLED',
      `stopped at ${histories.position} of ${to}; a start or a repetition goes on from there`,
      { topic, partition },
    );
  }
  // Nothing was folded, and something may be missing: an empty store says that better than a state would.
  if (Number.isNaN(histories.knownSinceMs)) return { records };
  await flush(to);
  return { records };
}

/** What the owner would not have folded either gets its failure. */
function asFolded(session: StateSession, records: readonly InputRecord[], job: FoldJob): readonly InputRecord[] {
  const strict = session.context.settings['kafka.partitioner'] === 'strict';
  if (!strict && job.poison.length === 0) return records;
  return records.map((record) => {
    const { topic, partition, offset, key } = record;
    if (record.failure) return record;
    const poison = job.poison.includes(offset);
    const misplaced = strict && key !== null && partitionOf(key, job.mark.partitions) !== partition;
    if (!poison && !misplaced) return record;
    const code = poison ? 'FS_INPUT_POISON' : 'FS_INPUT_PARTITIONER';
    return { ...record, failure: new FraudstreamError(code, '', { topic, partition, offset }) };
  });
}

/** Committed records of [from, to), in order; batches are never empty. What cannot be read was never folded. */
export async function* recordsOf(
  session: StateSession,
  partition: number,
  from: number,
  to: number,
): AsyncGenerator<readonly InputRecord[]> {
  if (from >= to) return;
  const { topic, client, context } = session;
  const batches = readTopic(client, {
    topic,
    partition,
    offset: from,
    sinceMs: null,
    follow: false,
    signal: context.signal,
    onUnreadable: (error) => context.log.warn('passed over a stretch that cannot be read', errorFields(error)),
  });
  for await (const batch of batches) {
    const wanted = batch[batch.length - 1]!.offset < to ? batch : batch.filter(({ offset }) => offset < to);
    if (wanted.length > 0) yield wanted;
    if (wanted.length < batch.length) return;
  }
}

function markOf(mark: LogMark, last: InputRecord): LogMark {
  const lastHash = hashOf(last);
  return { ...mark, lastOffset: lastHash === '' ? -1 : last.offset, lastHash };
}

/** The mark of a position at `offset`: the log as it is now, and the record before the position if one stands there. */
export async function markAt(
  session: StateSession,
  partition: number,
  offset: number,
  delivery: LogMark['delivery'],
): Promise<LogMark> {
  const { clusterId, topicId, partitions } = session.identity;
  const mark = { clusterId, topicId, partitions, delivery, lastOffset: -1, lastHash: '' };
  if (offset === 0) return mark;
  const input = session.inputOf(partition);
  const { start } = await input.range();
  if (offset <= start) return mark;
  const record = await input.readRecord(offset - 1);
  return record === null || record.offset !== offset - 1 ? mark : markOf(mark, record);
}
