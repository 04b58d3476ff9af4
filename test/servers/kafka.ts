import { connect } from 'node:net';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  CACHE,
  freePorts,
  removeAtExit,
  removeFolder,
  resolveJars,
  runProcess,
  startProcess,
  temporaryFolder,
  waitUntil,
  type ServerProcess,
  type ToolResult,
} from './process.ts';

/** A real Kafka from Maven jars: KRaft, all nodes are brokers, the first ones controllers too. */

const CLASSPATH = join(CACHE, 'kafka', '*');
const READY_TIMEOUT_MS = 60_000;

const LOG4J = `
status: error
Configuration:
  name: fraudstream-test
  Appenders:
    Console:
      name: out
      PatternLayout:
        pattern: "%d %p %m (%c)%n%throwable"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        ref: out
`;

export interface KafkaOptions {
  /** brokers, default 1 */
  readonly brokers?: number;
  /** how many of them are controllers, default 1: with 3 any one may die and leaders are still elected */
  readonly controllers?: number;
  /** host port that clients are told instead of a broker's own, for a proxy in between; one broker only */
  readonly advertisedPort?: number;
  /** further server properties */
  readonly properties?: Readonly<Record<string, string | number>>;
  /** default 512 */
  readonly heapMiB?: number;
}

export interface KafkaServer {
  /** host:port of every broker, joined by commas */
  readonly bootstrap: string;
  readonly folder: string;
  pid(node?: number): number;
  /** SIGTERM to all, and the data is removed. */
  stop(): Promise<void>;
  /** SIGKILL to one node, numbered from 1; its data stays. */
  kill9(node?: number): Promise<void>;
  /** SIGTERM to one node; its data stays. */
  shutdown(node?: number): Promise<void>;
  /** Starts a node that was killed or shut down, on the same port, and waits until it serves. */
  restart(node?: number): Promise<void>;
  signal(signal: NodeJS.Signals, node?: number): void;
  /** Runs a Kafka command line class; `--bootstrap-server` is added when the arguments do not name one. */
  runTool(
    mainClass: KafkaTool,
    args: readonly string[],
    options?: { input?: string; timeoutMs?: number },
  ): Promise<ToolResult>;
}

export type KafkaTool =
  | 'topics'
  | 'configs'
  | 'console-producer'
  | 'console-consumer'
  | 'consumer-groups'
  | 'producer-perf-test'
  | 'delete-records'
  | 'dump-log'
  | 'transactions'
  | 'get-offsets';

const TOOLS: Record<KafkaTool, string> = {
  topics: 'org.apache.kafka.tools.TopicCommand',
  configs: 'org.apache.kafka.tools.ConfigCommand',
  'console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'dump-log': 'kafka.tools.DumpLogSegments',
  transactions: 'org.apache.kafka.tools.TransactionsCommand',
  'get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
};
const TOOLS_WITHOUT_BOOTSTRAP: readonly KafkaTool[] = ['dump-log'];

const clusterId = (): string => randomBytes(16).toString('base64url');

function properties(options: {
  node: number;
  brokers: number;
  port: number;
  advertisedPort: number;
  controllerPorts: readonly number[];
  data: string;
  extra: Readonly<Record<string, string | number>>;
}): string {
  const { node, brokers, port, advertisedPort, controllerPorts, data, extra } = options;
  const controllerPort = controllerPorts[node - 1];
  const controller = controllerPort !== undefined;
  const replicas = Math.min(3, brokers);
  const all: Record<string, string | number> = {
    'process.roles': controller ? 'broker,controller' : 'broker',
    'node.id': node,
    'controller.quorum.voters': controllerPorts.map((one, index) => `${index + 1}@127.0.0.1:${one}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    listeners: `PLAINTEXT://127.0.0.1:${port}${controller ? `,CONTROLLER://127.0.0.1:${controllerPort}` : ''}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${advertisedPort}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': data,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.num.partitions': 4,
    'transaction.state.log.min.isr': Math.min(2, replicas),
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': 'false',
    'log.segment.delete.delay.ms': 1000,
    'log.cleaner.enable': 'true',
    'log.cleaner.dedupe.buffer.size': 4_194_304,
    ...extra,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/**
 * A formatted data folder takes a JVM start of two seconds, so it is made once and copied. Node id and cluster id are
 * text in meta.properties; the folder's own id may be the same in clusters that never meet, but not within one.
 */
async function formattedFolder(): Promise<string> {
  const template = join(CACHE, 'kafka-formatted');
  if (existsSync(join(template, 'meta.properties'))) return template;
  const work = temporaryFolder('format');
  const data = join(work, 'data');
  const file = join(work, 'server.properties');
  writeFileSync(
    file,
    properties({ node: 1, brokers: 1, port: 9092, advertisedPort: 9092, controllerPorts: [9093], data, extra: {} }),
  );
  const result = await runProcess('java', [
    '-cp',
    CLASSPATH,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    clusterId(),
    '-c',
    file,
  ]);
  if (result.status !== 0) throw new Error(`cannot format Kafka's data folder: ${result.stdout}${result.stderr}`);
  const copy = `${template}.${process.pid}`;
  cpSync(data, copy, { recursive: true });
  rmSync(template, { recursive: true, force: true });
  renameSync(copy, template);
  rmSync(work, { recursive: true, force: true });
  return template;
}

function copyFormatted(template: string, data: string, node: number, cluster: string): void {
  cpSync(template, data, { recursive: true });
  const meta = readFileSync(join(template, 'meta.properties'), 'utf8')
    .replace(/^cluster\.id=.*$/m, `cluster.id=${cluster}`)
    .replace(/^node\.id=.*$/m, `node.id=${node}`)
    .replace(/^directory\.id=.*$/m, `directory.id=${randomBytes(16).toString('base64url')}`);
  writeFileSync(join(data, 'meta.properties'), meta);
}

/** Whether a broker answers an ApiVersions v0 request: an open port alone says too little. */
function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    const end = (ok: boolean): void => {
      socket.destroy();
      done(ok);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => socket.write(Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])));
    socket.once('data', () => end(true));
  });
}

