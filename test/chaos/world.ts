import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runKafkaTool } from '../servers/kafka.ts';
import { sleep } from '../servers/process.ts';
import { until, type Program } from '../support/e2e-process.ts';
import { REVEALING, settingsOf, startRun, type Place, type Settings } from '../support/e2e-run.ts';
import { readLog } from '../support/e2e-log.ts';
import { decidedAll, TestKafka, topicsOf } from '../support/e2e-topics.ts';
import { seeded } from '../support/random.ts';
import { judge, type Verdict } from './judge.ts';
import { Load } from './load.ts';

/** One application on real servers: its topics, its processes, its load, and what came of it. */

export interface WorldOptions {
  readonly name: string;
  /** host:port of brokers, as the application knows them */
  readonly kafka: string;
  /** the same without what is in between; default `kafka` */
  readonly direct?: string;
  readonly redis: string;
  /** default 4 */
  readonly partitions?: number;
  /** default 1 */
  readonly replication?: number;
  /** of topics; default none */
  readonly topicConfig?: Readonly<Record<string, string>>;
  readonly settings?: Settings;
  /** no other settings than these; else sessions are short, all payments are flagged, and state is written often */
  readonly asShipped?: boolean;
  /** payments per second; default 300 */
  readonly rate?: number;
  /** default 200 */
  readonly users?: number;
  readonly seed?: number;
  readonly say?: (text: string) => void;
  /** a folder for the logs of its processors */
  readonly logs?: string;
}

export interface Outcome extends Verdict {
  readonly scenario: string;
  /** what was done to it, in words */
  readonly faults: string;
  readonly seconds: number;
  /** the load's process was behind its schedule by at most this */
  readonly loadLateMs: number;
  /** further facts worth noting */
  readonly notes: Readonly<Record<string, number | string>>;
}

const SESSION: Settings = { 'kafka.session-timeout': '3s' };

export class World {
  readonly place: Place;
  readonly kafka: TestKafka;
  readonly random: () => number;
  readonly programs: Program[] = [];
  readonly partitions: number;
  load: Load | null = null;
  private readonly options: WorldOptions;
  private readonly startedMs = Date.now();

  private constructor(options: WorldOptions) {
    this.options = options;
    this.place = { kafka: options.kafka, redis: options.redis, topics: topicsOf(options.name) };
    this.kafka = new TestKafka(options.direct ?? options.kafka);
    this.random = seeded(options.seed ?? 1);
    this.partitions = options.partitions ?? 4;
  }

  static async make(options: WorldOptions): Promise<World> {
    const world = new World(options);
    const { topics } = world.place;
    const { replication = 1, topicConfig = {} } = options;
    const { transactions, labels, decisions, flagged, deadLetter } = topics;
    await world.kafka.create([transactions, labels, flagged, deadLetter], world.partitions, topicConfig, replication);
    // the time of an append is the broker's: it cannot be that of a decision that waited
    const appendTime = { ...topicConfig, 'message.timestamp.type': 'LogAppendTime' };
    await world.kafka.create([decisions], world.partitions, appendTime, replication);
    return world;
  }

  get running(): Program[] {
    return this.programs.filter((program) => program.running);
  }

  get settings(): Settings {
    const { settings, asShipped } = this.options;
    return asShipped ? { ...settings } : { ...REVEALING, ...SESSION, ...settings };
  }

  say(text: string): void {
    this.options.say?.(text);
  }

  start(more: Settings = {}, place: Place = this.place): Program {
    const program = startRun(place, { ...this.settings, ...more });
    this.programs.push(program);
    return program;
  }

  begin(more: { readonly plain?: boolean } = {}): Load {
    const { rate = 300, users = 200, seed = 1 } = this.options;
    this.load = new Load({
      brokers: this.options.direct ?? this.options.kafka,
      topic: this.place.topics.transactions,
      partitions: this.partitions,
      rate,
      users,
      seed,
      ...more,
    });
    return this.load;
  }

  /** Sum of the positions; -1 while Kafka does not say. */
  async position(): Promise<number> {
    const { app, transactions } = this.place.topics;
    return this.kafka.committed(app, transactions).catch(() => -1);
  }

  /** Waits until this many more payments are decided. */
  async moved(count: number, timeoutMs = 60_000): Promise<void> {
    let from = -1;
    const enough = async (): Promise<boolean> => {
      const now = await this.position();
      if (from < 0) from = now;
      return now >= from + count && from >= 0;
    };
    await until(`${count} more are decided`, enough, { timeoutMs, programs: this.running });
  }

  between(fromMs: number, toMs: number): Promise<void> {
    return sleep(fromMs + this.random() * (toMs - fromMs));
  }

  /** The load ends, all is decided, the processes stop in peace, and the topics are judged. */
  async finish(faults: string, notes: Outcome['notes'] = {}): Promise<Outcome> {
    const { topics } = this.place;
    await this.load?.stop();
    if (this.running.length === 0) this.start();
    await decidedAll(this.kafka, topics, this.running, 180_000);
    for (const program of this.running) {
      const code = await program.stop();
      if (code !== 0) throw new Error(`ended with ${code} on SIGTERM\n${program.tail()}`);
    }
    return this.verdict(faults, notes);
  }

  async verdict(faults: string, notes: Outcome['notes'] = {}): Promise<Outcome> {
    const seconds = Math.round((Date.now() - this.startedMs) / 1_000);
    const bootstrap = this.options.direct ?? this.options.kafka;
    const settings = settingsOf(this.place, this.settings);
    const verdict = await judge({ bootstrap, topics: this.place.topics, settings });
    const loadLateMs = this.load?.lateMsMax ?? 0;
    return { scenario: this.options.name, faults, seconds, loadLateMs, notes, ...verdict };
  }

  /** Whether the Java client sees the same records as our own reading of the log. @returns how many it sees */
  async askJava(topic: string): Promise<number> {
    const bootstrap = this.options.direct ?? this.options.kafka;
    const print = ['partition=true', 'offset=true', 'value=false', 'timestamp=false'];
    const { stdout, stderr } = await runKafkaTool(
      bootstrap,
      'console-consumer',
      [
        ...['--topic', topic, '--from-beginning', '--isolation-level', 'read_committed', '--timeout-ms', '8000'],
        ...print.flatMap((one) => ['--formatter-property', `print.${one}`]),
      ],
      { timeoutMs: 300_000 },
    );
    const theirs = new Set(
      [...stdout.matchAll(/Partition:(\d+)\s+Offset:(\d+)/g)].map(([, partition, offset]) => `${partition}/${offset}`),
    );
    const ours = (await readLog(bootstrap, topic)).flatMap(({ records }) => records);
    const unseen = ours.filter(({ partition, offset }) => !theirs.has(`${partition}/${offset}`));
    if (unseen.length > 0 || theirs.size !== ours.length) {
      throw new Error(`the Java client sees ${theirs.size} records of ${topic}, the log has ${ours.length}\n${stderr}`);
    }
    return theirs.size;
  }

  async close(): Promise<void> {
    this.load?.kill();
    await Promise.all(this.programs.map((program) => program.kill9()));
    const { logs, name } = this.options;
    if (logs !== undefined) {
      mkdirSync(logs, { recursive: true });
      this.programs.forEach((program, n) => writeFileSync(join(logs, `${name}-${n}.log`), program.stderr));
    }
    await this.kafka.close();
  }
}

/** Makes a world, and closes it whatever happens. */
export async function inWorld<T>(options: WorldOptions, act: (world: World) => Promise<T>): Promise<T> {
  const world = await World.make(options);
  try {
    return await act(world);
  } finally {
    await world.close();
  }
}
