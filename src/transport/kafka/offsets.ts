import { backoffMs } from './backoff.ts';
import type { KafkaClient } from './client.ts';
import { fromKafka, fromKafkaCode, isCoordinatorMoved, isTransport } from './kafka-errors.ts';
import { dropConnections, type Broker, type Cluster } from './kafkajs-internals.ts';
import { settlesWithin } from './backoff.ts';
import type { CommittedOffset, Ledger } from '../ledger.ts';

/** The committed offsets of a group, by connections of their own: never through a consumer's view of them. */

const TRIES_MAX = 8;

export class GroupOffsets implements Ledger {
  private readonly cluster: Cluster;
  private readonly groupId: string;
  private coordinator: Broker | null = null;

  constructor(client: KafkaClient, groupId: string) {
    this.cluster = client.openCluster();
    this.groupId = groupId;
  }

  /** null: the group has no offset there. Throws FS_KAFKA_UNAVAILABLE or FS_KAFKA_REFUSED. */
  async read(topic: string, partition: number): Promise<CommittedOffset | null> {
    const doing = `cannot read the committed offset of ${topic}/${partition} of group ${this.groupId}`;
    return this.retried(doing, async (coordinator) => {
      const topics = [{ topic, partitions: [{ partition }] }];
      const { responses } = await coordinator.offsetFetch({ groupId: this.groupId, topics });
      const answer = responses[0]?.partitions[0];
      if (answer !== undefined && answer.errorCode !== 0)
        throw fromKafkaCode(answer.errorCode, doing, { topic, partition });
      if (answer === undefined || Number(answer.offset) < 0) return null;
      return { offset: Number(answer.offset), metadata: answer.metadata ?? '' };
    });
  }

  /**
   * Commits without being a member: the broker accepts it only while the group has no members (an operator's command, a
   * ledger group), else it throws FS_KAFKA_FENCED.
   */
  async commit(topic: string, partition: number, offset: number, metadata = ''): Promise<void> {
    const doing = `cannot commit offset ${offset} of ${topic}/${partition} of group ${this.groupId}`;
    await this.retried(doing, (coordinator) =>
      coordinator.offsetCommit({
        groupId: this.groupId,
        groupGenerationId: -1,
        memberId: '',
        topics: [{ topic, partitions: [{ partition, offset: String(offset), metadata }] }],
      }),
    );
  }

  async close(): Promise<void> {
    await settlesWithin(this.cluster.disconnect(), 2_000);
  }

  private async retried<T>(doing: string, request: (coordinator: Broker) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        this.coordinator ??= await this.find();
        return await request(this.coordinator);
      } catch (error) {
        const failure = fromKafka(error, doing);
        const cause = failure.cause ?? error;
        if (isTransport(cause) && this.coordinator !== null) dropConnections(this.coordinator);
        if (isTransport(cause) || isCoordinatorMoved(cause)) this.coordinator = null;
        const again = failure.code === 'FS_KAFKA_UNAVAILABLE';
        if (!again || attempt >= TRIES_MAX) throw failure;
        await new Promise((done) => setTimeout(done, backoffMs(attempt, 20, 1_000)));
      }
    }
  }

  private async find(): Promise<Broker> {
    await this.cluster.connect();
    await this.cluster.refreshMetadataIfNecessary();
    return this.cluster.findGroupCoordinator({ groupId: this.groupId });
  }
}
