import { FraudstreamError } from '../../domain/errors.ts';
import { assignPartitions, ASSIGNER_NAME } from './assigner.ts';
import type { DeadMembers } from './dead-members.ts';
import { fromKafka, isCoordinatorMoved, isFenced, isTransport, kafkaErrorType } from './kafka-errors.ts';
import { dropConnections, memberProtocol, type Broker, type Cluster } from './kafkajs-internals.ts';
import type { Leaders } from './leaders.ts';

/** One member of a consumer group: joins, keeps its place, commits as the generation that it is, leaves. */

const { MemberMetadata, MemberAssignment } = memberProtocol;
const PROTOCOL_VERSION = 1;
const COMMIT_TRIES_MAX = 6;

export interface Generation {
  readonly id: number;
  readonly memberId: string;
  readonly assigned: readonly { readonly topic: string; readonly partition: number }[];
}

export interface MembershipOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** partitions from this one on are dealt to nobody */
  readonly partitionsMax?: number;
  /** not waited for when we join; default: all are */
  readonly dead?: DeadMembers | null;
}

export class Membership {
  private readonly cluster: Cluster;
  private readonly leaders: Leaders;
  private readonly options: MembershipOptions;
  private memberId = '';
  private coordinator: Broker | null = null;

  constructor(cluster: Cluster, leaders: Leaders, options: MembershipOptions) {
    this.cluster = cluster;
    this.leaders = leaders;
    this.options = options;
  }

  /**
   * Joins or rejoins, and returns what was assigned; null when stopped meanwhile, since the group may wait for its other
   * members for as long as the rebalance timeout. Throws as one of ours; the caller tries again.
   */
  async join(stop: AbortSignal): Promise<Generation | null> {
    const joining = this.joinAndSync();
    const stopped = new Promise<null>((done) => {
      stop.addEventListener('abort', () => done(null), { once: true });
    });
    const generation = stop.aborted ? null : await Promise.race([joining, stopped]);
    if (generation === null) {
      joining.catch(() => undefined);
      if (this.coordinator !== null) dropConnections(this.coordinator);
    }
    return generation;
  }

