import { describe, expect, it } from 'vitest';
import { ModelKafkaClient } from '../simulation/model-kafka-client.ts';
import { noAnswer } from '../simulation/model-kafka-errors.ts';
import type { ModelNetwork, RequestKind } from '../simulation/model-kafka-network.ts';
import { ModelSink } from '../simulation/model-kafka-sink.ts';
import { OutputTopics } from '../../src/transport/kafka/output-topics.ts';
import type { RecordHeaders } from '../../src/transport/record.ts';
import type { Transaction } from '../../src/transport/transactions.ts';
import { modelOutputLog } from '../simulation/model-kafka-output.ts';
import { modelBackend } from './kafka-model-backend.ts';
import { outcomeOf, TransactionDriver } from './kafka-transaction.ts';

/** What no test can make a real broker do on demand, and what the model's network may do to a request. */

const PLACE = { topic: 't', partition: 0 };

/** Fates by request kind, each for one request; the others go well. */
class FaultyNetwork implements ModelNetwork {
  private readonly fates: { kind: RequestKind; fate: 'lost' | 'answer lost' | 'late' | 'twice' }[] = [];
  private readonly held: (() => void)[] = [];

  next(kind: RequestKind, fate: 'lost' | 'answer lost' | 'late' | 'twice'): void {
    this.fates.push({ kind, fate });
  }

  /** What was under way for long arrives now. */
  arrive(): void {
    for (const run of this.held.splice(0)) run();
  }

  async call<T>(kind: RequestKind, execute: () => T | Promise<T>): Promise<T> {
    const at = this.fates.findIndex((one) => one.kind === kind);
    const fate = at < 0 ? 'well' : this.fates.splice(at, 1)[0]?.fate;
    const run = async (): Promise<T> => execute();
    switch (fate) {
      case 'lost':
        throw noAnswer(kind);
      case 'late':
        this.held.push(() => void run().catch(() => undefined));
        throw noAnswer(kind);
      case 'answer lost':
        await run().catch(() => undefined);
        throw noAnswer(kind);
      case 'twice': {
        const first = run();
        await run().catch(() => undefined);
        return first;
      }
      default:
        return execute();
    }
  }
}

async function makeWorld(options: Parameters<typeof modelBackend>[0] = {}) {
  const network = new FaultyNetwork();
  const backend = modelBackend({ ...options, network });
  await backend.createTopic('t', 1);
  const producer = new TransactionDriver(backend, 'id');
  const values = (): string[] =>
    backend.kafka
      .log('t', 0)
      .committed()
      .map(({ value }) => String(value));
  return { network, backend, kafka: backend.kafka, producer, values };
}

describe('model of Kafka: forgotten markers', () => {
  const forgotten = async () => {
    const world = await makeWorld();
    const { kafka, producer } = world;
    await producer.init();
    await producer.add(PLACE);
    await producer.addOffsets('g');
    await producer.produce(PLACE, 0, 'lost');
    await producer.commitOffset('g', PLACE, 7);
    kafka.transactions.forgets = () => true;
    await producer.end(true);
    kafka.transactions.forgets = () => false;
    kafka.transactions.available = false;
    kafka.transactions.available = true;
    return { ...world, offset: async () => (await world.backend.ledger('g').read('t', 0))?.offset ?? null };
  };

  it('a commit is acknowledged, and seen by nobody; a new identity changes nothing of that', async () => {
    const { producer, values, offset, backend } = await forgotten();
    expect(producer.isSteady).toBe(false);
    expect(await outcomeOf(producer.initOnce())).toBe('ok');
    expect(producer.isSteady).toBe(true);
    expect([values(), await offset()]).toEqual([[], null]);
    expect(await backend.range(PLACE)).toEqual({ start: 0, end: 1, stable: 0 });
  });

  it('the next commit takes it along', async () => {
    const { producer, values, offset } = await forgotten();
    await producer.init();
    await producer.write(PLACE, 0, ['again']);
    expect([values(), await offset()]).toEqual([['lost', 'again'], null]);
  });

  it.each([true, false])('an end marker of its own settles it: commit %s', async (commit) => {
    const { producer, values, offset } = await forgotten();
    await producer.init();
    await producer.add(PLACE);
    await producer.addOffsets('g');
    await producer.end(commit);
    expect([values(), await offset()]).toEqual(commit ? [['lost'], 7] : [[], null]);
    await producer.write(PLACE, 0, ['next']);
    expect(values()).toEqual(commit ? ['lost', 'next'] : ['next']);
  });
});

