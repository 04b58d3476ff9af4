import { ModelKafkaError } from './model-kafka-errors.ts';
import type { ModelTime } from './model-kafka-time.ts';

/**
 * The members of one consumer group and its generations: the classic protocol, as ClassicGroup.java and
 * GroupMetadataManager.java do it. A join waits until all known members have joined, or the rebalance timeout is over;
 * members learn of it by their heartbeats, so the old owner of a partition goes on until then.
 */

export interface Joined {
  readonly generation: number;
  readonly memberId: string;
  readonly leaderId: string;
  /** of all members, for the leader; empty for the others */
  readonly members: readonly { readonly memberId: string; readonly topics: readonly string[] }[];
}

/** topic → partitions */
export type MemberAssignment = Readonly<Record<string, readonly number[]>>;

interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

interface Member {
  readonly id: string;
  topics: readonly string[];
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  seenMs: number;
  joining: Waiter<Joined> | null;
  syncing: Waiter<MemberAssignment> | null;
}

export type GroupState = 'empty' | 'preparing' | 'completing' | 'stable';

export class GroupModel {
  readonly name: string;
  state: GroupState = 'empty';
  generation = 0;
  private readonly time: ModelTime;
  private readonly members = new Map<string, Member>();
  private readonly pending = new Set<string>();
  private leaderId = '';
  private assignments: ReadonlyMap<string, MemberAssignment> = new Map();
  private serial = 0;
  private rebalance = 0;

  constructor(name: string, time: ModelTime) {
    this.name = name;
    this.time = time;
  }

  get memberIds(): readonly string[] {
    return [...this.members.keys()];
  }

  /**
   * The first JoinGroup of a new member gets MEMBER_ID_REQUIRED with an id (KIP-394): it is no member yet, but a round that
   * is under way waits for it, for its session timeout (ClassicGroup.addPendingMember, hasAllMembersJoined).
   */
  newMemberId(sessionTimeoutMs: number): string {
    const id = `${this.name}-member-${this.serial++}`;
    this.pending.add(id);
    this.time.schedule(sessionTimeoutMs, () => {
      if (this.pending.delete(id) && this.state === 'preparing') this.form(false);
    });
    return id;
  }

  join(id: string, topics: readonly string[], sessionTimeoutMs: number, rebalanceTimeoutMs: number): Promise<Joined> {
    return new Promise((resolve, reject) => {
      let member = this.members.get(id);
      if (member === undefined) {
        // A join that comes late, of one who has left or was dropped.
        if (!this.pending.delete(id)) {
          throw new ModelKafkaError('UNKNOWN_MEMBER_ID', `${id} is no member of ${this.name}`);
        }
        member = { id, topics, sessionTimeoutMs, rebalanceTimeoutMs, seenMs: 0, joining: null, syncing: null };
        this.members.set(id, member);
      }
      member.topics = topics;
      member.sessionTimeoutMs = sessionTimeoutMs;
      member.rebalanceTimeoutMs = rebalanceTimeoutMs;
      // A request that is sent again takes the place of the one before, whose answer nobody waits for.
      member.joining?.reject(new ModelKafkaError('REBALANCE_IN_PROGRESS', `${id} joins again`));
      member.joining = { resolve, reject };
      this.touch(member);
      this.prepare();
    });
  }

  /** @param assignments of the leader; null of the others */
  sync(
    id: string,
    generation: number,
    assignments: ReadonlyMap<string, MemberAssignment> | null,
  ): Promise<MemberAssignment> {
    return new Promise((resolve, reject) => {
      const member = this.check(id, generation);
      this.touch(member);
      if (this.state === 'preparing') {
        throw new ModelKafkaError('REBALANCE_IN_PROGRESS', `group ${this.name} joins again`);
      }
      if (this.state === 'stable') {
        resolve(this.assignments.get(id) ?? {});
        return;
      }
      member.syncing = { resolve, reject };
      if (id !== this.leaderId || assignments === null) return;
      this.assignments = assignments;
      this.state = 'stable';
      for (const each of this.members.values()) {
        each.syncing?.resolve(assignments.get(each.id) ?? {});
        each.syncing = null;
        this.touch(each);
      }
    });
  }

