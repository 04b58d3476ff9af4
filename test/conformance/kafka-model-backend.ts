import { ModelKafkaClient } from '../simulation/model-kafka-client.ts';
import { ModelMember } from '../simulation/model-kafka-member.ts';
import { ManualTime } from '../simulation/model-kafka-time.ts';
import { ModelKafka, type ModelKafkaOptions } from '../simulation/model-kafka.ts';
import type { InputRecord } from '../../src/transport/record.ts';
import type { KafkaBackend } from './kafka-backend.ts';

export interface ModelBackend extends KafkaBackend {
  readonly kafka: ModelKafka;
  readonly time: ManualTime;
}

export function modelBackend(options: Omit<ModelKafkaOptions, 'time'> = {}): ModelBackend {
  const time = new ManualTime();
  const kafka = new ModelKafka({ ...options, time });
  const client = new ModelKafkaClient(kafka);
  return {
    kafka,
    time,
    requests: () => new ModelKafkaClient(kafka),
    ledger: (group) => client.ledger(group),
    newIdempotentId: () => client.identify(),
    produceIdempotent: (place, sequence, values, id) =>
      client.produceIdempotent(id, [
        {
          ...place,
          sequence,
          records: values.map((value) => ({ key: null, value: Buffer.from(value), headers: null, timestampMs: 1 })),
        },
      ]),
    createTopic: async (name, partitions) => void kafka.createTopic(name, partitions),
    deleteTopic: async (name) => kafka.deleteTopic(name),
    addPartitions: async (name, count) => kafka.addPartitions(name, count),
    deleteRecords: async ({ topic, partition }, before) => kafka.deleteRecords(topic, partition, before),
    deleteGroup: async (group) => kafka.deleteGroup(group),
    identity: (topic) => client.identity(topic),
    read: async ({ topic, partition }, from) => {
      const records: InputRecord[] = [];
      const stretch = { topic, partition, from, to: Number.POSITIVE_INFINITY, recordsMax: 3 };
      await client.read(stretch, (some) => {
        records.push(...some);
        return true;
      });
      return records;
    },
    fetch: ({ topic, partition }, from) => client.fetch(topic, partition, from, Number.POSITIVE_INFINITY),
    range: ({ topic, partition }) => client.range(topic, partition),
    member: (group, topic, sessionTimeoutMs) =>
      new ModelMember(client, { group, topics: [topic], sessionTimeoutMs, rebalanceTimeoutMs: sessionTimeoutMs }),
    wait: async (ms) => time.advance(ms),
    close: async () => undefined,
  };
}
