import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeAtExit, REPOSITORY, temporaryFolder } from '../servers/process.ts';
import { kafkaOf, type Mishap } from './mishap.ts';
import { readOffset, setOffset } from '../support/e2e-log.ts';
import { decidedAll, topicsOf } from '../support/e2e-topics.ts';
import type { Scene } from './scene.ts';

/** What operators do to a running application by mistake, and how the application must take it. */

const BACK = 40;
const FORWARD = 25;
const RANGE = /\d+ to \d+/;
const COMMAND = /fraudstream state (accept|rebase|repartition|rebuild|drop)/;

async function reset(scene: Scene, by: number): Promise<void> {
  const topic = scene.place.topics.transactions;
  const now = await readOffset(scene.broker, scene.ledgerGroup, topic, 0);
  if (now === null) throw new Error('no position to reset');
  await setOffset(scene.broker, scene.ledgerGroup, topic, 0, { offset: now.offset + by, metadata: '' });
}

async function copyOffsets(scene: Scene, to: string): Promise<void> {
  const topic = scene.place.topics.transactions;
  for (const partition of scene.partitions) {
    const position = await readOffset(scene.broker, scene.ledgerGroup, topic, partition);
    if (position !== null) await setOffset(to, scene.ledgerGroup, topic, partition, position);
  }
}

async function remake(scene: Scene, topics: readonly string[]): Promise<void> {
  const { kafka } = scene.world;
  await kafka.admin.deleteTopics({ topics: [...topics] });
  // a name may be taken again a moment after the topic is gone
  for (let tries = 0; ; tries++) {
    try {
      await kafka.create(topics, scene.partitions.length);
      return;
    } catch (error) {
      if (tries >= 20) throw error;
      await new Promise((go) => setTimeout(go, 250));
    }
  }
}

async function makeTopicsOn(scene: Scene, broker: string): Promise<void> {
  const kafka = kafkaOf(broker);
  try {
    await kafka.createAll(scene.place.topics, scene.partitions.length);
  } finally {
    await kafka.close();
  }
}

/** Each is stopped before the first wrong output, with the range where there is one, and the command. */
export const MISHAPS: readonly Mishap[] = [
  {
    name: 'group reset forward',
    codes: ['FS_POSITION_FOREIGN'],
    says: [RANGE, COMMAND],
    partitions: [0],
    async happen(scene) {
      await scene.pay();
      // with the tool that operators use
      const { stdout, status } = await scene.tool('consumer-groups', [
        ...['--group', scene.ledgerGroup, '--topic', `${scene.place.topics.transactions}:0`],
        ...['--reset-offsets', '--shift-by', String(FORWARD), '--execute'],
      ]);
      if (status !== 0) throw new Error(stdout);
      return {};
    },
  },
  {
    name: 'group reset back',
    codes: ['FS_POSITION_FOREIGN'],
    says: [RANGE, COMMAND],
    partitions: [0],
    async happen(scene) {
      await reset(scene, -BACK);
      return {};
    },
  },
  {
    name: 'group reset back and Redis wiped',
    codes: ['FS_POSITION_FOREIGN'],
    says: [RANGE, COMMAND],
    partitions: [0],
    async happen(scene) {
      await reset(scene, -BACK);
      await scene.wipeRedis();
      return {};
    },
  },
  {
    name: 'ledger group deleted',
    codes: ['FS_POSITION_LOST'],
    says: [/reaches \d+/, COMMAND],
    async happen(scene) {
      await scene.world.kafka.admin.deleteGroups([scene.ledgerGroup]);
      return {};
    },
  },
  {
    name: 'ledger group deleted and Redis wiped',
    codes: ['FS_POSITION_LOST'],
    says: [/reaches input \d+/, COMMAND],
    async happen(scene) {
      await scene.world.kafka.admin.deleteGroups([scene.ledgerGroup]);
      await scene.wipeRedis();
      return {};
    },
  },
  {
    name: 'partitions added',
    codes: ['FS_PARTITIONS_CHANGED'],
    says: [/has 3 partitions.* with 2/, COMMAND],
    async happen(scene) {
      const { transactions, decisions, flagged, deadLetter } = scene.place.topics;
      const count = scene.partitions.length + 1;
      await scene.world.kafka.admin.createPartitions({
        topicPartitions: [transactions, decisions, flagged, deadLetter].map((topic) => ({ topic, count })),
      });
      return {};
    },
  },
  {
    name: 'input topic made anew',
    codes: ['FS_LOG_CHANGED', 'FS_OFFSET_OUT_OF_RANGE'],
    says: [/made anew/, COMMAND],
    gone: true,
    async happen(scene) {
      await remake(scene, [scene.place.topics.transactions]);
      return {};
    },
  },
  {
    name: 'input deleted before it was decided',
    codes: ['FS_OFFSET_OUT_OF_RANGE'],
    says: [RANGE, COMMAND],
    partitions: [0],
    gone: true,
    async happen(scene) {
      await scene.pay();
      const topic = scene.place.topics.transactions;
      const position = await readOffset(scene.broker, scene.ledgerGroup, topic, 0);
      const partitions = [{ partition: 0, offset: String((position?.offset ?? 0) + 10) }];
      await scene.world.kafka.admin.deleteTopicRecords({ topic, partitions });
      return {};
    },
  },
  {
    name: 'topic of decisions made anew',
    codes: ['FS_OUTPUT_MISMATCH'],
    says: [/decided up to \d+/, COMMAND],
    gone: true,
    async happen(scene) {
      await remake(scene, [scene.place.topics.decisions]);
      return {};
    },
  },
  {
    name: 'another, empty cluster',
    codes: ['FS_LOG_CHANGED'],
    says: [/cluster \S+, this is/, COMMAND],
    async happen(scene) {
      const other = (await scene.stage.otherKafka()).bootstrap;
      await makeTopicsOn(scene, other);
      return { kafka: other };
    },
  },
  {
    name: 'another cluster with the offsets copied, Redis wiped',
    codes: ['FS_LOG_CHANGED'],
    says: [/cluster \S+, this is/, COMMAND],
    async happen(scene) {
      const other = (await scene.stage.otherKafka()).bootstrap;
      await makeTopicsOn(scene, other);
      await copyOffsets(scene, other);
      await scene.wipeRedis();
      return { kafka: other };
    },
  },
  {
    name: 'old program after a newer one',
    codes: ['FS_POSITION_FOREIGN'],
    says: [/newer version/],
    partitions: [0],
    async happen(scene) {
      const topic = scene.place.topics.transactions;
      const now = await readOffset(scene.broker, scene.ledgerGroup, topic, 0);
      const metadata = (now?.metadata ?? '').replace(/^fs1/, 'fs2');
      await setOffset(scene.broker, scene.ledgerGroup, topic, 0, { offset: now?.offset ?? 0, metadata });
      return {};
    },
  },
  {
    name: 'second application with the same id and other outputs',
    codes: ['FS_OUTPUT_MISMATCH'],
    says: [/decided up to \d+/, COMMAND],
    async happen(scene) {
      const { decisions, flagged, deadLetter } = topicsOf('other');
      await scene.world.kafka.create([decisions, flagged, deadLetter], scene.partitions.length);
      return { topics: { decisions, flagged, deadLetter } };
    },
  },
  {
    name: 'delivery flipped while the group is live',
    codes: ['FS_DELIVERY_CHANGED'],
    says: [/delivery exactly-once.*at-least-once/, COMMAND],
    partitions: 'some',
    live: true,
    happen: () => Promise.resolve({ settings: { delivery: 'at-least-once' } }),
  },
  {
    name: 'input topic compacted',
    codes: ['FS_INPUT_COMPACTED'],
    says: [/cleanup\.policy/],
    async happen(scene) {
      await scene.alter(scene.place.topics.transactions, 'cleanup.policy', 'compact');
      return {};
    },
  },
  {
    name: 'Redis of the same application elsewhere',
    codes: ['FS_LOG_CHANGED'],
    says: [/state of .* belongs to cluster/, COMMAND],
    async happen(scene) {
      // it has decided a copy of the topics on another cluster, with that Redis
      const other = (await scene.stage.otherKafka()).bootstrap;
      await makeTopicsOn(scene, other);
      const elsewhere = await scene.stage.newRedis(false);
      const kafka = kafkaOf(other);
      try {
        const payments = [...scene.inputs.values()].flat();
        const messages = payments.map(({ key, value, partition }) => ({ key, value, partition }));
        await kafka.send(scene.place.topics.transactions, messages);
        const place = { ...scene.place, kafka: other, redis: elsewhere.url };
        const program = scene.world.start({}, place);
        await decidedAll(kafka, scene.place.topics, [program]);
        await program.stop();
      } finally {
        await kafka.close();
      }
      return { redis: elsewhere.url };
    },
  },
];

