import { describe, expect, it } from 'vitest';
import { decodePosition, type Position } from '../../../src/delivery/position.ts';
import { AtLeastOncePublisher, ExactlyOncePublisher } from '../../../src/delivery/publisher.ts';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import { MemorySink } from '../../../src/transport/memory/memory-sink.ts';
import type { OutputRecord, OutputStream } from '../../../src/transport/record.ts';
import type { OffsetToCommit } from '../../../src/transport/transactions.ts';
import { producerDesk, type ScriptedRequests } from './scripted-requests.ts';

const KEY = { app: 'app', topic: 'transactions', partition: 3 };
const CALM = new AbortController().signal;
const POSITION: Position = {
  offset: 60,
  mark: { clusterId: 'c', topicId: 't', partitions: 4, delivery: 'exactly-once', lastOffset: 59, lastHash: 'h' },
  lastDecision: 59,
  origin: 0,
  fingerprint: 'f',
  acceptedTo: -1,
  poison: [7],
};

const out = (stream: OutputStream, partition = 3): OutputRecord => ({
  stream,
  partition,
  key: null,
  value: Buffer.from(stream),
  headers: null,
  timestampMs: 1,
});
const placeOf = (stream: OutputStream, partition: number) => ({ topic: `out.${stream}`, partition });
const away = (): FraudstreamError => new FraudstreamError('FS_KAFKA_UNAVAILABLE', 'away');

function committedBy(requests: ScriptedRequests): OffsetToCommit {
  return requests.arguments.find(([name]) => name === 'commitOffset')![3] as OffsetToCommit;
}

describe('exactly-once', () => {
  it('puts every stream and the position into one transaction', async () => {
    const { producer, requests } = producerDesk();
    const publisher = new ExactlyOncePublisher({ key: KEY, producer }, placeOf);
    await publisher.fence(CALM);
    await publisher.publish([out('decisions'), out('dead-letter', 1), out('decisions')], POSITION, CALM);
    expect(requests.batches.flat().map(({ topic, partition, records }) => [topic, partition, records.length])).toEqual([
      ['out.decisions', 3, 2],
      ['out.dead-letter', 1, 1],
    ]);
    const committed = committedBy(requests);
    expect(committed).toMatchObject({ topic: 'transactions', partition: 3, offset: 60 });
    expect(decodePosition(KEY, committed)).toEqual(POSITION);
    expect(requests.events.filter((one) => one === 'end')).toHaveLength(1);
  });

  it('ends what was left open wherever it writes', async () => {
    const { producer, requests } = producerDesk();
    const publisher = new ExactlyOncePublisher({ key: KEY, producer }, placeOf);
    await publisher.fence(CALM);
    await publisher.settle(false, CALM);
    const [, , partitions] = requests.arguments.find(([name]) => name === 'addPartitions')!;
    expect(partitions).toEqual(
      ['out.decisions', 'out.flagged', 'out.dead-letter'].map((topic) => ({ topic, partition: 3 })),
    );
    expect(requests.arguments.at(-1)).toEqual(['end', expect.anything(), false]);
    expect(requests.batches).toEqual([]);
    expect(requests.events).not.toContain('commitOffset');
  });

  it('hands on what went wrong', async () => {
    const { producer, requests } = producerDesk();
    const publisher = new ExactlyOncePublisher({ key: KEY, producer }, placeOf);
    requests.answer('init', 'FS_KAFKA_REFUSED');
    await expect(publisher.fence(CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_REFUSED' });
    await publisher.fence(CALM);
    requests.answer('end', 'FS_KAFKA_UNAVAILABLE');
    await expect(publisher.publish([], POSITION, CALM)).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
  });
});

describe('at-least-once', () => {
  async function desk(onPause: () => void = () => {}) {
    const { producer, requests } = producerDesk();
    const sink = new MemorySink();
    const pauses: number[] = [];
    const publisher = new AtLeastOncePublisher({ key: KEY, producer }, sink, (ms) => {
      pauses.push(ms);
      onPause();
      return Promise.resolve();
    });
    await publisher.fence(CALM);
    return { publisher, requests, sink, pauses };
  }

  it('writes the output, then commits the position in a transaction of its own', async () => {
    const { publisher, requests, sink } = await desk();
    sink.hold();
    const done = publisher.publish([out('decisions'), out('flagged')], POSITION, CALM);
    await new Promise((resolve) => setImmediate(resolve));
    expect(requests.arguments.map(([name]) => name)).toEqual(['init']);
    sink.release();
    await done;
    expect(sink.records.map(({ stream }) => stream)).toEqual(['decisions', 'flagged']);
    expect(requests.arguments.map(([name]) => name)).toEqual(['init', 'addOffsets', 'commitOffset', 'end']);
    expect(decodePosition(KEY, committedBy(requests))).toEqual(POSITION);
  });

  it('tries the same output again while Kafka is away, longer each time up to 5 s', async () => {
    const { publisher, sink, pauses } = await desk();
    for (let k = 0; k < 9; k++) sink.failNext(away());
    await publisher.publish([out('decisions')], POSITION, CALM);
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(sink.records).toHaveLength(1);
  });

  it('commits nothing of an output that was refused', async () => {
    const { publisher, requests, sink, pauses } = await desk();
    sink.failNext(new FraudstreamError('FS_OUTPUT_TOO_LARGE', 'decisions/3'));
    await expect(publisher.publish([out('decisions')], POSITION, CALM)).rejects.toMatchObject({
      code: 'FS_OUTPUT_TOO_LARGE',
    });
    expect(pauses).toEqual([]);
    expect(requests.events).not.toContain('commitOffset');
  });

  it.each(['before', 'while it waits'])('gives up when the partition was taken away %s', async (when) => {
    const stop = new AbortController();
    const { publisher, requests, sink, pauses } = await desk(() => stop.abort());
    if (when === 'before') stop.abort();
    for (let k = 0; k < 3; k++) sink.failNext(away());
    await expect(publisher.publish([out('decisions')], POSITION, stop.signal)).rejects.toMatchObject({
      code: 'FS_KAFKA_UNAVAILABLE',
    });
    expect(pauses).toHaveLength(when === 'before' ? 0 : 1);
    expect(sink.records).toEqual([]);
    expect(requests.events).not.toContain('commitOffset');
  });

  it('ends what was left open of its position alone', async () => {
    const { publisher, requests } = await desk();
    await publisher.settle(true, CALM);
    expect(requests.events).not.toContain('addPartitions');
    expect(requests.events).toContain('addOffsets');
    expect(requests.arguments.at(-1)).toEqual(['end', expect.anything(), true]);
  });

  it('commits the position alone where there is no output', async () => {
    const { publisher, requests, sink } = await desk();
    sink.failNext(away());
    await publisher.publish([], POSITION, CALM);
    expect(committedBy(requests).offset).toBe(60);
  });
});
