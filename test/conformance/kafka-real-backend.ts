import type { Admin } from 'kafkajs';
import { KafkaClient } from '../../src/transport/kafka/client.ts';
import { decodeFetch, encodeFetch, FETCH_API } from '../../src/transport/kafka/fetch-protocol.ts';
import { fromKafkaCode } from '../../src/transport/kafka/kafka-errors.ts';
import { sendRaw } from '../../src/transport/kafka/kafkajs-internals.ts';
import { Leaders } from '../../src/transport/kafka/leaders.ts';
import { readLogRange, readStableRange } from '../../src/transport/kafka/log-offsets.ts';
import { LogReader } from '../../src/transport/kafka/log-reader.ts';
import { Membership } from '../../src/transport/kafka/membership.ts';
import { GroupOffsets } from '../../src/transport/kafka/offsets.ts';
import { decodeProduce, encodeProduce, PRODUCE_API } from '../../src/transport/kafka/produce-protocol.ts';
import { encodeBatch, sealBatch } from '../../src/transport/kafka/record-batch-encode.ts';
import { TopicIdentities } from '../../src/transport/kafka/topic-identity.ts';
import { KafkaTransactionRequests } from '../../src/transport/kafka/transaction-requests.ts';
import { createTopics } from '../../src/transport/kafka/topics.ts';
import type { InputRecord } from '../../src/transport/record.ts';
import type { KafkaBackend } from './kafka-backend.ts';

const TIMEOUT_MS = 10_000;

