import { createDecisionEncoder } from '../codec/decision-encoder.ts';
import type { SchemaRegistry } from '../codec/registry.ts';
import { createAvroTransactionDecoder, createConfluentTransactionDecoder } from '../codec/transaction-decoder.ts';
import { loadPlan, makeEngine } from '../app.ts';
import { planAcquisition, type Acquisition } from '../delivery/acquisition.ts';
import { gatherFacts, type Facts } from '../delivery/facts.ts';
import { encodePosition, type Position, type PositionKey } from '../delivery/position.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { Delivery } from '../domain/log-mark.ts';
import type { Plan } from '../features/plan.ts';
import type { Scorer } from '../model/scorer.ts';
import type { Engine } from '../pipeline/engine.ts';
import { RedisClient } from '../state/redis/redis-client.ts';
import { RedisStateStore } from '../state/redis/redis-store.ts';
import type { PartitionStore, StateStore } from '../state/store.ts';
import { pauseFor } from '../transport/kafka/backoff.ts';
import type { KafkaClient } from '../transport/kafka/client.ts';
import { readGroupFacts } from '../transport/kafka/cluster-facts.ts';
import type { InputIdentity, InputLog } from '../transport/input-log.ts';
import type { CommandContext } from './command.ts';
import { kafkaClientOf, redisSettingsOf, registryOf } from './connections.ts';
import { groupOf, ledgerGroupOf, RunKafka } from './run-kafka.ts';

/** What acquisition would say of a partition now. */
export type Verdict = { readonly start: Acquisition } | { readonly halt: FraudstreamError };

/** Everything that the `state` commands look at and change, without being a member of the group. */
export class StateSession {
  readonly context: CommandContext;
  readonly topic: string;
  readonly client: KafkaClient;
  readonly plan: Plan;
  readonly store: StateStore;
  readonly identity: InputIdentity;
  private readonly kafka: RunKafka;
  private readonly registry: SchemaRegistry | null;

  private constructor(
    context: CommandContext,
    parts: Pick<StateSession, 'client' | 'plan' | 'store' | 'identity'> & {
      kafka: RunKafka;
      registry: SchemaRegistry | null;
    },
  ) {
    this.context = context;
    this.topic = context.settings['topics.transactions'];
    this.client = parts.client;
    this.plan = parts.plan;
    this.store = parts.store;
    this.identity = parts.identity;
    this.kafka = parts.kafka;
    this.registry = parts.registry;
  }

