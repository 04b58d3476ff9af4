import { ModelKafkaError } from './model-kafka-errors.ts';
import { GroupModel } from './model-kafka-group.ts';
import { PartitionLog } from './model-kafka-log.ts';
import { RELIABLE, type ModelNetwork } from './model-kafka-network.ts';
import { GroupOffsetsModel, refuseNonEmpty } from './model-kafka-offsets.ts';
import { ManualTime, type ModelTime } from './model-kafka-time.ts';
import { TransactionCoordinatorModel } from './model-kafka-transactions.ts';

/**
 * A Kafka cluster in memory, as a client of the old transaction protocol sees one of version 4.3: for the simulation, and
 * held to the truth by `test/conformance/kafka-suite.ts`, which runs against real brokers too. Deterministic: time is a
 * port, and each client's network is. Brokers never lose what they acknowledged, unless they are told to (`truncate`,
 * `loseOffsets`). Clients: `ModelKafkaClient` over this.
 */

export interface ModelKafkaOptions {
  /** default: a ManualTime of its own */
  readonly time?: ModelTime;
  /** of clients that bring none; default: reliable and immediate */
  readonly network?: ModelNetwork;
  /** ms from the answer of EndTxn until a marker reaches this partition (`topic/0`, `offsets:group`); default 0 */
  readonly markerDelayMs?: (place: string) => number;
  /** brokers that share the partitions out: a produce to several is as many requests; default 1 */
  readonly brokers?: number;
  readonly clusterId?: string;
}

export interface TopicOptions {
  readonly compacted?: boolean;
  /** max.message.bytes of one batch; default 1,048,588 */
  readonly batchBytesMax?: number;
}

export interface ModelTopic {
  readonly name: string;
  readonly id: string;
  readonly partitions: PartitionLog[];
  readonly compacted: boolean;
  readonly batchBytesMax: number;
}

const OFFSETS = 'offsets:';

export class ModelKafka {
  readonly time: ModelTime;
  readonly network: ModelNetwork;
  readonly transactions: TransactionCoordinatorModel;
  readonly brokers: number;
  clusterId: string;
  /** false: what a group's coordinator is asked is answered with NOT_COORDINATOR */
  groupsAvailable = true;
  private readonly topics = new Map<string, ModelTopic>();
  private readonly groups = new Map<string, GroupModel>();
  private readonly offsets = new Map<string, GroupOffsetsModel>();
  private topicIds = 0;

  constructor(options: ModelKafkaOptions = {}) {
    this.time = options.time ?? new ManualTime();
    this.network = options.network ?? RELIABLE;
    this.brokers = options.brokers ?? 1;
    this.clusterId = options.clusterId ?? 'model-cluster';
    const delayMs = options.markerDelayMs ?? (() => 0);
    this.transactions = new TransactionCoordinatorModel(this.time, {
      delayMs,
      write: (key, producerId, epoch, commit) => {
        if (key.startsWith(OFFSETS)) {
          if (!this.groupsAvailable) throw new ModelKafkaError('NOT_LEADER_OR_FOLLOWER', 'no coordinator');
          this.offsetsOf(key.slice(OFFSETS.length)).appendMarker(producerId, epoch, commit);
          return true;
        }
        const at = key.lastIndexOf('/');
        const log = this.topics.get(key.slice(0, at))?.partitions[Number(key.slice(at + 1))];
        if (log === undefined) return false;
        log.checkAvailable();
        log.appendMarker(producerId, epoch, commit);
        return true;
      },
    });
  }

  // What an operator, or an accident, does.

  createTopic(name: string, partitions: number, options: TopicOptions = {}): ModelTopic {
    if (this.topics.has(name)) throw new Error(`topic ${name} exists`);
    const topic: ModelTopic = {
      name,
      id: `topic-id-${this.topicIds++}`,
      partitions: Array.from({ length: partitions }, (_, partition) => new PartitionLog(name, partition)),
      compacted: options.compacted ?? false,
      batchBytesMax: options.batchBytesMax ?? 1_048_588,
    };
    this.topics.set(name, topic);
    return topic;
  }