describe('model of Kafka: offsets', () => {
  it('E6: without a fence the ledger may be read before the marker has come', async () => {
    const { backend, producer } = await makeWorld({ markerDelayMs: () => 300 });
    await producer.init();
    await producer.addOffsets('g');
    await producer.commitOffset('g', PLACE, 7);
    await producer.end(true);
    expect(await backend.ledger('g').read('t', 0)).toBeNull();
    expect(await outcomeOf(producer.initOnce())).toBe('FS_KAFKA_BUSY');
    await producer.init();
    expect(await backend.ledger('g').read('t', 0)).toMatchObject({ offset: 7 });
  });

  it('E0: a coordinator that is not ready refuses, and nothing has happened', async () => {
    const { backend, kafka, producer } = await makeWorld();
    await producer.init();
    await producer.addOffsets('g');
    kafka.groupsAvailable = false;
    const requests = backend.requests();
    const position = { ...PLACE, offset: 1, metadata: '' };
    expect(await outcomeOf(requests.commitOffset(producer.open, 'g', position))).toBe('FS_KAFKA_BUSY');
    expect(await outcomeOf(backend.ledger('g').read('t', 0))).toBe('FS_KAFKA_UNAVAILABLE');
    kafka.transactions.available = false;
    expect(await outcomeOf(requests.end(producer.open, true))).toBe('FS_KAFKA_UNAVAILABLE');
    expect(await outcomeOf(requests.addPartitions(producer.open, [PLACE]))).toBe('FS_KAFKA_UNAVAILABLE');
    expect(await outcomeOf(producer.initOnce())).toBe('FS_KAFKA_BUSY');
    kafka.groupsAvailable = true;
    kafka.transactions.available = true;
    await producer.end(true);
    await producer.init();
    expect(await backend.ledger('g').read('t', 0)).toBeNull();
  });

  it('expire after their time, and not while a transaction holds another one', async () => {
    const { backend, kafka, producer } = await makeWorld();
    await backend.ledger('g').commit('t', 0, 3);
    await producer.init();
    await producer.addOffsets('g');
    await producer.commitOffset('g', PLACE, 4);
    kafka.expireOffsets('g', Number.POSITIVE_INFINITY);
    expect(await backend.ledger('g').read('t', 0)).toMatchObject({ offset: 3 });
    await producer.end(true);
    kafka.expireOffsets('g', kafka.time.nowMs());
    expect(await backend.ledger('g').read('t', 0)).toMatchObject({ offset: 4 });
    await backend.wait(1_000);
    kafka.expireOffsets('g', kafka.time.nowMs());
    expect(await backend.ledger('g').read('t', 0)).toBeNull();
  });

  it('may lose the last commits with their partition', async () => {
    const { backend, kafka } = await makeWorld();
    for (const offset of [1, 2, 3]) await backend.ledger('g').commit('t', 0, offset);
    kafka.loseOffsets('g', 2);
    expect(await backend.ledger('g').read('t', 0)).toMatchObject({ offset: 1 });
    kafka.loseOffsets('g', 5);
    expect(await backend.ledger('g').read('t', 0)).toBeNull();
  });
});

