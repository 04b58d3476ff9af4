import { FraudstreamError } from '../../domain/errors.ts';
import { fromKafka } from './kafka-errors.ts';
import type { Broker, Cluster } from './kafkajs-internals.ts';

/** Who leads which partition: a flat copy of a cluster's metadata, since KafkaJS searches lists for each question. */
export class Leaders {
  private readonly cluster: Cluster;
  private readonly topics = new Map<string, readonly number[]>();
  private refreshing: Promise<void> | null = null;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Connects and learns about these topics. Throws FS_KAFKA_TOPIC_MISSING, _REFUSED or _UNAVAILABLE. */
  async add(topics: readonly string[]): Promise<void> {
    try {
      await this.cluster.connect();
      await this.cluster.addMultipleTargetTopics(topics);
    } catch (error) {
      throw fromKafka(error, `cannot read the metadata of ${topics.join(', ')}`);
    }
    for (const topic of topics) this.topics.set(topic, []);
    this.copy();
  }

  has(topic: string): boolean {
    return this.topics.has(topic);
  }

  partitionCount(topic: string): number {
    return this.topics.get(topic)?.length ?? 0;
  }

  /** −1 when nobody leads it now, or it is unknown. */
  leaderOf(topic: string, partition: number): number {
    return this.topics.get(topic)?.[partition] ?? -1;
  }

  /** One at a time: callers at the same moment share it. */
  refresh(): Promise<void> {
    this.refreshing ??= this.cluster
      .refreshMetadata()
      .then(() => this.copy())
      .catch((error: unknown) => {
        throw fromKafka(error, 'cannot read the metadata');
      })
      .finally(() => {
        this.refreshing = null;
      });
    return this.refreshing;
  }

  async refreshIfOld(): Promise<void> {
    await this.cluster.refreshMetadataIfNecessary();
    this.copy();
  }

  /** A connected broker. Throws FS_KAFKA_UNAVAILABLE. */
  async broker(nodeId: number): Promise<Broker> {
    try {
      return await this.cluster.findBroker({ nodeId });
    } catch (error) {
      throw fromKafka(error, `broker ${nodeId}`);
    }
  }

  async leader(topic: string, partition: number): Promise<Broker> {
    if (this.leaderOf(topic, partition) < 0) await this.refresh();
    const nodeId = this.leaderOf(topic, partition);
    if (nodeId >= 0) return this.broker(nodeId);
    throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', `no leader for ${topic}/${partition}`, { topic, partition });
  }

  private copy(): void {
    for (const topic of this.topics.keys()) {
      const leaders: number[] = [];
      for (const { partitionId, leader } of this.cluster.findTopicPartitionMetadata(topic))
        leaders[partitionId] = leader;
      for (let partition = 0; partition < leaders.length; partition++) leaders[partition] ??= -1;
      this.topics.set(topic, leaders);
    }
  }
}
