import kafkajs, { type Admin } from 'kafkajs';
import { FraudstreamError } from '../../domain/errors.ts';
import type { KafkaClient } from './client.ts';
import { fromKafka } from './kafka-errors.ts';

/** What a cluster says about itself, for `doctor`. */
export interface ClusterFacts {
  readonly brokers: number;
  /** null: no controller is known */
  readonly controller: number | null;
  /** those of the topics asked for that exist */
  readonly topics: readonly TopicFacts[];
  /** null: the group does not exist, or may not be described */
  readonly group: GroupFacts | null;
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
export async function readClusterFacts(
  client: KafkaClient,
  topics: readonly string[],
  group: string,
): Promise<ClusterFacts> {
  const admin = client.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    const existing = new Set(await admin.listTopics());
    const known = topics.filter((topic) => existing.has(topic));
    return {
      brokers: cluster.brokers.length,
      controller: cluster.controller,
      topics: known.length === 0 ? [] : await readTopics(admin, known),
      group: await readGroup(admin, group),
    };
  } catch (thrown) {
    throw fromKafka(thrown, `cannot read from ${client.settings.brokers.join(', ')}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
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
