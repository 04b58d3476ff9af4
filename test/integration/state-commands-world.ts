import { readFileSync } from 'node:fs';
import { dispatch, type Loaders } from '../../src/commands/dispatch.ts';
import { Report } from '../../src/commands/state-report.ts';
import { StateSession } from '../../src/commands/state-session.ts';
import { loadSettings } from '../../src/config/load.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { partitionOf } from '../../src/transport/kafka/murmur2.ts';
import { environmentOf, until } from '../support/e2e-process.ts';
import { FIRST_EVENT_MS, Payments, type Sent } from '../support/e2e-payments.ts';
import { settingsOf, type Place, type Settings } from '../support/e2e-run.ts';
import { decodeDecision, TestKafka, topicsOf, type DecisionRecord, type Topics } from '../support/e2e-topics.ts';
import { REPOSITORY } from '../servers/process.ts';

/** The commands in this process, against real servers, around one application with topics of its own. */

export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const LOADERS = {
  run: () => import('../../src/commands/run.ts'),
  state: () => import('../../src/commands/state.ts'),
} as unknown as Loaders;

export class StateWorld {
  kafka: TestKafka;
  readonly topics: Topics & { readonly app: string };
  partitions = 0;
  /** event times are of the last hours: what is long over, a store may forget */
  private readonly laterMs = Date.now() - FIRST_EVENT_MS - 6 * 3_600_000;
  private readonly place: Place;
  private readonly payments: Payments;

  constructor(name: string, servers: { kafka: string; redis: string }) {
    this.topics = topicsOf(name);
    this.place = { ...servers, topics: this.topics };
    this.kafka = new TestKafka(servers.kafka);
    this.payments = new Payments({ seed: 7, users: 60, partitions: 1 });
  }

  async open(partitions: number): Promise<void> {
    this.partitions = partitions;
    await this.settled(() => this.kafka.createAll(this.topics, partitions));
  }