  /** Throws FS_CONFIG_INVALID, FS_CATALOGUE_INVALID, FS_KAFKA_…, FS_STATE_UNAVAILABLE. */
  static async open(context: CommandContext): Promise<StateSession> {
    const { settings, log, clock } = context;
    if (settings['state.store'] !== 'redis') {
      throw new FraudstreamError('FS_CONFIG_INVALID', 'state.store is memory: that state ended with its process');
    }
    const plan = await loadPlan(settings);
    const client = kafkaClientOf(settings, log);
    const registry = registryOf(settings);
    const store = new RedisStateStore(new RedisClient(redisSettingsOf(settings)), {
      app: settings['app.id'],
      ttlMs: plan.layout.horizonMs,
    });
    const kafka = new RunKafka(client, settings, registry, clock);
    try {
      const topic = settings['topics.transactions'];
      const identity = await kafka.inputOf(placeOf(topic, 0, context.signal)).identity();
      return new StateSession(context, { client, plan, store, identity, kafka, registry });
    } catch (thrown) {
      await Promise.allSettled([kafka.close(), store.close()]);
      throw thrown;
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.kafka.close(), this.store.close()]);
  }

  /** Those that `--partition` asks for; all by default. Throws FS_CONFIG_INVALID. */
  get partitions(): number[] {
    const { partitions: count } = this.identity;
    const asked = [...new Set(this.context.settings['state.partition'].map(Number))].sort((a, b) => a - b);
    const unknown = asked.find((partition) => partition >= count);
    if (unknown !== undefined) {
      throw new FraudstreamError('FS_CONFIG_INVALID', `${this.topic} has ${count} partitions: there is no ${unknown}`);
    }
    return asked.length > 0 ? asked : Array.from({ length: count }, (_, partition) => partition);
  }

  keyOf(partition: number): PositionKey {
    return { app: this.context.settings['app.id'], topic: this.topic, partition };
  }

  storeOf(partition: number): Promise<PartitionStore> {
    return this.store.open({ topic: this.topic, partition });
  }

  /** A key space beside the real one; no topic's name has a tilde. */
  stageOf(name: string, partition: number): Promise<PartitionStore> {
    return this.store.open({ topic: `${this.topic}~${name}`, partition });
  }

  inputOf(partition: number): InputLog {
    return this.kafka.inputOf(placeOf(this.topic, partition, this.context.signal));
  }

  async factsOf(partition: number): Promise<Facts> {
    return gatherFacts({
      app: this.context.settings['app.id'],
      input: this.inputOf(partition),
      ledger: this.kafka.ledger,
      outputLog: this.kafka.outputLog,
      store: await this.storeOf(partition),
      clock: this.context.clock,
      pause: pauseFor,
    });
  }

  /** What `run` would do with these facts. */
  verdictOn(facts: Facts, delivery: Delivery = this.context.settings.delivery): Verdict {
    const { settings } = this.context;
    const options = {
      delivery,
      fingerprint: this.plan.layout.fingerprint,
      startPolicy: settings['kafka.from'],
    };
    try {
      return { start: planAcquisition(facts, options) };
    } catch (thrown) {
      if (thrown instanceof FraudstreamError) return { halt: thrown };
      throw thrown;
    }
  }

  /** Members would decide and write meanwhile. Throws FS_GROUP_ACTIVE. */
  async refuseMembers(): Promise<void> {
    for (const group of [groupOf(this.context.settings), ledgerGroupOf(this.context.settings)]) {
      const facts = await readGroupFacts(this.client, group);
      if (facts === null || facts.members === 0) continue;
      const who = `group ${group} has ${facts.members} member${facts.members === 1 ? '' : 's'} (${facts.state})`;
      throw new FraudstreamError(
        'FS_GROUP_ACTIVE',
        `${who}; stop all instances, wait for the session time-out, try again`,
      );
    }
  }

  /** From now on no owner that was frozen can commit, and nothing that it left open is pending. Throws FS_KAFKA_…. */
  fence(partition: number): Promise<void> {
    return this.kafka.publisherOf(this.topic, partition).fence(this.context.signal);
  }

  /** After `fence`. Throws FS_KAFKA_FENCED when the ledger group has members. */
  async commit(partition: number, position: Position): Promise<void> {
    const metadata = encodePosition(this.keyOf(partition), position);
    await this.kafka.ledger.commit(this.topic, partition, position.offset, metadata);
  }

  /** One that folds; it cannot decide. */
  engine(): Engine {
    const { settings, clock } = this.context;
    const { registry, plan } = this;
    const options = { recordBytesMax: settings['record.max-bytes'], cardNumberGuard: settings['guard.card-numbers'] };
    return makeEngine(
      { plan, scorer: NO_SCORER, policy: { version: '', thresholds: NO_SCORER.thresholds } },
      settings,
      {
        decoder:
          registry === null
            ? createAvroTransactionDecoder(options)
            : createConfluentTransactionDecoder(registry, options),
        encoder: createDecisionEncoder(null),
        clock,
      },
    );
  }
}

const NO_SCORER: Scorer = {
  modelVersion: '',
  featureNames: [],
  columns: new Int32Array(0),
  thresholds: { flag: 1, block: 1 },
  score: () => Promise.reject(new FraudstreamError('FS_INTERNAL', 'state commands decide nothing')),
  close: () => Promise.resolve(),
};

/** Nobody gave us the partition: that is why members must be stopped before anything is changed. */
function placeOf(topic: string, partition: number, signal: AbortSignal): Parameters<RunKafka['inputOf']>[0] {
  return { topic, partition, signal, confirm: () => Promise.resolve() };
}