  private async joinAndSync(): Promise<Generation> {
    const { groupId, topics, sessionTimeoutMs, rebalanceTimeoutMs, dead } = this.options;
    const answered = new AbortController();
    try {
      const coordinator = await this.findCoordinator();
      const absent = this.memberId === '' && dead ? await dead.find(coordinator) : [];
      const userData = dead?.mark.bytes ?? Buffer.alloc(0);
      const metadata = MemberMetadata.encode({ version: PROTOCOL_VERSION, topics, userData });
      const joining = coordinator.joinGroup({
        groupId,
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: rebalanceTimeoutMs,
        memberId: this.memberId,
        groupProtocols: [{ name: ASSIGNER_NAME, metadata }],
      });
      if (absent.length > 0) void dead?.remove(coordinator, absent, answered.signal);
      const joined = await joining;
      this.memberId = joined.memberId;
      const groupAssignment = joined.leaderId === joined.memberId ? await this.assign(coordinator, joined.members) : [];
      const { memberAssignment } = await coordinator.syncGroup({
        groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupAssignment,
      });
      const mine = MemberAssignment.decode(memberAssignment)?.assignment ?? {};
      const assigned = Object.entries(mine)
        .filter(([topic]) => topics.includes(topic))
        .flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })));
      dead?.joined();
      return { id: joined.generationId, memberId: joined.memberId, assigned };
    } catch (error) {
      this.forget(error);
      throw fromKafka(error, `cannot join the group ${groupId}`);
    } finally {
      answered.abort();
    }
  }

  private async assign(
    coordinator: Broker,
    members: readonly { memberId: string; memberMetadata: Buffer }[],
  ): Promise<{ memberId: string; memberAssignment: Buffer }[]> {
    await this.leaders.refresh();
    const subscriptions = members.map(({ memberId, memberMetadata }) => ({
      memberId,
      topics: MemberMetadata.decode(memberMetadata).topics,
    }));
    const topics = new Set(subscriptions.flatMap((one) => one.topics));
    // Of a namesake that reads other topics: it must get its share, whoever leads. Its topic does not become one of ours.
    const partitionsOf = async (topic: string): Promise<number> =>
      (await coordinator.metadata([topic]).catch(() => null))?.topicMetadata[0]?.partitionMetadata.length ?? 0;
    const counts = new Map<string, number>();
    for (const topic of topics) {
      const count = this.leaders.has(topic) ? this.leaders.partitionCount(topic) : await partitionsOf(topic);
      counts.set(topic, Math.min(count, this.options.partitionsMax ?? count));
    }
    return [...assignPartitions(subscriptions, counts)].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({ version: PROTOCOL_VERSION, assignment }),
    }));
  }

  /**
   * 'alive'; 'rebalance' when the group wants all to join again; 'lost' when it goes on without us; 'unreachable' when
   * nobody knows: the caller counts the time since the last answer.
   */
  async heartbeat(generation: Generation): Promise<'alive' | 'rebalance' | 'lost' | 'unreachable'> {
    const { groupId } = this.options;
    try {
      const coordinator = this.coordinator ?? (await this.findCoordinator());
      await coordinator.heartbeat({ groupId, groupGenerationId: generation.id, memberId: generation.memberId });
      return 'alive';
    } catch (error) {
      const type = kafkaErrorType(error);
      this.forget(error);
      if (type === 'REBALANCE_IN_PROGRESS') return 'rebalance';
      return isFenced(error) ? 'lost' : 'unreachable';
    }
  }

  /** A heartbeat now. Throws FS_KAFKA_FENCED when this generation ends or has ended, FS_KAFKA_UNAVAILABLE without an answer. */
  async confirm(generation: Generation): Promise<void> {
    const answer = await this.heartbeat(generation);
    const { groupId } = this.options;
    if (answer === 'alive') return;
    if (answer === 'unreachable') {
      throw new FraudstreamError('FS_KAFKA_UNAVAILABLE', `group ${groupId} does not say whether we are a member`);
    }
    const why = answer === 'rebalance' ? 'wants its members to join again' : 'has gone on without us';
    throw new FraudstreamError('FS_KAFKA_FENCED', `group ${groupId} ${why}, generation ${generation.id} is over`);
  }

  /** Commits as this generation. Throws FS_KAFKA_FENCED when the group has moved on, else as fromKafka says. */
  async commit(
    generation: Generation,
    place: { readonly topic: string; readonly partition: number },
    offset: number,
    metadata: string | null,
  ): Promise<void> {
    const { groupId } = this.options;
    const { topic, partition } = place;
    for (let attempt = 1; ; attempt++) {
      try {
        const coordinator = this.coordinator ?? (await this.findCoordinator());
        await coordinator.offsetCommit({
          groupId,
          groupGenerationId: generation.id,
          memberId: generation.memberId,
          topics: [{ topic, partitions: [{ partition, offset: String(offset), metadata }] }],
        });
        return;
      } catch (error) {
        if (!isFenced(error)) this.forget(error);
        const again = isCoordinatorMoved(error) || isTransport(error);
        if (!again || attempt >= COMMIT_TRIES_MAX) {
          throw fromKafka(error, `cannot commit offset ${offset} of ${topic}/${partition}`, {
            topic,
            partition,
            offset,
          });
        }
        await new Promise((done) => setTimeout(done, 20 * 2 ** attempt));
      }
    }
  }

  /** Says goodbye, so that the others need not wait for the session to time out. Errors are of no use to anyone. */
  async leave(): Promise<void> {
    if (this.memberId === '') return;
    const { memberId } = this;
    this.memberId = '';
    await (this.coordinator ?? (await this.findCoordinator()))
      .leaveGroup({ groupId: this.options.groupId, memberId })
      .catch(() => undefined);
  }

  private async findCoordinator(): Promise<Broker> {
    this.coordinator = await this.cluster.findGroupCoordinator({ groupId: this.options.groupId });
    return this.coordinator;
  }

  /** What an error tells us to look up again. */
  private forget(error: unknown): void {
    const type = kafkaErrorType(error);
    if (type === 'UNKNOWN_MEMBER_ID' || type === 'FENCED_INSTANCE_ID') this.memberId = '';
    if (type === 'KafkaJSRequestTimeoutError' && this.coordinator !== null) dropConnections(this.coordinator);
    if (isCoordinatorMoved(error) || isTransport(error)) this.coordinator = null;
  }
}
