import { assignPartitions } from '../../src/transport/kafka/assigner.ts';
import { toFraudstreamError } from '../../src/domain/errors.ts';
import type { TopicPartition } from '../../src/transport/transactions.ts';
import type { ModelKafkaClient } from './model-kafka-client.ts';
import { ModelKafkaError } from './model-kafka-errors.ts';
import type { MemberAssignment } from './model-kafka-group.ts';

/** What Membership is to the real consumer: one member of a group, over the model's network. */

export interface MemberOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** default 10,000 */
  readonly sessionTimeoutMs?: number;
  /** default 60,000 */
  readonly rebalanceTimeoutMs?: number;
}

export interface MemberGeneration {
  readonly id: number;
  readonly memberId: string;
  readonly assigned: readonly TopicPartition[];
}

export type HeartbeatAnswer = 'alive' | 'rebalance' | 'lost' | 'unreachable';

export class ModelMember {
  private readonly client: ModelKafkaClient;
  private readonly options: Required<MemberOptions>;
  private memberId = '';

  constructor(client: ModelKafkaClient, options: MemberOptions) {
    this.client = client;
    this.options = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 60_000, ...options };
  }

  /** Joins or joins again; waits for the other members as the group does. Throws as one of ours; the caller tries again. */
  async join(): Promise<MemberGeneration> {
    const { kafka, network } = this.client;
    const { group: name, topics, sessionTimeoutMs, rebalanceTimeoutMs } = this.options;
    try {
      if (this.memberId === '') {
        this.memberId = await network.call('JoinGroup', () => {
          kafka.checkGroups();
          return kafka.group(name).newMemberId(sessionTimeoutMs);
        });
      }
      const { memberId } = this;
      const joined = await network.call('JoinGroup', () => {
        kafka.checkGroups();
        return kafka.group(name).join(memberId, topics, sessionTimeoutMs, rebalanceTimeoutMs);
      });
      const leads = joined.leaderId === memberId;
      const assignments = leads ? await this.assign(joined.members) : null;
      const mine = await network.call('SyncGroup', () => {
        kafka.checkGroups();
        return kafka.group(name).sync(memberId, joined.generation, assignments);
      });
      const assigned = Object.entries(mine).flatMap(([topic, partitions]) =>
        partitions.map((partition) => ({ topic, partition })),
      );
      return { id: joined.generation, memberId, assigned };
    } catch (thrown) {
      this.forget(thrown);
      throw thrown;
    }
  }

  private async assign(
    members: readonly { readonly memberId: string; readonly topics: readonly string[] }[],
  ): Promise<ReadonlyMap<string, MemberAssignment>> {
    const counts = new Map<string, number>();
    for (const topic of this.options.topics) counts.set(topic, (await this.client.identity(topic)).partitions);
    return assignPartitions(members, counts);
  }

  async heartbeat(generation: MemberGeneration): Promise<HeartbeatAnswer> {
    const { kafka, network } = this.client;
    try {
      await network.call('Heartbeat', () => {
        kafka.checkGroups();
        kafka.group(this.options.group).heartbeat(generation.memberId, generation.id);
      });
      return 'alive';
    } catch (thrown) {
      this.forget(thrown);
      if (thrown instanceof ModelKafkaError && thrown.broker === 'REBALANCE_IN_PROGRESS') return 'rebalance';
      return toFraudstreamError(thrown, 'FS_KAFKA_UNAVAILABLE').code === 'FS_KAFKA_FENCED' ? 'lost' : 'unreachable';
    }
  }

  /** Throws FS_KAFKA_FENCED when this generation ends or has ended, FS_KAFKA_UNAVAILABLE without an answer. */
  async confirm(generation: MemberGeneration): Promise<void> {
    const answer = await this.heartbeat(generation);
    const { group } = this.options;
    if (answer === 'alive') return;
    if (answer === 'unreachable') throw new ModelKafkaError('NO_ANSWER', `group ${group} does not answer`);
    const broker = answer === 'rebalance' ? 'REBALANCE_IN_PROGRESS' : 'ILLEGAL_GENERATION';
    throw new ModelKafkaError(broker, `generation ${generation.id} of ${group} is over`);
  }

  /** Commits to the group, as this generation. */
  async commit(generation: MemberGeneration, place: TopicPartition, offset: number, metadata = ''): Promise<void> {
    const { kafka, network } = this.client;
    const { group } = this.options;
    const { topic, partition } = place;
    await network.call('OffsetCommit', () => {
      kafka.checkGroups();
      kafka.group(group).checkCommit(generation.memberId, generation.id);
      kafka.offsetsOf(group).store({ topic, partition, offset, metadata }, kafka.time.nowMs());
    });
  }

  async leave(): Promise<void> {
    if (this.memberId === '') return;
    const { kafka, network } = this.client;
    const { memberId } = this;
    this.memberId = '';
    await network
      .call('LeaveGroup', () => {
        kafka.checkGroups();
        kafka.group(this.options.group).leave(memberId);
      })
      .catch(() => undefined);
  }

  private forget(thrown: unknown): void {
    if (thrown instanceof ModelKafkaError && thrown.broker === 'UNKNOWN_MEMBER_ID') this.memberId = '';
  }
}
