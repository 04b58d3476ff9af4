import { pauseFor } from './backoff.ts';
import type { KafkaClient, KafkaLogger } from './client.ts';
import { describeGroup } from './group-description.ts';
import { memberProtocol, sendRaw, type Broker } from './kafkajs-internals.ts';
import type { ProcessMark } from './process-mark.ts';
import { ProtocolWriter } from './protocol-bytes.ts';

/**
 * Members of a group whose process has died on this machine, or whose place this process takes. The group waits for them until
 * their session is over, and a process that is started again at once would wait with it: it says goodbye for them. Kafka takes
 * that from anyone who may read the group. Should it hit a living member, that one joins again, and is fenced as ever.
 */

const LEAVE_GROUP = { apiKey: 13, apiVersion: 1, apiName: 'LeaveGroup' } as const;
const POLL_MS = 5;
const POLL_MS_MAX = 3_000;

export class DeadMembers {
  readonly mark: ProcessMark;
  private readonly group: string;
  private readonly timeoutMs: number;
  private readonly log: KafkaLogger;
  private hasJoined = false;

  constructor(client: KafkaClient, group: string, mark: ProcessMark) {
    this.group = group;
    this.mark = mark;
    this.timeoutMs = client.requestTimeoutMs;
    this.log = client.log;
  }

  /** We are in the group. Whoever has our instance id now is no predecessor: two that remove each other would never end. */
  joined(): void {
    this.hasJoined = true;
  }

  /**
   * Ids of members that have certainly died, and before we have first joined those with our instance id. None when that cannot
   * be found out; a group that is just being joined tells no marks. Never rejects.
   */
  async find(coordinator: Broker): Promise<string[]> {
    const { group, mark, timeoutMs, log } = this;
    try {
      const { state, members } = await describeGroup(coordinator, group, timeoutMs, 1);
      if (state !== 'Stable') return [];
      const isDead = (data: Buffer): boolean => mark.hasDied(data) || (!this.hasJoined && mark.hasSameInstance(data));
      return members.filter(({ metadata }) => isDead(userDataOf(metadata))).map(({ memberId }) => memberId);
    } catch (error) {
      log('debug', 'cannot ask who is in the group', { group, reason: String(error) });
      return [];
    }
  }

  /**
   * Takes them out of the group as soon as our own join has arrived: a group whose last member leaves before is empty, and an
   * empty group keeps its first member waiting (group.initial.rebalance.delay.ms, 3 s by default). Over the second
   * connection, since the answer to a join holds up what is sent behind it. Never rejects.
   * @param answered the group waits for nobody any more
   */
  async remove(coordinator: Broker, memberIds: readonly string[], answered: AbortSignal): Promise<void> {
    const { group, timeoutMs, log } = this;
    try {
      if (!(await this.joinHasArrived(coordinator, answered))) return;
      log('info', 'members have died: they leave the group', { group, members: memberIds });
      for (const memberId of memberIds) {
        const body = [new ProtocolWriter().string(group).string(memberId).end()];
        // The answer is of no use: the group may have forgotten it by itself meanwhile.
        await sendRaw(coordinator, 1, { ...LEAVE_GROUP, body, timeoutMs });
      }
    } catch (error) {
      log('debug', 'dead members could not be removed', { group, reason: String(error) });
    }
  }

  private async joinHasArrived(coordinator: Broker, answered: AbortSignal): Promise<boolean> {
    const deadlineMs = Date.now() + POLL_MS_MAX;
    while (Date.now() < deadlineMs) {
      const { state } = await describeGroup(coordinator, this.group, this.timeoutMs, 1);
      if (answered.aborted) return false;
      if (state !== 'Stable') return state === 'PreparingRebalance';
      await pauseFor(POLL_MS, answered);
    }
    return false;
  }
}

function userDataOf(metadata: Buffer): Buffer {
  try {
    return memberProtocol.MemberMetadata.decode(metadata).userData ?? Buffer.alloc(0);
  } catch {
    return Buffer.alloc(0);
  }
}
