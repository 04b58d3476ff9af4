import { DEAD_LETTER_HEADERS } from '../../src/codec/dead-letter.ts';
import { SCHEMA_TYPES } from '../../src/codec/schemas.ts';
import { RunGroup } from '../../src/commands/run-group.ts';
import { AtLeastOncePublisher, ExactlyOncePublisher, type Publisher } from '../../src/delivery/publisher.ts';
import { TransactionalProducer } from '../../src/delivery/transactional-producer.ts';
import type { Decision, FlaggedTransaction } from '../../src/domain/decision.ts';
import type { FraudstreamError } from '../../src/domain/errors.ts';
import type { Delivery } from '../../src/domain/log-mark.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { CacheBudget } from '../../src/state/cache.ts';
import { OutputTopics } from '../../src/transport/kafka/output-topics.ts';
import type { InputRecord } from '../../src/transport/record.ts';
import { simulatedEngine, FUTURE_SKEW_MS } from './engine.ts';
import { Life } from './life.ts';
import { Member } from './member.ts';
import { ModelKafkaClient } from './model-kafka-client.ts';
import { modelOutputLog } from './model-kafka-output.ts';
import { ModelSink } from './model-kafka-sink.ts';
import { ModelRedisStore } from './model-redis-store.ts';
import { SimulatedNetwork } from './network.ts';
import { APP, GROUP, INPUT, LEDGER_GROUP, OUTPUTS, transactionalIdOf, type World } from './world.ts';

/** below the transaction's */
const REQUEST_TIMEOUT_MS = 1_500;
const TRANSACTION_TIMEOUT_MS = 4_000;
const SESSION_TIMEOUT_MS = 4_000;
const TICK_MS = 100;
/** small, so that the output of a batch takes several */
const OUTPUT_BATCH_BYTES = 3_000;

const DECISION_TYPE = SCHEMA_TYPES.decision;
const FLAGGED_TYPE = SCHEMA_TYPES.flagged;

/** A process: the program's own code from the group's calls on, over models of all that is outside. */
export class Instance {
  readonly life: Life;
  /** why a partition halted, of those that have not gone on since */
  readonly halted = new Map<number, FraudstreamError>();
  readonly client: ModelKafkaClient;
  private readonly member: Member;

  constructor(name: string, world: World, delivery: Delivery, isStale: () => boolean) {
    const { scheduler, plan } = world;
    const life = new Life(name, scheduler);
    this.life = life;
    const random = world.random.stream(name);
    const network = new SimulatedNetwork(
      life,
      scheduler,
      random,
      { timeoutMs: REQUEST_TIMEOUT_MS, delayMsMax: 12 },
      (kind, of) => world.fateOfRequest(kind, of),
    );
    this.client = new ModelKafkaClient(world.kafka, network);
    const group = this.group(name, world, delivery);
    const { client } = this;
    this.member = new Member(
      {
        life,
        client,
        handler: group,
        taskPorts: (partition) => ({
          random,
          fetch: (offset) => client.fetch(INPUT, partition, offset, plan.fetchRecordsMax),
          batchRecordsMax: plan.batchRecordsMax,
          isStale,
          onHalt: (halted, error) => {
            scheduler.note(`${name} halts ${halted}: ${error.code}`);
            this.halted.set(halted, error);
          },
          onRunning: (running) => {
            scheduler.note(`${name} runs ${running}`);
            this.halted.delete(running);
          },
          onError: (of, error) => scheduler.trace?.(`          ${name} begins ${of} anew: ${error.message}`),
        }),
      },
      {
        group: GROUP,
        topic: INPUT,
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        rebalanceTimeoutMs: 10_000,
        heartbeatMs: 500,
      },
    );
    life.every(TICK_MS, 'tick', () => group.tick());
  }

  /** As SIGTERM does; then the process ends. */
  async stop(): Promise<void> {
    await this.member.stop();
    this.life.kill();
  }

  private group(name: string, world: World, delivery: Delivery): RunGroup {
    const { scheduler, plan, redis } = world;
    const { life, client } = this;
    const topics = new OutputTopics(OUTPUTS, plan.partitions);
    const sink = new ModelSink(client, topics, { deliveryTimeoutMs: 2_000 });
    const store = new ModelRedisStore(redis, APP, life, plan.sliceKeys);
    return new RunGroup(
      {
        app: APP,
        processId: name,
        engine: () => simulatedEngine(world.features, scheduler, world.hooksOf(life)),
        store,
        budget: new CacheBudget(plan.cacheBytes),
        inputOf: ({ topic, partition, signal, confirm }) => client.inputLog(topic, partition, signal, confirm),
        publisherOf: (topic, partition): Publisher => {
          const producer = new TransactionalProducer(
            { requests: client, clock: scheduler, pause: life.pause },
            {
              transactionalId: transactionalIdOf(partition),
              group: LEDGER_GROUP,
              transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
              batchBytesMax: OUTPUT_BATCH_BYTES,
              fenceTimeoutMs: 20_000,
            },
          );
          const ports = { key: { app: APP, topic, partition }, producer };
          return delivery === 'exactly-once'
            ? new ExactlyOncePublisher(ports, (stream, of) => topics.place(stream, of))
            : new AtLeastOncePublisher(ports, sink, life.pause);
        },
        ledger: client.ledger(LEDGER_GROUP),
        outputLog: modelOutputLog(client, {
          inputTopic: INPUT,
          decisionsTopic: OUTPUTS.decisions,
          deadLetterTopic: OUTPUTS['dead-letter'],
          decisionPlace: placeOf,
          ...(delivery === 'exactly-once' ? { flagged: { topic: OUTPUTS.flagged, place: flaggedPlaceOf } } : {}),
          deadLetterHeaders: DEAD_LETTER_HEADERS,
          decisions: delivery === 'at-least-once' ? 5_000 : 1,
        }),
        clock: scheduler,
        log: world.loggerOf(name) ?? SILENT_LOGGER,
        observer: {
          batch() {},
          published() {},
          flushed() {},
          folded() {},
          misplaced() {},
          failed() {},
        },
        pause: life.pause,
        onAssignment() {},
        partitionCount: () => plan.partitions,
      },
      {
        delivery,
        startPolicy: 'earliest',
        onUnavailable: plan.onUnavailable,
        futureSkewMs: FUTURE_SKEW_MS,
        keepAliveMs: 5_000,
        flushIntervalMs: plan.flushIntervalMs,
        flushRecordsMax: plan.flushRecordsMax,
        flushBytesMax: 1_000_000,
        partitioner: 'count',
      },
    );
  }
}

function flaggedPlaceOf(value: Buffer): Pick<InputRecord, 'topic' | 'partition' | 'offset'> | null {
  try {
    const { decision } = FLAGGED_TYPE.fromBuffer(value) as FlaggedTransaction;
    return { topic: decision.input_topic, partition: decision.input_partition, offset: decision.input_offset };
  } catch {
    return null;
  }
}

function placeOf(value: Buffer): Pick<InputRecord, 'topic' | 'partition' | 'offset'> | null {
  try {
    const decision = DECISION_TYPE.fromBuffer(value) as Decision;
    return { topic: decision.input_topic, partition: decision.input_partition, offset: decision.input_offset };
  } catch {
    return null;
  }
}
