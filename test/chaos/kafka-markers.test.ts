import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TransactionalProducer } from '../../src/delivery/transactional-producer.ts';
import { KafkaClient } from '../../src/transport/kafka/client.ts';
import { LogReader } from '../../src/transport/kafka/log-reader.ts';
import { GroupOffsets } from '../../src/transport/kafka/offsets.ts';
import { createTopics } from '../../src/transport/kafka/topics.ts';
import { KafkaTransactionRequests } from '../../src/transport/kafka/transaction-requests.ts';
import { startKafka, type KafkaServer } from '../servers/kafka.ts';
import { sleep } from '../servers/process.ts';

/**
 * The only broker is killed while many transactions have been acknowledged, and their markers are not written yet. Some
 * versions of Kafka never write them then (KAFKA-20734): a new owner must find each commit all the same, and none twice.
 */

const PRODUCERS = 24;
const GROUP = 'ledger';
const CALM = new AbortController().signal;

interface Seen {
  /** the last committed offset */
  readonly committed: number;
  readonly values: readonly number[];
}

describe('a broker that is killed behind the acknowledgement of commits', () => {
  let server: KafkaServer;
  let client: KafkaClient;
  let reader: LogReader;
  let ledger: GroupOffsets;
  let requests: KafkaTransactionRequests[] = [];

  const connect = (): void => {
    client = new KafkaClient({ brokers: [server.bootstrap], clientId: 'markers' }, () => undefined);
    reader = new LogReader(client);
    ledger = new GroupOffsets(client, GROUP);
    // each over connections of its own, so that many commits are under way at a time
    requests = Array.from({ length: PRODUCERS }, () => new KafkaTransactionRequests(client));
  };
  const disconnect = async (): Promise<void> => {
    await Promise.all([reader, ledger, ...requests].map((one) => one.close()));
  };
  const producerOf = (of: number): TransactionalProducer =>
    new TransactionalProducer(
      {
        requests: requests[of]!,
        clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
        pause: (ms) => sleep(ms),
      },
      {
        transactionalId: `markers-${of}`,
        group: GROUP,
        transactionTimeoutMs: 5_000,
        batchBytesMax: 900_000,
        fenceTimeoutMs: 60_000,
      },
    );
  const committing = (producer: TransactionalProducer, of: number, value: number): Promise<void> => {
    const record = { key: null, value: Buffer.from(String(value)), headers: null, timestampMs: Date.now() };
    const position = { topic: 'in', partition: of, offset: value + 1, metadata: '' };
    return producer.commit([{ topic: 'out', partition: of, record }], position, CALM);
  };
  const look = async (of: number): Promise<Seen> => {
    const values: number[] = [];
    const { start, end } = await reader.stableRange('out', of);
    const stretch = { topic: 'out', partition: of, from: start, to: end, recordsMax: 500, bytesFirst: 1_048_576 };
    await reader.read(stretch, (records) => {
      for (const { value } of records) values.push(Number(String(value)));
      return true;
    });
    return { committed: (await ledger.read('in', of))?.offset ?? 0, values };
  };

  /** As an owner does who knows that so many commits were acknowledged. @returns how many there were */
  const takeOver = async (producer: TransactionalProducer, of: number, acknowledged: number): Promise<number> => {
    await producer.fence(CALM);
    const before = await look(of);
    const shown = Math.max(before.committed, before.values.length, acknowledged);
    const place = { topic: 'out', partition: of };
    if (before.committed < shown || before.values.length < shown) {
      await producer.settle([place], true, CALM);
      await producer.fence(CALM);
    }
    await producer.settle([place], false, CALM);
    return shown;
  };

  beforeAll(async () => {
    server = await startKafka();
    connect();
    const topics = ['in', 'out'].map((name) => ({ name, partitions: PRODUCERS, replication: 1, config: {} }));
    await createTopics(client, topics);
  });
  afterAll(async () => {
    await disconnect();
    await server?.stop();
  });

  it('each that was acknowledged is there after the takeover, once; what follows is there once too', async () => {
    const acknowledged = Array.from({ length: PRODUCERS }, () => 0);
    let running = true;
    const loops = acknowledged.map(async (_, of) => {
      const producer = producerOf(of);
      await producer.fence(CALM);
      try {
        while (running) {
          await committing(producer, of, acknowledged[of]!);
          acknowledged[of]!++;
        }
      } catch {
        // the broker is dead
      }
    });
    for (const deadlineMs = Date.now() + 30_000; acknowledged.some((count) => count < 5) && Date.now() < deadlineMs;) {
      await sleep(20);
    }
    await server.kill9();
    running = false;
    await Promise.all(loops);
    await disconnect();
    await server.restart();
    connect();
    for (let of = 0; of < PRODUCERS; of++) {
      const due = acknowledged[of]!;
      expect(due).toBeGreaterThanOrEqual(5);
      const producer = producerOf(of);
      const shown = await takeOver(producer, of, due);
      await committing(producer, of, shown);
      await producer.fence(CALM);
      const { committed, values } = await look(of);
      expect({ of, committed, values }).toEqual({
        of,
        committed: shown + 1,
        values: Array.from({ length: shown + 1 }, (_, k) => k),
      });
    }
  });

  it('owners that live on make their last commit visible, with or without something to do, under the same identity', async () => {
    let running = true;
    const acknowledged = await Promise.all(
      Array.from({ length: PRODUCERS }, async (_, of) => (await look(of)).committed),
    );
    const producers = acknowledged.map((_, of) => producerOf(of));
    const dead = new Set<number>();
    const resting = new Set<number>();
    const loops = producers.map(async (producer, of) => {
      await producer.fence(CALM);
      await producer.settle([{ topic: 'out', partition: of }], false, CALM);
      try {
        for (; running; acknowledged[of]!++) await committing(producer, of, acknowledged[of]!);
        resting.add(of);
      } catch {
        dead.add(of);
      }
    });
    await sleep(2_000);
    running = false;
    // those that have ended by then rest behind a fresh acknowledgement
    for (let waits = 0; resting.size < PRODUCERS / 4 && waits < 5_000; waits++) await sleep(1);
    const killed = server.kill9();
    const rested = [...resting];
    await killed;
    const restarted = server.restart();
    const mends = rested.map(async (of) => {
      const producer = producers[of]!;
      await expect.poll(() => producer.isSteady, { timeout: 5_000 }).toBe(false);
      await producer.mend(CALM).catch(() => void dead.add(of));
    });
    await Promise.all([...mends, ...loops]);
    await restarted;
    await expect.poll(() => Promise.all(producers.map((_, of) => look(of))), { timeout: 60_000 }).toBeTruthy();
    for (const of of rested.filter((one) => !dead.has(one))) {
      const due = acknowledged[of]!;
      const seen = { of, committed: due, values: Array.from({ length: due }, (_, k) => k) };
      await expect.poll(async () => ({ of, ...(await look(of)) }), { timeout: 10_000 }).toEqual(seen);
    }
    for (const [of, producer] of producers.entries()) {
      const due = acknowledged[of]!;
      const shown = dead.has(of) ? await takeOver(producer, of, due) : due;
      await committing(producer, of, shown);
      const seen = { of, committed: shown + 1, values: Array.from({ length: shown + 1 }, (_, k) => k) };
      await expect.poll(async () => ({ of, ...(await look(of)) }), { timeout: 10_000 }).toEqual(seen);
    }
    expect(rested.length).toBeGreaterThan(0);
  });

  it('one that nobody has seen is aborted, and what is written again is there once', async () => {
    // one more kill: whatever each producer had under way is ended without a look at what was acknowledged
    let running = true;
    const next = await Promise.all(Array.from({ length: PRODUCERS }, async (_, of) => (await look(of)).committed));
    const loops = next.map(async (_, of) => {
      const producer = producerOf(of);
      await producer.fence(CALM);
      try {
        for (; running; next[of]!++) await committing(producer, of, next[of]!);
      } catch {
        // the broker is dead
      }
    });
    await sleep(1_500);
    await server.kill9();
    running = false;
    await Promise.all(loops);
    await disconnect();
    await server.restart();
    connect();
    for (let of = 0; of < PRODUCERS; of++) {
      const producer = producerOf(of);
      await producer.fence(CALM);
      const place = { topic: 'out', partition: of };
      const before = await look(of);
      // only half of the markers may have been forgotten: that shows
      if (before.committed !== before.values.length) {
        await producer.settle([place], true, CALM);
        await producer.fence(CALM);
      }
      await producer.settle([place], false, CALM);
      const from = (await look(of)).committed;
      await committing(producer, of, from);
      await producer.fence(CALM);
      const { values } = await look(of);
      expect({ of, values }).toEqual({ of, values: Array.from({ length: from + 1 }, (_, k) => k) });
    }
  });
});