/** No mistakes, or ones that heal: nothing stops, nothing is wrong. */
export const HARMLESS: readonly Mishap[] = [
  {
    name: 'Redis wiped',
    codes: [],
    says: [],
    async happen(scene) {
      await scene.wipeRedis();
      return {};
    },
  },
  {
    name: 'Redis restored from an older snapshot',
    codes: [],
    says: [],
    async happen(scene) {
      const older = await scene.snapshot();
      await scene.decideSome();
      await scene.restore(older);
      return {};
    },
  },
  {
    name: 'Redis of another application',
    codes: [],
    says: [],
    async happen(scene) {
      const other = await scene.stage.newRedis(false);
      const app = `${scene.place.topics.app}-neighbour`;
      const topics = {
        ...scene.place.topics,
        ...topicsOf('neighbour'),
        transactions: scene.place.topics.transactions,
        app,
      };
      await scene.world.kafka.create([topics.decisions, topics.flagged, topics.deadLetter], scene.partitions.length);
      const neighbour = scene.world.start({}, { ...scene.place, redis: other.url, topics });
      await decidedAll(scene.world.kafka, topics, [neighbour]);
      await neighbour.stop();
      return { redis: other.url };
    },
  },
  {
    name: 'second application with the same id and all other topics',
    codes: [],
    says: [],
    live: true,
    async happen(scene) {
      const other = topicsOf('namesake');
      await scene.world.kafka.createAll(other, scene.partitions.length);
      const messages = [...scene.inputs.values()]
        .flat()
        .map(({ key, value, partition }) => ({ key, value, partition }));
      await scene.world.kafka.send(other.transactions, messages);
      const { transactions, labels, decisions, flagged, deadLetter } = other;
      return { topics: { transactions, labels, decisions, flagged, deadLetter } };
    },
  },
  {
    name: 'catalogue that keeps another field',
    codes: [],
    says: [],
    happen() {
      const shipped = readFileSync(join(REPOSITORY, 'config/features.yaml'), 'utf8').trimEnd();
      const folder = temporaryFolder('catalogue');
      removeAtExit(folder);
      const file = join(folder, 'features.yaml');
      const more = '  - { name: currencies_1h, aggregate: distinct, of: currency, window: 1h }';
      writeFileSync(file, `${shipped}\n${more}\n`);
      return Promise.resolve({ settings: { 'catalogue.file': file }, otherwise: true });
    },
  },
];