  heartbeat(id: string, generation: number): void {
    const member = this.check(id, generation);
    this.touch(member);
    if (this.state === 'preparing') {
      throw new ModelKafkaError('REBALANCE_IN_PROGRESS', `group ${this.name} joins again`);
    }
  }

  leave(id: string): void {
    const member = this.members.get(id);
    if (member === undefined) throw new ModelKafkaError('UNKNOWN_MEMBER_ID', `${id} is no member of ${this.name}`);
    this.remove(member);
  }

  /** As when the session timed out: for an operator's or a scheduler's sudden move. */
  expel(id: string): void {
    const member = this.members.get(id);
    if (member !== undefined) this.remove(member);
  }

  /** An OffsetCommit of a member; of nobody when generation is −1, which is taken while the group is empty. */
  checkCommit(id: string, generation: number): void {
    if (generation < 0) {
      if (this.members.size > 0) throw new ModelKafkaError('UNKNOWN_MEMBER_ID', `group ${this.name} has members`);
      return;
    }
    this.touch(this.check(id, generation));
    if (this.state === 'completing') {
      throw new ModelKafkaError('REBALANCE_IN_PROGRESS', `group ${this.name} joins again`);
    }
  }

  private check(id: string, generation: number): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new ModelKafkaError('UNKNOWN_MEMBER_ID', `${id} is no member of ${this.name}`);
    if (generation !== this.generation) {
      throw new ModelKafkaError(
        'ILLEGAL_GENERATION',
        `generation ${generation} of ${this.name} is not ${this.generation}`,
      );
    }
    return member;
  }

  private touch(member: Member): void {
    const seenMs = this.time.nowMs();
    // One timer per session is enough: it looks again when there was a sign of life meanwhile.
    const watched = member.seenMs > 0;
    member.seenMs = seenMs;
    if (!watched) this.watch(member, member.sessionTimeoutMs);
  }

  private watch(member: Member, delayMs: number): void {
    this.time.schedule(Math.max(1, delayMs), () => {
      if (this.members.get(member.id) !== member) return;
      const leftMs = member.seenMs + member.sessionTimeoutMs - this.time.nowMs();
      // Who waits for the others to join, or for the leader, is not expected to say anything.
      if (member.joining !== null || member.syncing !== null) this.watch(member, member.sessionTimeoutMs);
      else if (leftMs > 0) this.watch(member, leftMs);
      else this.remove(member);
    });
  }

  private remove(member: Member): void {
    this.members.delete(member.id);
    const gone = new ModelKafkaError('UNKNOWN_MEMBER_ID', `${member.id} is no member of ${this.name}`);
    member.joining?.reject(gone);
    member.syncing?.reject(gone);
    this.prepare();
  }

  private prepare(): void {
    if (this.state !== 'preparing') {
      const again = new ModelKafkaError('REBALANCE_IN_PROGRESS', `group ${this.name} joins again`);
      for (const member of this.members.values()) {
        member.syncing?.reject(again);
        member.syncing = null;
        this.touch(member);
      }
      this.state = 'preparing';
      const rebalance = ++this.rebalance;
      const timeoutMs = Math.max(0, ...[...this.members.values()].map((member) => member.rebalanceTimeoutMs));
      if (timeoutMs > 0) {
        this.time.schedule(timeoutMs, () => {
          if (this.state === 'preparing' && this.rebalance === rebalance) this.form(true);
        });
      }
    }
    this.form(false);
  }

  /** All have joined, or those who have not are left behind. */
  private form(timedOut: boolean): void {
    const absent = [...this.members.values()].filter(({ joining }) => joining === null);
    if (absent.length > 0 || this.pending.size > 0) {
      if (!timedOut) return;
      for (const member of absent) this.members.delete(member.id);
    }
    this.generation++;
    this.assignments = new Map();
    const all = [...this.members.values()];
    const first = all[0];
    if (first === undefined) {
      this.state = 'empty';
      this.leaderId = '';
      return;
    }
    this.state = 'completing';
    if (!this.members.has(this.leaderId)) this.leaderId = first.id;
    const { generation, leaderId } = this;
    const list = all.map(({ id, topics }) => ({ memberId: id, topics }));
    for (const member of all) {
      const { joining, id } = member;
      member.joining = null;
      this.touch(member);
      joining?.resolve({ generation, memberId: id, leaderId, members: id === leaderId ? list : [] });
    }
  }
}
