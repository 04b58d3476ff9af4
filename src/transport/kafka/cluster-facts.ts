import kafkajs, { type Admin } from 'kafkajs';
import { FraudstreamError } from '../../domain/errors.ts';
import type { KafkaClient } from './client.ts';
import { brokerVersionOf, type BrokerVersion } from './cluster-versions.ts';
import { fromKafka } from './kafka-errors.ts';

/** What a cluster says about itself, for `doctor`. */
export interface ClusterFacts {
  readonly brokers: number;
  /** one per broker */
  readonly versions: readonly BrokerVersion[];
  /** null: no controller is known */
  readonly controller: number | null;
  /** configuration of a broker that could be read; the brokers of a cluster should agree */
  readonly brokerConfig: ReadonlyMap<string, string>;
  /** those of the topics asked for that exist */
  readonly topics: readonly TopicFacts[];
  /** null: the group does not exist, or may not be described */
  readonly group: GroupFacts | null;
  /** the group of the positions; null as above */
  readonly ledger: GroupFacts | null;
  /** null: they may not be read */
  readonly positions: PositionFacts | null;
}

export interface PositionFacts {
  readonly partitions: number;
  /** partitions without a position */
  readonly without: number;
  /** records behind the positions, of all partitions that have one */
  readonly lag: number;
}

export interface ClusterQuestions {
  readonly topics: readonly string[];
  readonly group: string;
  readonly ledger: string;
  /** whose positions the ledger holds */
  readonly input: string;
}

export interface TopicFacts {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  /** partitions without a leader */
  readonly leaderless: number;
  /** partitions with fewer replicas in sync than they have */
  readonly underReplicated: number;
  /** configuration that could be read; an entry that is missing may not be described */
  readonly config: ReadonlyMap<string, string>;
}

export interface GroupFacts {
  readonly state: string;
  readonly members: number;
}

/** Throws FS_KAFKA_UNAVAILABLE or FS_KAFKA_REFUSED. What a login may not describe is left out. */
export async function readClusterFacts(client: KafkaClient, asked: ClusterQuestions): Promise<ClusterFacts> {
  const admin = client.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    const existing = new Set(await admin.listTopics());
    const known = asked.topics.filter((topic) => existing.has(topic));
    const nodes = cluster.brokers.map(({ nodeId }) => nodeId);
    return {
      brokers: nodes.length,
      versions: await readVersions(client, nodes),
      controller: cluster.controller,
      brokerConfig: nodes[0] === undefined ? new Map() : await readBrokerConfig(admin, nodes[0]),
      topics: known.length === 0 ? [] : await readTopics(admin, known),
      group: await readGroup(admin, asked.group),
      ledger: await readGroup(admin, asked.ledger),
      positions: known.includes(asked.input) ? await readPositions(admin, asked) : null,
    };
  } catch (thrown) {
    throw fromKafka(thrown, `cannot read from ${client.settings.brokers.join(', ')}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

async function readVersions(client: KafkaClient, nodes: readonly number[]): Promise<BrokerVersion[]> {
  const cluster = client.openCluster();
  try {
    await cluster.connect();
    await cluster.refreshMetadataIfNecessary();
    return await Promise.all(
      nodes.map(async (nodeId) => {
        try {
          const broker = await cluster.findBroker({ nodeId });
          return brokerVersionOf(nodeId, broker.versions);
        } catch {
          return brokerVersionOf(nodeId, null);
        }
      }),
    );
  } finally {
    await cluster.disconnect().catch(() => undefined);
  }
}

async function readBrokerConfig(admin: Admin, nodeId: number): Promise<ReadonlyMap<string, string>> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.BROKER, name: String(nodeId) }],
    });
    const entries = resources[0]?.configEntries ?? [];
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  } catch {
    return new Map();
  }
}

async function readPositions(admin: Admin, { ledger, input }: ClusterQuestions): Promise<PositionFacts | null> {
  try {
    const ends = await admin.fetchTopicOffsets(input);
    const [answer] = await admin.fetchOffsets({ groupId: ledger, topics: [input] });
    const positions = new Map((answer?.partitions ?? []).map((one) => [one.partition, Number(one.offset)]));
    let without = 0;
    let lag = 0;
    for (const { partition, high } of ends) {
      const position = positions.get(partition) ?? -1;
      if (position < 0) without++;
      else lag += Math.max(0, Number(high) - position);
    }
    return { partitions: ends.length, without, lag };
  } catch {
    return null;
  }
}

async function readTopics(admin: Admin, names: readonly string[]): Promise<TopicFacts[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
  const configs = await readConfigs(admin, names);
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.length,
    replication: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    leaderless: partitions.filter(({ leader }) => leader < 0).length,
    underReplicated: partitions.filter(({ isr, replicas }) => isr.length < replicas.length).length,
    config: configs.get(name) ?? new Map<string, string>(),
  }));
}

async function readConfigs(admin: Admin, names: readonly string[]): Promise<Map<string, Map<string, string>>> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: names.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
    });
    return new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    );
  } catch {
    return new Map();
  }
}

async function readGroup(admin: Admin, group: string): Promise<GroupFacts | null> {
  try {
    const { groups } = await admin.describeGroups([group]);
    const found = groups[0];
    if (found === undefined || found.state === 'Dead') return null;
    return { state: found.state, members: found.members.length };
  } catch {
    return null;
  }
}

/** null: there is no such group. Throws FS_KAFKA_UNAVAILABLE or FS_KAFKA_REFUSED: not knowing is not "no members". */
export async function readGroupFacts(client: KafkaClient, group: string): Promise<GroupFacts | null> {
  const admin = client.admin();
  try {
    await admin.connect();
    const { groups } = await admin.describeGroups([group]);
    const found = groups[0];
    if (found === undefined) throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', `no answer about group ${group}`);
    return found.state === 'Dead' ? null : { state: found.state, members: found.members.length };
  } catch (thrown) {
    throw fromKafka(thrown, `cannot describe group ${group}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
