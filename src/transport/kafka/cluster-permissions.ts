import { type FraudstreamError, toFraudstreamError } from '../../domain/errors.ts';
import type { KafkaClient } from './client.ts';
import { anyBroker, Coordinators } from './coordinators.ts';
import { describeGroup } from './group-description.ts';
import { fromKafka } from './kafka-errors.ts';
import { sendRaw, type Cluster } from './kafkajs-internals.ts';
import { ProtocolReader, ProtocolWriter } from './protocol-bytes.ts';
import { KafkaTransactionRequests } from './transaction-requests.ts';

/**
 * What this login may do (KIP-430): brokers say it with the metadata of topics and the description of groups. They do not say it of
 * transactional ids, where only trying tells.
 */

export type Operation = 'Read' | 'Write' | 'Describe' | 'DescribeConfigs';

export interface Permissions {
  /** by topic; null = the broker does not tell, or the topic does not exist */
  readonly topics: ReadonlyMap<string, ReadonlySet<Operation> | null>;
  readonly groups: ReadonlyMap<string, ReadonlySet<Operation> | null>;
  /** may it write transactions; null = not known */
  readonly transactionalId: boolean | null;
}

const METADATA = { apiKey: 3, apiVersion: 8, apiName: 'Metadata' } as const;
const TOPIC_AUTHORIZATION_FAILED = 29;
const GROUP_AUTHORIZATION_FAILED = 30;
/** a bit set by the numbers of AclOperation; this one says that nothing is said */
const NOT_TOLD = -2_147_483_648;
const BITS: readonly (readonly [number, Operation])[] = [
  [3, 'Read'],
  [4, 'Write'],
  [8, 'Describe'],
  [10, 'DescribeConfigs'],
];
const TRANSACTION_TIMEOUT_MS = 10_000;

/**
 * @param transactionalId one that nobody uses: it is initialised, which writes nothing that anybody reads, and is forgotten
 * Throws FS_KAFKA_UNAVAILABLE or FS_KAFKA_REFUSED.
 */
export async function readPermissions(
  client: KafkaClient,
  asked: { readonly topics: readonly string[]; readonly groups: readonly string[]; readonly transactionalId: string },
): Promise<Permissions> {
  const cluster = client.openCluster();
  try {
    return {
      topics: await topicOperations(client, cluster, asked.topics),
      groups: await groupOperations(client, cluster, asked.groups),
      transactionalId: await mayInitialise(client, asked.transactionalId),
    };
  } catch (thrown) {
    throw fromKafka(thrown, 'cannot read what this login may do');
  } finally {
    await cluster.disconnect().catch(() => undefined);
  }
}

async function topicOperations(
  client: KafkaClient,
  cluster: Cluster,
  topics: readonly string[],
): Promise<Map<string, ReadonlySet<Operation> | null>> {
  const writer = new ProtocolWriter().int32(topics.length);
  for (const topic of topics) writer.string(topic);
  // do not create them; of the cluster we ask nothing; of the topics we do
  const body = writer.boolean(false).boolean(false).boolean(true).end();
  const broker = await anyBroker(cluster);
  const answer = await sendRaw(broker, 0, { ...METADATA, body: [body], timeoutMs: client.requestTimeoutMs });
  return decodeTopicOperations(answer);
}

/** Metadata 8. Throws a RangeError when it is shorter than it says. */
export function decodeTopicOperations(bytes: Buffer): Map<string, ReadonlySet<Operation> | null> {
  const reader = new ProtocolReader(bytes);
  reader.int32(); // throttle time
  reader.array(() => {
    reader.int32();
    reader.string();
    reader.int32();
    reader.string();
  });
  reader.string(); // cluster
  reader.int32(); // controller
  const topics = reader.array(() => {
    const errorCode = reader.int16();
    const name = reader.string();
    reader.int8(); // internal
    reader.array(() => {
      reader.skip(2 + 4 + 4 + 4);
      for (let list = 0; list < 3; list++) reader.array(() => reader.int32());
    });
    return [name, operationsOf(reader.int32(), errorCode === TOPIC_AUTHORIZATION_FAILED)] as const;
  });
  return new Map(topics);
}

async function groupOperations(
  client: KafkaClient,
  cluster: Cluster,
  groups: readonly string[],
): Promise<Map<string, ReadonlySet<Operation> | null>> {
  const found = new Map<string, ReadonlySet<Operation> | null>();
  const coordinators = new Coordinators(cluster, client.requestTimeoutMs);
  for (const group of groups) {
    try {
      const broker = await coordinators.find('group', group);
      const described = await describeGroup(broker, group, client.requestTimeoutMs, 0);
      found.set(group, operationsOf(described.operations, described.errorCode === GROUP_AUTHORIZATION_FAILED));
    } catch (thrown) {
      // who may not even look for a coordinator may do nothing with the group
      if (fromKafka(thrown, '').code !== 'FS_KAFKA_REFUSED') throw thrown;
      found.set(group, new Set());
    }
  }
  return found;
}

function operationsOf(bits: number, refused: boolean): ReadonlySet<Operation> | null {
  if (refused) return new Set();
  if (bits === NOT_TOLD) return null;
  return new Set(BITS.flatMap(([bit, name]) => ((bits & (1 << bit)) === 0 ? [] : [name])));
}

async function mayInitialise(client: KafkaClient, transactionalId: string): Promise<boolean | null> {
  const requests = new KafkaTransactionRequests(client);
  try {
    await requests.init(transactionalId, TRANSACTION_TIMEOUT_MS);
    return true;
  } catch (thrown) {
    const error: FraudstreamError = toFraudstreamError(thrown, 'FS_KAFKA_UNAVAILABLE');
    return error.message.includes('AUTHORIZATION_FAILED') ? false : null;
  } finally {
    await requests.close();
  }
}
