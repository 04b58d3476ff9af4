import { FraudstreamError } from '../../domain/errors.ts';
import { fromKafka, fromKafkaCode } from './kafka-errors.ts';
import type { Leaders } from './leaders.ts';

/** Where the log of a partition begins and ends. */

const EARLIEST = -2;
const LATEST = -1;
const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;

export interface LogRange {
  /** the first offset that is still there */
  readonly start: number;
  /** the next offset to be written (read uncommitted) */
  readonly end: number;
}

/** The first offset with this timestamp (ms) or a later one; −1 when there is none; or by the constants above. */
async function listOffset(
  leaders: Leaders,
  topic: string,
  partition: number,
  timestamp: number,
  isolationLevel = READ_UNCOMMITTED,
): Promise<number> {
  const doing = `cannot read the offsets of ${topic}/${partition}`;
  try {
    const broker = await leaders.leader(topic, partition);
    const { responses } = await broker.listOffsets({
      isolationLevel,
      topics: [{ topic, partitions: [{ partition, timestamp: String(timestamp) }] }],
    });
    const answer = responses[0]?.partitions[0];
    if (answer === undefined) throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', `${doing}: no answer`);
    if (answer.errorCode !== 0) throw fromKafkaCode(answer.errorCode, doing, { topic, partition });
    return Number(answer.offset);
  } catch (error) {
    await leaders.refresh().catch(() => undefined);
    throw fromKafka(error, doing, { topic, partition });
  }
}

export async function readLogRange(leaders: Leaders, topic: string, partition: number): Promise<LogRange> {
  const [start, end] = await Promise.all([
    listOffset(leaders, topic, partition, EARLIEST),
    listOffset(leaders, topic, partition, LATEST),
  ]);
  return { start, end };
}

/** Its `end` is the last stable offset: what a read-committed reader may read now lies before it. */
export async function readStableRange(leaders: Leaders, topic: string, partition: number): Promise<LogRange> {
  const [start, end] = await Promise.all([
    listOffset(leaders, topic, partition, EARLIEST),
    listOffset(leaders, topic, partition, LATEST, READ_COMMITTED),
  ]);
  return { start, end };
}

/** Throws FS_OFFSET_OUT_OF_RANGE, naming what is lost, when `offset` is not in the log or at its end. */
export async function checkOffset(
  leaders: Leaders,
  topic: string,
  partition: number,
  offset: number,
): Promise<LogRange> {
  const range = await readLogRange(leaders, topic, partition);
  if (offset >= range.start && offset <= range.end) return range;
  const gap =
    offset < range.start
      ? `offsets ${offset} to ${range.start - 1} were deleted by retention`
      : `the log ends at ${range.end}: it was truncated or the topic was created anew`;
  throw new FraudstreamError(
    'FS_OFFSET_OUT_OF_RANGE',
    `${topic}/${partition} is to be read from ${offset}, but the log holds ${range.start} to ${range.end}: ${gap}`,
    { topic, partition, offset },
  );
}