/** The adapters of `src/transport/kafka` over real brokers. */
export function realBackend(bootstrap: string): KafkaBackend {
  const client = new KafkaClient({ brokers: bootstrap.split(','), clientId: 'conformance' }, () => undefined);
  const opened: { close(): Promise<void> }[] = [];
  const track = <T extends { close(): Promise<void> }>(one: T): T => {
    opened.push(one);
    return one;
  };
  const reader = track(new LogReader(client));
  const identities = track(new TopicIdentities(client));
  const cluster = client.openCluster();
  const leaders = new Leaders(cluster);
  // One for all: a suite makes a hundred of them, and each has connections of its own.
  const ledgers = new Map<string, GroupOffsets>();

  async function admin<T>(run: (admin: Admin) => Promise<T>): Promise<T> {
    const connection = client.admin();
    await connection.connect();
    try {
      return await run(connection);
    } finally {
      await connection.disconnect();
    }
  }

  async function know(topic: string): Promise<void> {
    if (!leaders.has(topic)) await leaders.add([topic]);
  }

  return {
    requests: () => track(new KafkaTransactionRequests(client, { requestTimeoutMs: TIMEOUT_MS })),
    ledger: (group) => {
      let ledger = ledgers.get(group);
      if (ledger === undefined) ledgers.set(group, (ledger = track(new GroupOffsets(client, group))));
      return ledger;
    },
    newIdempotentId: async () => {
      await cluster.connect();
      const broker = await cluster.findControllerBroker();
      const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: 60_000 });
      return { producerId: BigInt(producerId), epoch: producerEpoch };
    },
    produceIdempotent: async ({ topic, partition }, sequence, values, { producerId, epoch }) => {
      await know(topic);
      const records = values.map((value) => ({ key: null, value: Buffer.from(value), headers: null, timestampMs: -1 }));
      const { bytes } = encodeBatch(records, Date.now(), 0, null);
      sealBatch(bytes, producerId, epoch, sequence);
      const body = encodeProduce([{ topic, partition, batch: bytes }], -1, TIMEOUT_MS);
      const broker = await leaders.leader(topic, partition);
      const [answer] = decodeProduce(await sendRaw(broker, 0, { ...PRODUCE_API, body, timeoutMs: TIMEOUT_MS }));
      if (answer === undefined || answer.errorCode !== 0) throw fromKafkaCode(answer?.errorCode ?? 7, 'cannot produce');
    },
    createTopic: async (name, partitions) => {
      const made = await createTopics(client, [{ name, partitions, replication: 1 }]);
      if (made.length === 0) throw new Error(`topic ${name} is still there`);
      // Known to have a leader is not yet: led. By connections of their own: a topic that is deleted later spoils others.
      const connections = new TopicConnections(client);
      try {
        await connections.leaders.add([name]);
        for (let partition = 0; partition < partitions; partition++) {
          await patiently(() => readLogRange(connections.leaders, name, partition));
        }
      } finally {
        await connections.close();
      }
    },
    deleteTopic: (name) => admin((one) => one.deleteTopics({ topics: [name] })),
    addPartitions: async (name, count) => {
      await admin((one) => one.createPartitions({ topicPartitions: [{ topic: name, count }] }));
    },
    deleteRecords: ({ topic, partition }, before) =>
      admin(async (one) => {
        // It looks only for topics that it has heard of.
        await one.fetchTopicOffsets(topic);
        await one.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] });
      }),
    deleteGroup: async (group) => {
      await admin((one) => one.deleteGroups([group]));
    },
    identity: (topic) => identities.read(topic),
    read: async ({ topic, partition }, from) => {
      const records: InputRecord[] = [];
      const stretch = { topic, partition, from, to: Number.POSITIVE_INFINITY, recordsMax: 3, bytesFirst: 1_000 };
      await reader.read(stretch, (some) => {
        for (const record of some) {
          const { key, value } = record;
          // Views of a response that is not kept.
          records.push({ ...record, key: key && Buffer.from(key), value: value && Buffer.from(value) });
        }
        return true;
      });
      return records;
    },
    fetch: async ({ topic, partition }, from) => {
      await know(topic);
      const body = encodeFetch([{ topic, partition, offset: from }], {
        waitMsMax: 0,
        bytesMin: 0,
        bytesMax: 1_000_000,
        partitionBytesMax: 1_000_000,
        readCommitted: true,
      });
      const broker = await leaders.leader(topic, partition);
      const response = decodeFetch(await sendRaw(broker, 0, { ...FETCH_API, body: [body], timeoutMs: TIMEOUT_MS }));
      const [answer] = response.partitions;
      const errorCode = answer?.errorCode ?? response.errorCode;
      if (answer === undefined || errorCode !== 0) throw fromKafkaCode(errorCode, `cannot fetch ${topic}`);
      const { aborted, highWatermark, lastStableOffset, logStartOffset } = answer;
      return { aborted, highWatermark, lastStableOffset, logStartOffset };
    },
    range: async ({ topic, partition }) => {
      await know(topic);
      const [{ start, end }, { end: stable }] = await Promise.all([
        readLogRange(leaders, topic, partition),
        readStableRange(leaders, topic, partition),
      ]);
      return { start, end, stable };
    },
    member: (group, topic, sessionTimeoutMs) => {
      const connections = track(new TopicConnections(client));
      const membership = (async () => {
        await connections.leaders.add([topic]);
        const options = { groupId: group, topics: [topic], sessionTimeoutMs, rebalanceTimeoutMs: sessionTimeoutMs };
        return new Membership(connections.cluster, connections.leaders, options);
      })();
      const never = new AbortController().signal;
      return {
        join: async () => {
          const generation = await patiently(async () => (await membership).join(never));
          if (generation === null) throw new Error('nobody stopped it');
          return generation;
        },
        heartbeat: async (generation) => (await membership).heartbeat(generation),
        confirm: async (generation) => (await membership).confirm(generation),
        commit: async (generation, place, offset) => (await membership).commit(generation, place, offset, ''),
        leave: async () => (await membership).leave(),
      };
    },
    wait: pause,
    close: async () => {
      await Promise.all(opened.map((one) => one.close()));
      await cluster.disconnect();
    },
  };
}

class TopicConnections {
  readonly cluster;
  readonly leaders;

  constructor(client: KafkaClient) {
    this.cluster = client.openCluster();
    this.leaders = new Leaders(this.cluster);
  }

  close(): Promise<void> {
    return this.cluster.disconnect();
  }
}

/** Of what a cluster refuses while it settles. */
async function patiently<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (thrown) {
      if (tries > 50) throw thrown;
      await pause(100);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
