import { Redis } from 'ioredis';
import kafkajs from 'kafkajs';
import { runKafkaTool, type KafkaServer } from '../servers/kafka.ts';
import type { RedisServer } from '../servers/redis.ts';
import { readLog, type Raw } from '../support/e2e-log.ts';
import { decidedAll } from '../support/e2e-topics.ts';
import type { Place, Settings } from '../support/e2e-run.ts';
import type { Stage } from './stage.ts';
import { World } from './world.ts';

/** An application that has decided some payments, on servers where an operator can make a mistake. */

const PARTITIONS = 2;

export class Scene {
  readonly world: World;
  readonly redis: RedisServer;
  readonly stage: Stage;
  /** the broker's address */
  readonly broker: string;
  /** the input as it was before the mistake */
  inputs: ReadonlyMap<number, readonly Raw[]> = new Map();
  private readonly client: Redis;

  private constructor(stage: Stage, world: World, redis: RedisServer, broker: string) {
    this.stage = stage;
    this.world = world;
    this.redis = redis;
    this.broker = broker;
    this.client = new Redis(redis.url);
  }

  /** @param broker that of the stage, unless told otherwise */
  static async make(stage: Stage, name: string, broker?: string, settings: Settings = {}): Promise<Scene> {
    const kafka = broker ?? (await stage.kafka()).bootstrap;
    const redis = await stage.newRedis(false);
    const options = { ...stage.world(name), kafka, redis: redis.url, partitions: PARTITIONS, settings };
    const world = await World.make({ ...options, rate: 400, users: 40 });
    return new Scene(stage, world, redis, kafka);
  }

  get place(): Place {
    return this.world.place;
  }

  get ledgerGroup(): string {
    return `${this.place.topics.app}.ledger`;
  }

  get partitions(): number[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => partition);
  }

  /** More payments in the input, some hundreds. */
  async pay(): Promise<void> {
    const load = this.world.begin();
    const deadlineMs = Date.now() + 60_000;
    while (load.sent < 150 && load.running && Date.now() < deadlineMs) await new Promise((go) => setTimeout(go, 20));
    await load.stop();
  }

  /** Payments are made and decided. @param stop the processor ends in peace */
  async decideSome(stop = true): Promise<void> {
    await this.pay();
    const program = this.world.running[0] ?? this.world.start();
    await decidedAll(this.world.kafka, this.place.topics, [program]);
    if (stop) {
      const code = await program.stop();
      if (code !== 0) throw new Error(`ended with ${code}\n${program.tail()}`);
    }
    this.inputs = await this.inputNow();
  }

  async inputNow(): Promise<ReadonlyMap<number, readonly Raw[]>> {
    const logs = await readLog(this.broker, this.place.topics.transactions);
    return new Map(logs.map(({ partition, records }) => [partition, records]));
  }

  tool(...[name, args]: Parameters<KafkaServer['runTool']>): ReturnType<KafkaServer['runTool']> {
    return runKafkaTool(this.broker, name, args);
  }

  async alter(topic: string, name: string, value: string): Promise<void> {
    const type = kafkajs.ConfigResourceTypes.TOPIC;
    const resources = [{ type, name: topic, configEntries: [{ name, value }] }];
    await this.world.kafka.admin.alterConfigs({ validateOnly: false, resources });
  }

  async wipeRedis(): Promise<void> {
    await this.client.flushall();
  }

  /** Everything that Redis holds, to be put back. */
  async snapshot(): Promise<ReadonlyMap<string, Buffer>> {
    const values = new Map<string, Buffer>();
    for (const key of await this.client.keys('*')) {
      const value = await this.client.dumpBuffer(key);
      if (value !== null) values.set(key, value);
    }
    return values;
  }

  async restore(values: ReadonlyMap<string, Buffer>): Promise<void> {
    await this.client.flushall();
    for (const [key, value] of values) await this.client.restore(key, 0, value);
  }

  async close(): Promise<void> {
    this.client.disconnect();
    await this.world.close();
    await this.redis.stop();
  }
}
