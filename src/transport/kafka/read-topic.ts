import type { Admin } from 'kafkajs';
import { FraudstreamError } from '../../domain/errors.ts';
import type { InputRecord } from '../record.ts';
import { pauseFor } from './backoff.ts';
import type { KafkaClient } from './client.ts';
import { decodeFetch, encodeFetch, FETCH_API } from './fetch-protocol.ts';
import { fromKafka, fromKafkaCode } from './kafka-errors.ts';
import { sendRaw } from './kafkajs-internals.ts';
import { Leaders } from './leaders.ts';
import { RecordStream } from './record-stream.ts';

export interface ReadTopicOptions {
  readonly topic: string;
  /** null: all */
  readonly partition: number | null;
  /** the first offset of `partition`; null: by `sinceMs` */
  readonly offset: number | null;
  /** record timestamp, ms; null: from the earliest that is kept */
  readonly sinceMs: number | null;
  /** wait for more until the signal; else end at what was there at the start */
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** a stretch of the log that cannot be read and is passed over */
  readonly onUnreadable: (error: FraudstreamError) => void;
}

interface Position {
  readonly stream: RecordStream;
  /** read up to here; Infinity when following */
  readonly end: number;
}

const WAIT_MS_MAX = 500;
const FETCH_BYTES_MAX = 8_388_608;
const RECORDS_MAX = 1_000;
const TRIES_MAX = 5;
const RETRY_PAUSE_MS = 200;
const OFFSET_OUT_OF_RANGE = 1;
/** unknown topic or partition, no leader, not the leader, fenced or unknown leader epoch: the metadata is old */
const METADATA_IS_OLD: ReadonlySet<number> = new Set([3, 5, 6, 9, 74, 75, 76]);

/**
 * Reads a topic without a consumer group: nobody's offsets move. Committed records only, in offset order per partition.
 * Yields batches that are not empty. Throws FS_KAFKA_TOPIC_MISSING, FS_KAFKA_REFUSED or FS_KAFKA_UNAVAILABLE; when
 * following, the last only if it was never reached.
 */
export async function* readTopic(
  client: KafkaClient,
  options: ReadTopicOptions,
): AsyncGenerator<readonly InputRecord[]> {
  const positions = await startPositions(client, options);
  const cluster = client.openCluster();
  const leaders = new Leaders(cluster);
  try {
    await leaders.add([options.topic]);
    let failures = 0;
    while (!options.signal.aborted) {
      const open = positions.filter(({ stream, end }) => stream.position < end);
      if (open.length === 0) return;
      try {
        await fetchInto(client, leaders, open, options.topic);
        failures = 0;
      } catch (thrown) {
        const error = fromKafka(thrown, `cannot read ${options.topic}`);
        failures++;
        if (!error.retriable || (!options.follow && failures >= TRIES_MAX)) throw error;
        await pauseFor(RETRY_PAUSE_MS * Math.min(failures, 20), options.signal);
        // the next fetch fails again if this does not help, and is counted there
        await leaders.refresh().catch(() => undefined);
      }
      for (const position of open) yield* take(position, options);
    }
  } finally {
    await cluster.disconnect().catch(() => undefined);
  }
}

async function startPositions(client: KafkaClient, options: ReadTopicOptions): Promise<Position[]> {
  const { topic, partition, offset, sinceMs, follow } = options;
  const admin = client.admin();
  try {
    await admin.connect();
    const all = await admin.fetchTopicOffsets(topic);
    const starts = await startOffsets(admin, topic, sinceMs);
    const wanted = partition === null ? all : all.filter((one) => one.partition === partition);
    if (wanted.length === 0) {
      throw new FraudstreamError('FS_KAFKA_REFUSED', `${topic} has ${all.length} partitions: there is no ${partition}`);
    }
    return wanted.map((one) => {
      const low = Number(one.low);
      const first = offset ?? starts?.get(one.partition) ?? low;
      const streamOptions = { readCommitted: true, recordsMax: RECORDS_MAX, bytesMax: FETCH_BYTES_MAX };
      return {
        stream: new RecordStream(topic, one.partition, Math.max(first, low), streamOptions),
        end: follow ? Number.POSITIVE_INFINITY : Number(one.high),
      };
    });
  } catch (thrown) {
    throw thrown instanceof FraudstreamError ? thrown : fromKafka(thrown, `cannot read the offsets of ${topic}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

async function startOffsets(admin: Admin, topic: string, sinceMs: number | null): Promise<Map<number, number> | null> {
  if (sinceMs === null) return null;
  const found = await admin.fetchTopicOffsetsByTimestamp(topic, Math.max(0, sinceMs));
  return new Map(found.map((one) => [one.partition, Number(one.offset)]));
}

/** One fetch to each leader, for the partitions that have nothing left to take. */
async function fetchInto(
  client: KafkaClient,
  leaders: Leaders,
  open: readonly Position[],
  topic: string,
): Promise<void> {
  const hungry = open.filter(({ stream }) => stream.empty).map(({ stream }) => stream);
  const byLeader = new Map<number, RecordStream[]>();
  for (const stream of hungry) {
    const leader = leaders.leaderOf(topic, stream.partition);
    if (leader < 0) {
      throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', `no leader for ${topic}/${stream.partition}`);
    }
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), stream]);
  }
  await Promise.all(
    [...byLeader].map(async ([leader, streams]) => {
      const broker = await leaders.broker(leader);
      const body = encodeFetch(
        streams.map(({ partition, fetchOffset }) => ({ topic, partition, offset: fetchOffset })),
        {
          waitMsMax: WAIT_MS_MAX,
          bytesMin: 1,
          bytesMax: FETCH_BYTES_MAX,
          partitionBytesMax: FETCH_BYTES_MAX,
          readCommitted: true,
        },
      );
      const timeoutMs = client.requestTimeoutMs;
      const response = decodeFetch(await sendRaw(broker, 1, { ...FETCH_API, body: [body], timeoutMs }));
      if (response.errorCode !== 0) throw fromKafkaCode(response.errorCode, `fetch from broker ${leader}`);
      for (const fetched of response.partitions) {
        const stream = streams.find(({ partition }) => partition === fetched.partition);
        if (stream === undefined) continue;
        if (fetched.errorCode === 0) {
          stream.push(fetched);
        } else if (fetched.errorCode === OFFSET_OUT_OF_RANGE && fetched.logStartOffset > stream.position) {
          // retention passed us while we read: what is gone is gone
          stream.position = fetched.logStartOffset;
          stream.fetchOffset = fetched.logStartOffset;
        } else if (METADATA_IS_OLD.has(fetched.errorCode)) {
          throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', `the leader of ${topic}/${fetched.partition} has moved`);
        } else {
          throw fromKafkaCode(fetched.errorCode, `fetch of ${topic}/${fetched.partition}`);
        }
      }
    }),
  );
}

async function* take(position: Position, options: ReadTopicOptions): AsyncGenerator<readonly InputRecord[]> {
  const { stream, end } = position;
  while (stream.position < end && !options.signal.aborted) {
    const taken = await stream.take();
    if (taken === null || taken.kind === 'fetch-again') return;
    if (taken.kind === 'bad') {
      options.onUnreadable(taken.error);
      stream.position = Math.max(stream.position, taken.nextOffset);
      continue;
    }
    const records = taken.records.filter(({ offset }) => offset < end);
    if (records.length > 0) yield records;
  }
}