describe('model of Kafka: requests', () => {
  it('E1: an append whose answer is lost is there, and the next epoch aborts it', async () => {
    const { network, producer, values, backend } = await makeWorld();
    await producer.init();
    await producer.add(PLACE);
    network.next('Produce', 'answer lost');
    expect(await outcomeOf(producer.produce(PLACE, 0, 'a'))).toBe('FS_KAFKA_UNAVAILABLE');
    const next = new TransactionDriver(backend, 'id');
    await next.init();
    await next.write(PLACE, 0, ['b']);
    expect(values()).toEqual(['b']);
  });

  it('a commit whose answer is lost is a commit; one that is lost is not', async () => {
    const { network, producer, values } = await makeWorld();
    await producer.init();
    await producer.add(PLACE);
    await producer.produce(PLACE, 0, 'a');
    network.next('EndTxn', 'answer lost');
    expect(await outcomeOf(producer.end(true))).toBe('FS_KAFKA_UNAVAILABLE');
    expect(values()).toEqual(['a']);
    await producer.init();
    await producer.add(PLACE);
    await producer.produce(PLACE, 0, 'b');
    network.next('EndTxn', 'lost');
    expect(await outcomeOf(producer.end(true))).toBe('FS_KAFKA_UNAVAILABLE');
    await producer.init();
    expect(values()).toEqual(['a']);
  });

  it.each(['Produce', 'EndTxn'] as const)('a %s that arrives after the next init is refused', async (kind) => {
    const { network, producer, values, kafka } = await makeWorld();
    await producer.init();
    await producer.add(PLACE);
    if (kind === 'EndTxn') await producer.produce(PLACE, 0, 'a');
    network.next(kind, 'late');
    const request = kind === 'EndTxn' ? producer.end(true) : producer.produce(PLACE, 0, 'late');
    expect(await outcomeOf(request)).toBe('FS_KAFKA_UNAVAILABLE');
    await producer.init();
    const { end } = kafka.log('t', 0);
    network.arrive();
    expect(kafka.log('t', 0).end).toBe(end);
    expect(values()).toEqual([]);
  });

  it('a late produce of the same epoch joins the transaction that it finds', async () => {
    const { network, producer, values } = await makeWorld();
    await producer.init();
    await producer.add(PLACE);
    network.next('Produce', 'late');
    await outcomeOf(producer.produce(PLACE, 0, 'late'));
    await producer.end(false);
    await producer.add(PLACE);
    network.arrive();
    await producer.end(true);
    expect(values()).toEqual(['late']);
  });

  it('what is sent is what was there at the call, however late it arrives', async () => {
    const { network, producer, backend, values } = await makeWorld();
    await producer.init();
    await producer.add(PLACE);
    const value = Buffer.from('before');
    const records = [{ key: null, value, headers: null, timestampMs: 1 }];
    network.next('Produce', 'late');
    await outcomeOf(backend.requests().produce(producer.open, [{ ...PLACE, sequence: 0, records }]));
    value.write('after!');
    network.arrive();
    await producer.end(true);
    expect(values()).toEqual(['before']);
  });

  it('each of them twice does no harm', async () => {
    const { network, producer, values, kafka, backend } = await makeWorld();
    await producer.init();
    network.next('AddPartitionsToTxn', 'twice');
    network.next('AddOffsetsToTxn', 'twice');
    network.next('Produce', 'twice');
    network.next('TxnOffsetCommit', 'twice');
    network.next('EndTxn', 'twice');
    await producer.add(PLACE);
    await producer.addOffsets('g');
    await producer.produce(PLACE, 0, 'a', 'b');
    await producer.commitOffset('g', PLACE, 2);
    await producer.end(true);
    expect(values()).toEqual(['a', 'b']);
    expect(kafka.log('t', 0).end).toBe(3);
    expect(await backend.ledger('g').read('t', 0)).toMatchObject({ offset: 2 });
  });

  it('a produce to several brokers may be done by one of them only', async () => {
    const network = new FaultyNetwork();
    const backend = modelBackend({ network, brokers: 2 });
    await backend.createTopic('t', 2);
    const producer = new TransactionDriver(backend, 'id');
    await producer.init();
    const places = [0, 1].map((partition) => ({ topic: 't', partition }));
    await producer.add(...places);
    network.next('Produce', 'lost');
    const records = [{ key: null, value: Buffer.from('a'), headers: null, timestampMs: 1 }];
    const batches = places.map((place) => ({ ...place, sequence: 0, records }));
    expect(await outcomeOf(backend.requests().produce(producer.open, batches))).toBe('FS_KAFKA_UNAVAILABLE');
    expect(places.map(({ partition }) => backend.kafka.log('t', partition).end).sort()).toEqual([0, 1]);
  });
});

