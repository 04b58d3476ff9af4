import type { InputIdentity } from '../input-log.ts';
import { settlesWithin } from './backoff.ts';
import type { KafkaClient } from './client.ts';
import { anyBroker } from './coordinators.ts';
import { fromKafka, fromKafkaCode } from './kafka-errors.ts';
import { sendRaw, type Broker, type Cluster } from './kafkajs-internals.ts';
import { Leaders } from './leaders.ts';
import { decodeMetadata, encodeMetadata, METADATA_API } from './metadata-protocol.ts';

const TOPIC_RESOURCE = 2;
const POLICY = 'cleanup.policy';

/** Which log a topic is, asked anew each time, by connections of its own. */
export class TopicIdentities {
  private readonly client: KafkaClient;
  private readonly cluster: Cluster;
  private readonly unreadable = new Set<string>();

  constructor(client: KafkaClient) {
    this.client = client;
    this.cluster = client.openCluster();
  }

  /**
   * `topicId` is '' with brokers before 2.8, which have none. `compacted` is false when this login may not describe the
   * topic; that is logged once. Throws FS_KAFKA_TOPIC_MISSING, FS_KAFKA_REFUSED or FS_KAFKA_UNAVAILABLE.
   */
  async read(topic: string): Promise<InputIdentity> {
    const doing = `cannot read the identity of ${topic}`;
    try {
      const broker = await anyBroker(this.cluster);
      const [log, compacted] = await Promise.all([this.readLog(broker, topic, doing), this.isCompacted(broker, topic)]);
      return { ...log, compacted };
    } catch (error) {
      throw fromKafka(error, doing, { topic });
    }
  }

  async close(): Promise<void> {
    await settlesWithin(this.cluster.disconnect(), 2_000);
  }

  private async readLog(broker: Broker, topic: string, doing: string): Promise<Omit<InputIdentity, 'compacted'>> {
    const supported = broker.versions?.[METADATA_API.apiKey];
    if (supported !== undefined && supported.maxVersion < METADATA_API.apiVersion) return this.readOldLog(topic);
    const timeoutMs = this.client.requestTimeoutMs;
    const answer = await sendRaw(broker, 0, { ...METADATA_API, body: [encodeMetadata(topic)], timeoutMs });
    const { errorCode, clusterId, topicId, partitions } = decodeMetadata(answer);
    if (errorCode !== 0) throw fromKafkaCode(errorCode, doing, { topic });
    return { clusterId, topicId, partitions };
  }

  private async readOldLog(topic: string): Promise<Omit<InputIdentity, 'compacted'>> {
    const leaders = new Leaders(this.cluster);
    await leaders.add([topic]);
    await leaders.refresh();
    const clusterId = this.cluster.brokerPool.metadata?.clusterId ?? '';
    return { clusterId, topicId: '', partitions: leaders.partitionCount(topic) };
  }

  private async isCompacted(broker: Broker, topic: string): Promise<boolean> {
    try {
      const request = { type: TOPIC_RESOURCE, name: topic, configNames: [POLICY] };
      const { resources } = await broker.describeConfigs({ resources: [request] });
      const policy = resources[0]?.configEntries.find(({ configName }) => configName === POLICY)?.configValue ?? '';
      return policy.split(',').some((one) => one.trim() === 'compact');
    } catch (error) {
      const failure = fromKafka(error, `cannot read the configuration of ${topic}`, { topic });
      if (failure.code !== 'FS_KAFKA_REFUSED') throw failure;
      if (!this.unreadable.has(topic)) {
        this.unreadable.add(topic);
        const { code, message } = failure;
        this.client.log('warn', 'whether the topic is compacted is not known: it is taken as not compacted', {
          topic,
          code,
          error: message,
        });
      }
      return false;
    }
  }
}
