/**
 * Who gets which partition. Partition p of every topic goes to the same member, because what is keyed by one user in
 * several topics must be folded by one owner. Pure.
 */

export interface GroupMember {
  readonly memberId: string;
  readonly topics: readonly string[];
}

/** member id → topic → partitions */
export type GroupAssignment = ReadonlyMap<string, Readonly<Record<string, readonly number[]>>>;

export const ASSIGNER_NAME = 'fraudstream-copartition';

/**
 * Deals the partitions to the members in the order of their ids. A member that does not subscribe to a topic gets none
 * of it; its share goes to the subscriber that follows.
 */
export function assignPartitions(
  members: readonly GroupMember[],
  counts: ReadonlyMap<string, number>,
): GroupAssignment {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : a.memberId > b.memberId ? 1 : 0));
  const assignment = new Map(sorted.map(({ memberId }) => [memberId, Object.create(null) as Record<string, number[]>]));
  for (const [topic, count] of counts) {
    for (let partition = 0; partition < count; partition++) {
      for (let step = 0; step < sorted.length; step++) {
        const member = sorted[(partition + step) % sorted.length] as GroupMember;
        if (!member.topics.includes(topic)) continue;
        const mine = assignment.get(member.memberId) as Record<string, number[]>;
        (mine[topic] ??= []).push(partition);
        break;
      }
    }
  }
  return assignment;
}