describe('model of Kafka: members', () => {
  it('a late join of one who has left or never asked for an id is refused', async () => {
    const { kafka } = await makeWorld();
    const group = kafka.group('g');
    expect(await outcomeOf(group.join('ghost', ['t'], 1_000, 1_000))).toBe('FS_KAFKA_FENCED');
    const id = group.newMemberId(1_000);
    const { generation } = await group.join(id, ['t'], 1_000, 1_000);
    group.leave(id);
    expect(await outcomeOf(group.join(id, ['t'], 1_000, 1_000))).toBe('FS_KAFKA_FENCED');
    expect(group.state).toBe('empty');
    expect(group.generation).toBeGreaterThan(generation);
  });

  it('a round waits for who has asked for an id, and no longer than a session', async () => {
    const { kafka, backend } = await makeWorld();
    const group = kafka.group('g');
    const id = group.newMemberId(1_000);
    group.newMemberId(1_000);
    const joining = group.join(id, ['t'], 5_000, 5_000);
    expect(group.state).toBe('preparing');
    await backend.wait(999);
    expect(group.state).toBe('preparing');
    await backend.wait(1);
    expect((await joining).leaderId).toBe(id);
  });

  it('a leader that dies before it has dealt out the partitions holds the others for its session', async () => {
    const { kafka, backend } = await makeWorld();
    const group = kafka.group('g');
    const [first, second] = [group.newMemberId(1_000), group.newMemberId(1_000)];
    const [one, two] = await Promise.all([first, second].map((id) => group.join(id, ['t'], 1_000, 5_000)));
    expect(one?.leaderId).toBe(first);
    const waiting = outcomeOf(group.sync(second, two?.generation ?? -1, null));
    await backend.wait(1_000);
    expect(await waiting).toBe('FS_KAFKA_FENCED');
    expect(group.memberIds).toEqual([second]);
    expect((await group.join(second, ['t'], 1_000, 5_000)).leaderId).toBe(second);
  });
});

describe('model of Kafka: accidents', () => {
  it('markers wait for a partition without a leader, and the transactional id with them', async () => {
    const { kafka, producer, values, backend } = await makeWorld();
    await producer.init();
    await producer.add(PLACE);
    await producer.produce(PLACE, 0, 'a');
    kafka.log('t', 0).available = false;
    await producer.end(true);
    expect(await outcomeOf(producer.initOnce())).toBe('FS_KAFKA_BUSY');
    expect(await outcomeOf(backend.fetch(PLACE, 0))).toBe('FS_KAFKA_UNAVAILABLE');
    kafka.log('t', 0).available = true;
    await backend.wait(100);
    expect(values()).toEqual(['a']);
    expect(await outcomeOf(producer.initOnce())).toBe('ok');
  });

  it('an unclean election loses the end of the log, and with a marker the end of a transaction', async () => {
    const { kafka, producer, backend, values } = await makeWorld();
    await producer.init();
    await producer.write(PLACE, 0, ['a', 'b']);
    await producer.write(PLACE, 2, ['c']);
    kafka.truncate('t', 0, 4);
    expect(kafka.log('t', 0)).toMatchObject({ start: 0, end: 4, lastStableOffset: 3 });
    expect(values()).toEqual(['a', 'b']);
    // The coordinator has long forgotten it: it stays open until a later transaction of the same producer ends.
    const other = new TransactionDriver(backend, 'other');
    await other.init();
    await other.write(PLACE, 0, ['d']);
    expect(values()).toEqual(['a', 'b']);
    await producer.init();
    await producer.write(PLACE, 0, ['e'], false);
    expect(values()).toEqual(['a', 'b', 'd']);
    // Within a batch: the new leader's log ends before it.
    kafka.truncate('t', 0, 1);
    expect(kafka.log('t', 0)).toMatchObject({ start: 0, end: 0, lastStableOffset: 0 });
  });

  it('a topic made anew knows nothing of what was added to a transaction before', async () => {
    const { kafka, producer } = await makeWorld();
    await producer.init();
    await producer.add(PLACE);
    await producer.produce(PLACE, 0, 'a');
    kafka.recreateTopic('t');
    await producer.end(true);
    // The marker goes by the name of the partition.
    expect(kafka.log('t', 0)).toMatchObject({ start: 0, end: 1, lastStableOffset: 1 });
  });

  it('ids that expired are refused, and a producer that the partition has forgotten may begin anywhere', async () => {
    const { kafka, producer, values } = await makeWorld();
    await producer.init();
    await producer.write(PLACE, 0, ['a']);
    kafka.log('t', 0).producers.expire();
    await producer.write(PLACE, 7, ['b']);
    expect(values()).toEqual(['a', 'b']);
    kafka.transactions.expire('id');
    expect(await outcomeOf(producer.add(PLACE))).toBe('FS_KAFKA_FENCED');
  });

  it('an epoch that is used up is followed by another producer id', async () => {
    const { producer } = await makeWorld();
    let last: Transaction = await producer.init();
    const { producerId } = last.identity;
    for (let i = 0; i < 32_766; i++) last = await producer.init();
    expect(last.identity).toEqual({ producerId, epoch: 32_766 });
    last = await producer.init();
    expect(last.identity.epoch).toBe(0);
    expect(last.identity.producerId).not.toBe(producerId);
  });
});