  /** Its committed offsets go with it, in every group (OffsetMetadataManager.onPartitionsDeleted). */
  deleteTopic(name: string): void {
    const topic = this.topic(name);
    this.topics.delete(name);
    for (const offsets of this.offsets.values()) offsets.removeTopic(name, topic.partitions.length);
  }

  /** The same name, another id, nothing in it. */
  recreateTopic(name: string, partitions?: number): ModelTopic {
    const { partitions: before, compacted, batchBytesMax } = this.topic(name);
    this.deleteTopic(name);
    return this.createTopic(name, partitions ?? before.length, { compacted, batchBytesMax });
  }

  addPartitions(name: string, count: number): void {
    const { partitions } = this.topic(name);
    while (partitions.length < count) partitions.push(new PartitionLog(name, partitions.length));
  }

  /** Retention, or DeleteRecords. */
  deleteRecords(topic: string, partition: number, before: number): void {
    this.log(topic, partition).deleteBefore(before);
  }

  /** An unclean election of a replica whose log ends here. */
  truncate(topic: string, partition: number, end: number): void {
    this.log(topic, partition).truncate(end);
  }

  /** Sets an offset without metadata, as the reset of an operator does. Refused while the group has members. */
  resetOffset(group: string, topic: string, partition: number, offset: number): void {
    if (this.group(group).memberIds.length > 0) refuseNonEmpty(group);
    this.offsetsOf(group).store({ topic, partition, offset, metadata: '' }, this.time.nowMs());
  }

  /** What KafkaJS does to the group it consumes with when retention has passed it. */
  spoilOffset(group: string, topic: string, partition: number): void {
    this.offsetsOf(group).store({ topic, partition, offset: -2, metadata: '' }, this.time.nowMs());
  }

  deleteGroup(group: string): void {
    if (this.group(group).memberIds.length > 0) refuseNonEmpty(group);
    this.offsets.get(group)?.removeAll();
    this.groups.delete(group);
  }

  /** Those committed before this time, of a group without members. */
  expireOffsets(group: string, committedBeforeMs: number): void {
    if (this.group(group).memberIds.length === 0) this.offsetsOf(group).expire(committedBeforeMs);
  }

  /** The offsets partition loses its last commits. */
  loseOffsets(group: string, commits: number): void {
    this.offsetsOf(group).lose(commits);
  }

  // For the oracle and the clients.

  topicNames(): readonly string[] {
    return [...this.topics.keys()];
  }

  hasTopic(name: string): boolean {
    return this.topics.has(name);
  }

  topic(name: string): ModelTopic {
    const topic = this.topics.get(name);
    if (topic === undefined)
      throw new ModelKafkaError('UNKNOWN_TOPIC_OR_PARTITION', `no topic ${name}`, { topic: name });
    return topic;
  }

  log(topic: string, partition: number): PartitionLog {
    const log = this.topic(topic).partitions[partition];
    if (log === undefined) {
      throw new ModelKafkaError('UNKNOWN_TOPIC_OR_PARTITION', `no ${topic}/${partition}`, { topic, partition });
    }
    return log;
  }

  /** The broker that leads a partition. */
  leaderOf(topic: string, partition: number): number {
    let sum = partition;
    for (let i = 0; i < topic.length; i++) sum += topic.charCodeAt(i);
    return sum % this.brokers;
  }

  group(name: string): GroupModel {
    let group = this.groups.get(name);
    if (group === undefined) this.groups.set(name, (group = new GroupModel(name, this.time)));
    return group;
  }

  offsetsOf(group: string): GroupOffsetsModel {
    let offsets = this.offsets.get(group);
    if (offsets === undefined) this.offsets.set(group, (offsets = new GroupOffsetsModel()));
    return offsets;
  }

  /** The name of a group's offsets in a transaction. */
  offsetsKey(group: string): string {
    return `${OFFSETS}${group}`;
  }

  checkGroups(): void {
    if (!this.groupsAvailable) throw new ModelKafkaError('NOT_COORDINATOR', 'the group coordinator is not ready');
  }
}