export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  resolveJars();
  const brokers = options.brokers ?? 1;
  const heap = options.heapMiB ?? 512;
  const template = await formattedFolder();
  const folder = temporaryFolder('kafka');
  removeAtExit(folder);
  const cluster = clusterId();
  const free = await freePorts(brokers + (options.controllers ?? 1));
  const [ports, controllerPorts] = [free.slice(0, brokers), free.slice(brokers)];
  const log4j = join(folder, 'log4j2.yaml');
  writeFileSync(log4j, LOG4J);
  const bootstrap = ports.map((port) => `127.0.0.1:${port}`).join(',');
  const nodes = ports.map((port, index) => {
    const node = index + 1;
    const data = join(folder, `node-${node}`);
    copyFormatted(template, data, node, cluster);
    const file = join(folder, `node-${node}.properties`);
    const extra = options.properties ?? {};
    const advertisedPort = options.advertisedPort ?? port;
    writeFileSync(file, properties({ node, brokers, port, advertisedPort, controllerPorts, data, extra }));
    return { node, port, file, log: join(folder, `node-${node}.log`), process: undefined as ServerProcess | undefined };
  });
  const nodeOf = (node: number): (typeof nodes)[number] => {
    const found = nodes[node - 1];
    if (found === undefined) throw new Error(`no Kafka node ${node}`);
    return found;
  };
  const begin = async (node: (typeof nodes)[number]): Promise<void> => {
    mkdirSync(folder, { recursive: true });
    const args = [
      `-Xmx${heap}m`,
      `-Xms${Math.min(256, heap)}m`,
      '-XX:TieredStopAtLevel=4',
      `-Dlog4j2.configurationFile=${log4j}`,
    ];
    node.process = startProcess('java', [...args, '-cp', CLASSPATH, 'kafka.Kafka', node.file], node.log);
    await waitUntil(() => answers(node.port), {
      what: `Kafka node ${node.node}`,
      timeoutMs: READY_TIMEOUT_MS,
      server: node.process,
    });
  };
  const server: KafkaServer = {
    bootstrap,
    folder,
    pid: (node = 1) => nodeOf(node).process?.pid ?? -1,
    async stop() {
      await Promise.all(nodes.map(async (node) => node.process?.stop(10_000)));
      removeFolder(folder);
    },
    kill9: async (node = 1) => nodeOf(node).process?.kill9(),
    shutdown: async (node = 1) => nodeOf(node).process?.stop(20_000),
    restart: (node = 1) => begin(nodeOf(node)),
    signal: (signal, node = 1) => nodeOf(node).process?.signal(signal),
    runTool: (tool, args, toolOptions) => runKafkaTool(bootstrap, tool, args, toolOptions),
  };
  try {
    await Promise.all(nodes.map(begin));
    await waitUntil(() => groupsWork(nodes[0]?.port ?? 0), { what: 'the Kafka cluster', timeoutMs: READY_TIMEOUT_MS });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** Metadata v1 without topics names the brokers only once the node has caught up with the controller. */
function groupsWork(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    const end = (ok: boolean): void => {
      socket.destroy();
      done(ok);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once('error', () => end(false));
    // size 14, api 3, version 1, correlation 1, no client id, topics: an empty array
    socket.once('connect', () =>
      socket.write(Buffer.from([0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0])),
    );
    socket.once('data', (data: Buffer) => end(data.length >= 12 && data.readInt32BE(8) > 0));
  });
}

/** Also for a cluster that somebody else started. */
export function runKafkaTool(
  bootstrap: string,
  tool: KafkaTool,
  args: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<ToolResult> {
  resolveJars();
  const server =
    TOOLS_WITHOUT_BOOTSTRAP.includes(tool) || args.includes('--bootstrap-server')
      ? []
      : ['--bootstrap-server', bootstrap];
  const jvm = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dlog4j2.level=ERROR'];
  return runProcess('java', [...jvm, '-cp', CLASSPATH, TOOLS[tool], ...server, ...args], options);
}