describe('model of Kafka: sink and output log', () => {
  const NAMES = { decisions: 'decisions', flagged: 'flagged', 'dead-letter': 'dead' } as const;
  const HEADERS = { topic: 'topic', partition: 'partition', offset: 'offset' } as const;

  async function makeOutput() {
    const { network, backend, kafka } = await makeWorld();
    for (const name of [NAMES.decisions, NAMES.flagged]) await backend.createTopic(name, 2);
    await backend.createTopic(NAMES['dead-letter'], 1);
    const client = new ModelKafkaClient(kafka);
    const sink = new ModelSink(client, new OutputTopics(NAMES, 1), { deliveryTimeoutMs: 100 });
    const outputLog = modelOutputLog(client, {
      inputTopic: 't',
      decisionsTopic: NAMES.decisions,
      deadLetterTopic: NAMES['dead-letter'],
      deadLetterHeaders: HEADERS,
      decisionPlace: (value) => ({ topic: 't', partition: 1, offset: Number(String(value)) }),
    });
    const decision = (offset: number) =>
      ({
        stream: 'decisions',
        partition: 1,
        key: null,
        value: Buffer.from(String(offset)),
        headers: null,
        timestampMs: 1,
      }) as const;
    const decisions = (): number[] =>
      kafka
        .log(NAMES.decisions, 1)
        .committed()
        .map(({ value }) => Number(String(value)));
    return { network, backend, sink, outputLog, decision, decisions };
  }

  it('the tail is that of committed output', async () => {
    const { sink, outputLog, decision, backend } = await makeOutput();
    expect(await outputLog.tail(1)).toEqual({
      lastDecision: null,
      lastDeadLetter: null,
      lastFlagged: null,
      firstOpen: null,
      untouched: true,
    });
    const headers: RecordHeaders = {
      topic: Buffer.from('t'),
      partition: Buffer.from('1'),
      offset: Buffer.from('17'),
    };
    await sink.write([decision(3), decision(4), { ...decision(0), stream: 'dead-letter', headers }]);
    expect(await outputLog.tail(1)).toEqual({
      lastDecision: 4,
      lastDeadLetter: 17,
      lastFlagged: null,
      firstOpen: null,
      untouched: false,
    });
    const producer = new TransactionDriver(backend, 'out');
    await producer.init();
    const place = { topic: NAMES.decisions, partition: 1 };
    await producer.write(place, 0, ['9'], false);
    expect(await outputLog.tail(1)).toMatchObject({ lastDecision: 4 });
    await producer.write(place, 1, ['10']);
    expect(await outputLog.tail(1)).toMatchObject({ lastDecision: 10 });
  });

  it('a batch that is sent again is written once; one that is given up and written again, twice', async () => {
    const { network, sink, decision, decisions, backend } = await makeOutput();
    network.next('Produce', 'answer lost');
    network.next('Produce', 'lost');
    const written = sink.write([decision(1), decision(2)]);
    for (let i = 0; i < 10; i++) {
      await new Promise((done) => setImmediate(done));
      await backend.wait(20);
    }
    await written;
    expect(decisions()).toEqual([1, 2]);
    for (let i = 0; i < 7; i++) network.next('Produce', 'answer lost');
    const given = outcomeOf(sink.write([decision(3)]));
    for (let i = 0; i < 10; i++) {
      await new Promise((done) => setImmediate(done));
      await backend.wait(20);
    }
    expect(await given).toBe('FS_KAFKA_UNAVAILABLE');
    expect(decisions()).toEqual([1, 2, 3]);
    const again = sink.write([decision(3)]);
    for (let i = 0; i < 10; i++) {
      await new Promise((done) => setImmediate(done));
      await backend.wait(20);
    }
    await again;
    expect(decisions()).toEqual([1, 2, 3, 3]);
  });
});
