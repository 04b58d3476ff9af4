import { pauseFor } from './backoff.ts';
import { fromKafka, fromKafkaCode } from './kafka-errors.ts';
import { sendRaw, type Broker, type Cluster } from './kafkajs-internals.ts';
import {
  decodeFindCoordinator,
  encodeFindCoordinator,
  FIND_COORDINATOR_API,
  type CoordinatorKind,
} from './transaction-protocol.ts';

/**
 * Which broker coordinates which group or transactional id; remembered until `forget`. KafkaJS has this request, but its
 * search swallows a refusal.
 */

const PAUSE_MS = 50;

export class Coordinators {
  private readonly cluster: Cluster;
  private readonly timeoutMs: number;
  private readonly known = new Map<string, Promise<Broker>>();

  /** `timeoutMs` is that of one request, and how long a coordinator that is just being chosen is waited for. */
  constructor(cluster: Cluster, timeoutMs: number) {
    this.cluster = cluster;
    this.timeoutMs = timeoutMs;
  }

  /**
   * A connected broker. Throws FS_KAFKA_UNAVAILABLE or FS_KAFKA_REFUSED. Nothing is asked for while it is known, so that
   * callers of one coordinator go on in the order in which they came.
   */
  find(kind: CoordinatorKind, key: string): Promise<Broker> {
    const name = `${kind} ${key}`;
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const finding = this.ask(kind, key).catch((error: unknown) => {
      if (this.known.get(name) === finding) this.known.delete(name);
      throw fromKafka(error, `cannot find the coordinator of ${kind} ${key}`);
    });
    this.known.set(name, finding);
    return finding;
  }

  forget(kind: CoordinatorKind, key: string): void {
    this.known.delete(`${kind} ${key}`);
  }

  private async ask(kind: CoordinatorKind, key: string): Promise<Broker> {
    const doing = `cannot find the coordinator of ${kind} ${key}`;
    const deadlineMs = Date.now() + this.timeoutMs;
    for (;;) {
      try {
        const asked = await anyBroker(this.cluster);
        const body = [encodeFindCoordinator(kind, key)];
        const answer = await sendRaw(asked, 0, { ...FIND_COORDINATOR_API, body, timeoutMs: this.timeoutMs });
        const { errorCode, nodeId } = decodeFindCoordinator(answer);
        if (errorCode !== 0) throw fromKafkaCode(errorCode, doing);
        return await this.cluster.findBroker({ nodeId });
      } catch (error) {
        const failure = fromKafka(error, doing);
        if (!failure.retriable || Date.now() + PAUSE_MS >= deadlineMs) throw failure;
        await pauseFor(PAUSE_MS);
      }
    }
  }
}

/** Connects, if need be, and returns a broker that is connected: for what any of them answers. */
export async function anyBroker(cluster: Cluster): Promise<Broker> {
  await cluster.connect();
  await cluster.refreshMetadataIfNecessary();
  return cluster.brokerPool.findConnectedBroker();
}
