import type { ConsumerHandler } from '../../src/transport/kafka/consumer-options.ts';
import type { Life } from './life.ts';
import type { ModelKafkaClient } from './model-kafka-client.ts';
import { ModelMember, type MemberGeneration } from './model-kafka-member.ts';
import { SimulatedTask, type TaskPorts } from './task.ts';

export interface MemberOptions {
  readonly group: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
}

export interface MemberPorts {
  readonly life: Life;
  readonly client: ModelKafkaClient;
  readonly handler: ConsumerHandler;
  readonly taskPorts: (partition: number) => Omit<TaskPorts, 'handler' | 'confirm' | 'life'>;
}

type End = 'stop' | 'rebalance' | 'lost';

const REJOIN_MS = 100;

/**
 * A member of the consumer group: joins, keeps its place, gives partitions back late, leaves. It does what
 * `src/transport/kafka/consumer.ts` and `membership.ts` do, by the model's requests and the scheduler's time.
 */
export class Member {
  private readonly ports: MemberPorts;
  private readonly options: MemberOptions;
  private readonly stopping = new AbortController();
  private readonly earlier = new Map<number, Promise<void>>();
  private readonly member: ModelMember;
  private readonly running: Promise<void>;

  constructor(ports: MemberPorts, options: MemberOptions) {
    this.ports = ports;
    this.options = options;
    const { group, topic, sessionTimeoutMs, rebalanceTimeoutMs } = options;
    this.member = new ModelMember(ports.client, { group, topics: [topic], sessionTimeoutMs, rebalanceTimeoutMs });
    this.running = this.run();
  }

  /** Finishes the batches in hand, flushes, leaves. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const stopped = new Promise<null>((resolve) => signal.addEventListener('abort', () => resolve(null)));
    while (!signal.aborted) {
      try {
        const joining = this.member.join();
        const joined = await Promise.race([joining, stopped]);
        if (joined === null) {
          joining.catch(() => undefined);
          break;
        }
        await this.serve(joined);
      } catch {
        await this.ports.life.pause(REJOIN_MS, signal);
      }
    }
    await this.member.leave();
  }

  private async serve(generation: MemberGeneration): Promise<void> {
    const { handler, life } = this.ports;
    const tasks = generation.assigned.map(
      ({ partition }) =>
        new SimulatedTask(
          this.options.topic,
          partition,
          generation.id,
          { ...this.ports.taskPorts(partition), handler, life, confirm: () => this.member.confirm(generation) },
          this.earlier.get(partition) ?? Promise.resolve(),
        ),
    );
    let end: End = 'lost';
    try {
      end = await this.keepAlive(generation);
    } finally {
      await this.revoke(generation, tasks, end);
    }
  }

  private async keepAlive(generation: MemberGeneration): Promise<End> {
    const { life } = this.ports;
    const { heartbeatMs, sessionTimeoutMs } = this.options;
    let silentMs = 0;
    for (;;) {
      await life.pause(heartbeatMs, this.stopping.signal);
      if (this.stopping.signal.aborted) return 'stop';
      const answer = await this.member.heartbeat(generation);
      if (answer === 'rebalance' || answer === 'lost') return answer;
      silentMs = answer === 'alive' ? 0 : silentMs + heartbeatMs;
      if (silentMs > sessionTimeoutMs) return 'lost';
    }
  }

  private async revoke(generation: MemberGeneration, tasks: readonly SimulatedTask[], end: End): Promise<void> {
    const { life } = this.ports;
    for (const task of tasks) {
      task.revoke();
      this.earlier.set(task.partition, task.done);
    }
    let draining = true;
    const beating = (async () => {
      while (draining && end !== 'lost') {
        await life.pause(this.options.heartbeatMs);
        if (draining) await this.member.heartbeat(generation);
      }
    })();
    const late = life.pause(this.options.rebalanceTimeoutMs * 0.8);
    await Promise.race([Promise.all(tasks.map((task) => task.done)), late]);
    await this.ports.handler.onRevoked(
      tasks.map(({ assigned }) => assigned),
      end === 'lost',
    );
    draining = false;
    void beating;
  }
}
