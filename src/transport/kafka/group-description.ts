import { fromKafkaCode } from './kafka-errors.ts';
import { sendRaw, type Broker } from './kafkajs-internals.ts';
import { ProtocolReader, ProtocolWriter } from './protocol-bytes.ts';

/** What a coordinator says of a group: DescribeGroups 3. */

const DESCRIBE_GROUPS = { apiKey: 15, apiVersion: 3, apiName: 'DescribeGroups' } as const;

export interface GroupDescription {
  readonly errorCode: number;
  /** 'Stable', 'PreparingRebalance', 'CompletingRebalance', 'Empty', 'Dead' */
  readonly state: string;
  readonly members: readonly GroupMember[];
  /** a bit set by the numbers of AclOperation */
  readonly operations: number;
}

export interface GroupMember {
  readonly memberId: string;
  readonly clientId: string;
  /** what it said when it joined; empty unless the group is stable */
  readonly metadata: Buffer;
}

/** `connection` as in `sendRaw`: 1 answers also while a join is waited for on 0. */
export async function describeGroup(
  coordinator: Broker,
  group: string,
  timeoutMs: number,
  connection: 0 | 1,
): Promise<GroupDescription> {
  const body = new ProtocolWriter().int32(1).string(group).boolean(true).end();
  const answer = await sendRaw(coordinator, connection, { ...DESCRIBE_GROUPS, body: [body], timeoutMs });
  const described = decodeDescribedGroup(answer);
  if (described === null) throw fromKafkaCode(UNKNOWN, `group ${group} is not described`);
  return described;
}

const UNKNOWN = -1;

/** The first group of the answer, null when there is none. Throws a RangeError when it is shorter than it says. */
export function decodeDescribedGroup(bytes: Buffer): GroupDescription | null {
  const reader = new ProtocolReader(bytes);
  reader.int32(); // throttle time
  const groups = reader.array(() => {
    const errorCode = reader.int16();
    reader.string(); // group
    const state = reader.string();
    reader.string(); // protocol type
    reader.string(); // protocol
    const members = reader.array(() => {
      const memberId = reader.string();
      const clientId = reader.string();
      reader.string(); // host
      const metadata = reader.slice(Math.max(0, reader.int32()));
      reader.skip(Math.max(0, reader.int32())); // assignment
      return { memberId, clientId, metadata };
    });
    return { errorCode, state, members, operations: reader.int32() };
  });
  return groups[0] ?? null;
}
