import { FraudstreamError } from '../../domain/errors.ts';
import type { InputRecord } from '../record.ts';
import { pauseFor, settlesWithin } from './backoff.ts';
import type { KafkaClient } from './client.ts';
import { decodeFetch, encodeFetch, FETCH_API, type FetchedPartition } from './fetch-protocol.ts';
import { fromKafka, fromKafkaCode } from './kafka-errors.ts';
import { sendRaw, type Cluster } from './kafkajs-internals.ts';
import { Leaders } from './leaders.ts';
import { readLogRange, readStableRange, type LogRange } from './log-offsets.ts';
import { badBatchRecord, RecordStream } from './record-stream.ts';

/**
 * Reads stretches of partitions for who wants to know what stands there, by connections of its own, as a read-committed
 * reader sees them: through the same stream of records as the consumer. Not for throughput.
 */

export interface ReadStretch {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  /** the offset behind the last one that is wanted */
  readonly to: number;
  /** at most so many records are handed over at once */
  readonly recordsMax: number;
  /** the first fetch; each further one asks for four times as much, up to 8 MiB */
  readonly bytesFirst: number;
}

const FIRST_OPEN_BYTES = 65_536;
const FETCH_BYTES_MAX = 8_388_608;
const GROWTH = 4;
const DEADLINE_MS = 60_000;
const PAUSE_MS = 50;
const VALUE_BYTES_MAX = 4_194_304;
const OFFSET_OUT_OF_RANGE = 1;
const FAILURES_MAX = 8;

export class LogReader {
  private readonly client: KafkaClient;
  private readonly cluster: Cluster;
  private readonly leaders: Leaders;
  /** how long one stretch, or a search through several, may take */
  readonly deadlineMs: number;

  constructor(client: KafkaClient, deadlineMs = DEADLINE_MS) {
    this.client = client;
    this.cluster = client.openCluster();
    this.leaders = new Leaders(this.cluster);
    this.deadlineMs = deadlineMs;
  }

  /** `end` is the last stable offset. Throws as all here: FS_KAFKA_UNAVAILABLE, _TOPIC_MISSING or _REFUSED. */
  async stableRange(topic: string, partition: number): Promise<LogRange> {
    await this.know(topic);
    return readStableRange(this.leaders, topic, partition);
  }

  /** `end` is the offset behind the last record, of whatever transaction. */
  async range(topic: string, partition: number): Promise<LogRange> {
    await this.know(topic);
    return readLogRange(this.leaders, topic, partition);
  }

  async partitionCount(topic: string): Promise<number> {
    await this.know(topic);
    return this.leaders.partitionCount(topic);
  }

  /** The first record of the oldest transaction that has no end marker; null when all have one. */
  async firstOpen(topic: string, partition: number): Promise<InputRecord | null> {
    const [{ end: from }, { end: to }] = [await this.stableRange(topic, partition), await this.range(topic, partition)];
    let first: InputRecord | null = null;
    if (from >= to) return first;
    const stretch = { topic, partition, from, to, recordsMax: 1, bytesFirst: FIRST_OPEN_BYTES };
    await this.readAll(stretch, false, (records) => {
      first = records[0] ?? null;
      return first === null;
    });
    return first;
  }

  /**
   * Hands over the committed records of a stretch in offset order until `take` returns false, the stretch ends, or the
   * last stable offset is reached. What retention has deleted is passed over. A batch that cannot be read is one record.
   */
  read(stretch: ReadStretch, take: (records: readonly InputRecord[]) => boolean): Promise<void> {
    return this.readAll(stretch, true, take);
  }

  private async readAll(
    stretch: ReadStretch,
    readCommitted: boolean,
    take: (records: readonly InputRecord[]) => boolean,
  ): Promise<void> {
    const { topic, partition, from, to, recordsMax } = stretch;
    const place = { topic, partition, offset: from };
    await this.know(topic);
    const stream = new RecordStream(topic, partition, from, {
      readCommitted,
      recordsMax,
      bytesMax: VALUE_BYTES_MAX,
    });
    const giveUpAtMs = Date.now() + this.deadlineMs;
    let bytesMax = stretch.bytesFirst;
    let failures = 0;
    let stableEnd = -1;
    while (stream.position < to) {
      const taken = await stream.take();
      if (taken !== null && taken.kind !== 'fetch-again') {
        const all = taken.kind === 'bad' ? [badBatchRecord(taken)] : taken.records;
        const wanted = all.filter(({ offset }) => offset < to);
        if (wanted.length > 0 && !take(wanted)) return;
        continue;
      }
      if (stableEnd >= 0 && stream.position >= stableEnd) return;
      if (Date.now() > giveUpAtMs) {
        throw this.tooLong(topic, partition, stream.position, Math.min(to, stableEnd));
      }
      try {
        const fetched = await this.fetch(stream, bytesMax, readCommitted);
        if (fetched === null) {
          // Behind the end there is nothing yet; before the start there is nothing any more.
          const { start } = await readLogRange(this.leaders, topic, partition);
          if (stream.position >= start) return;
          stream.position = start;
          stream.fetchOffset = start;
          continue;
        }
        failures = 0;
        stableEnd = readCommitted ? fetched.lastStableOffset : fetched.highWatermark;
        stream.push(fetched);
        // A log cleaner may leave nothing between here and the end of what is stable: then we wait, until the deadline.
        if (fetched.records.length === 0 && stream.position < stableEnd) await pauseFor(PAUSE_MS);
        bytesMax = Math.min(bytesMax * GROWTH, FETCH_BYTES_MAX);
      } catch (thrown) {
        const error = fromKafka(thrown, `cannot read ${topic}/${partition}`, place);
        if (!error.retriable || ++failures > FAILURES_MAX) throw error;
        await pauseFor(PAUSE_MS * failures);
        await this.leaders.refresh().catch(() => undefined);
      }
    }
  }

  async close(): Promise<void> {
    await settlesWithin(this.cluster.disconnect(), 2_000);
  }

  /** What is thrown at the deadline. */
  tooLong(topic: string, partition: number, from: number, to: number): FraudstreamError {
    const detail = `offsets ${from} to ${to} of ${topic}/${partition} were not read within ${this.deadlineMs} ms`;
    return new FraudstreamError('FS_KAFKA_UNAVAILABLE', detail, { topic, partition, offset: from });
  }

  private async know(topic: string): Promise<void> {
    if (!this.leaders.has(topic)) await this.leaders.add([topic]);
  }

  /** null when the offset is not in the log */
  private async fetch(
    stream: RecordStream,
    bytesMax: number,
    readCommitted: boolean,
  ): Promise<FetchedPartition | null> {
    const { topic, partition, fetchOffset } = stream;
    const doing = `cannot read ${topic}/${partition}`;
    const broker = await this.leaders.leader(topic, partition);
    const body = encodeFetch([{ topic, partition, offset: fetchOffset }], {
      waitMsMax: 0,
      bytesMin: 0,
      bytesMax,
      partitionBytesMax: bytesMax,
      readCommitted,
    });
    const timeoutMs = this.client.requestTimeoutMs;
    const response = decodeFetch(await sendRaw(broker, 1, { ...FETCH_API, body: [body], timeoutMs }));
    if (response.errorCode !== 0) throw fromKafkaCode(response.errorCode, doing);
    const fetched = response.partitions[0];
    if (fetched === undefined) throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', `${doing}: no answer`);
    if (fetched.errorCode === OFFSET_OUT_OF_RANGE) return null;
    if (fetched.errorCode !== 0) throw fromKafkaCode(fetched.errorCode, doing, { topic, partition });
    return fetched;
  }
}