  /** A broker needs a moment to learn of a topic; KafkaJS does not wait for that. */
  async settled(change: () => Promise<unknown>): Promise<void> {
    try {
      await change();
    } catch (error) {
      if ((error as { type?: string }).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
      await until('the topics are known', async () => {
        const answers = await Promise.allSettled(Object.values(this.names()).map((name) => this.kafka.count(name)));
        return answers.every(({ status }) => status === 'fulfilled');
      });
    }
  }

  private names(): Topics {
    const { transactions, labels, decisions, flagged, deadLetter } = this.topics;
    return { transactions, labels, decisions, flagged, deadLetter };
  }

  /** A client that knows what there is now: KafkaJS's producer drops what is for a partition that it does not know. */
  async reconnect(): Promise<void> {
    await this.kafka.close();
    this.kafka = new TestKafka(this.place.kafka);
  }

  close(): Promise<void> {
    return this.kafka.close();
  }

  /** Payments where Kafka's own partitioner puts them. */
  async pay(count: number, change: Parameters<Payments['next']>[0] = {}): Promise<Sent[]> {
    const messages = Array.from({ length: count }, () => this.messageOf(this.payments.next(change)));
    await this.kafka.send(this.topics.transactions, messages);
    return messages;
  }

  /** The same payments again. */
  async resend(messages: readonly Sent[]): Promise<void> {
    await this.kafka.send(
      this.topics.transactions,
      messages.map((one) => ({ ...one, partition: partitionOf(Buffer.from(String(one.key)), this.partitions) })),
    );
  }

  private messageOf(payment: ReturnType<Payments['next']>): Sent {
    payment.event_time += this.laterMs;
    const message = this.payments.message(payment);
    return { ...message, partition: partitionOf(Buffer.from(payment.user_id), this.partitions) };
  }

  command(args: readonly string[], more: Settings = {}, signal = new AbortController().signal): Promise<Answer> {
    return execute(args, environmentOf({ ...settingsOf(this.place), ...more }), signal);
  }

  state(...args: string[]): Promise<Answer> {
    return this.command(['state', ...args]);
  }

  /** A session with which a test can let a command die where it wants. */
  async session(...argv: string[]): Promise<{ session: StateSession; report: Report }> {
    const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
    const loaded = loadSettings({
      command: 'state',
      argv: [...argv, '--apply'],
      env: environmentOf(settingsOf(this.place)),
      cwd: REPOSITORY,
      packageRoot: REPOSITORY,
      nowMs: clock.nowMs(),
      readFile: (path) => readFileSync(path, 'utf8'),
    });
    if (loaded.kind !== 'settings') throw new Error(JSON.stringify(loaded));
    const context = {
      settings: loaded.settings,
      origins: loaded.origins,
      args: loaded.positional,
      stdout: { write: () => true },
      stderr: { write: () => true },
      log: SILENT_LOGGER,
      clock,
      signal: new AbortController().signal,
      version: 'test',
      packageRoot: REPOSITORY,
    };
    return { session: await StateSession.open(context), report: new Report(context, argv[0] ?? '') };
  }

  /** Runs until everything that was written is decided, then stops in order. */
  async decideAll(more: Settings = {}): Promise<void> {
    const stop = new AbortController();
    const running = this.command(
      ['run'],
      { 'http.enabled': false, 'state.flush-interval': '200ms', ...more },
      stop.signal,
    );
    let ended: Answer | null = null;
    void running.then((answer) => (ended = answer));
    try {
      await until('everything is decided', async () => {
        if (ended !== null) throw new Error(`run has ended: ${ended.stderr.slice(-2_000)}`);
        // a coordinator that is just being chosen is no answer yet
        const [committed, ends] = await Promise.all([this.committed().catch(() => -1), this.ends()]);
        return committed >= ends;
      });
    } finally {
      stop.abort('SIGTERM');
      await running;
    }
  }

  /** Runs until the log says this, then stops. @returns all that it said */
  async runUntil(says: string, more: Settings = {}): Promise<string> {
    const stop = new AbortController();
    let said = '';
    const environment = environmentOf({ ...settingsOf(this.place), 'http.enabled': false, ...more });
    const running = execute(['run'], environment, stop.signal, (text) => {
      said += text;
      if (said.includes(says)) stop.abort('SIGTERM');
    });
    const late = setTimeout(() => stop.abort('SIGTERM'), 60_000);
    await running;
    clearTimeout(late);
    return said;
  }

  async decisions(): Promise<DecisionRecord[]> {
    return (await this.kafka.readAll(this.topics.decisions)).map((raw) => decodeDecision(raw));
  }

  committed(): Promise<number> {
    return this.kafka.committed(this.topics.app, this.topics.transactions);
  }

  async ends(): Promise<number> {
    const offsets = await this.kafka.admin.fetchTopicOffsets(this.topics.transactions);
    return offsets.reduce((sum, { high }) => sum + Number(high), 0);
  }

  /** As an operator's tool does it: without metadata. */
  async setOffset(partition: number, offset: number): Promise<void> {
    await this.kafka.admin.setOffsets({
      groupId: `${this.topics.app}.ledger`,
      topic: this.topics.transactions,
      partitions: [{ partition, offset: String(offset) }],
    });
  }
}

async function execute(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
  onStderr: (text: string) => void = () => undefined,
): Promise<Answer> {
  let stdout = '';
  let stderr = '';
  const exitCode = await dispatch(
    {
      argv,
      env,
      cwd: REPOSITORY,
      packageRoot: REPOSITORY,
      version: 'test',
      stdout: { write: (text) => (stdout += text) },
      stderr: {
        write: (text) => {
          stderr += text;
          onStderr(text);
        },
      },
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      signal,
      readFile: (path) => readFileSync(path, 'utf8'),
    },
    LOADERS,
  );
  return { exitCode, stdout, stderr };
}

/** A line of `state inspect --json`, as far as tests look at it. */
export interface Inspected {
  readonly partition: number;
  readonly lag: number;
  readonly tail: number;
  readonly position: { readonly offset: number; readonly written_by: string };
  readonly output: { readonly lastDecision: number };
  readonly verdict: {
    readonly ok: boolean;
    readonly code?: string;
    readonly reason?: string;
    readonly rebuilt?: string;
    readonly decides_from?: number;
  };
}

export async function inspected(world: StateWorld, ...args: string[]): Promise<Inspected[]> {
  return jsonLines(await world.state('inspect', '--json', ...args)) as unknown as Inspected[];
}

export function jsonLines(answer: Answer): Record<string, unknown>[] {
  return answer.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
