import { randomUUID } from 'node:crypto';
import { createDecisionEncoder } from '../codec/decision-encoder.ts';
import { registerOutputSchemas, type SchemaRegistry } from '../codec/registry.ts';
import { createAvroTransactionDecoder, createConfluentTransactionDecoder } from '../codec/transaction-decoder.ts';
import { loadBrain, makeEngine, type Brain } from '../app.ts';
import type { Settings } from '../config/options.ts';
import { toFraudstreamError } from '../domain/errors.ts';
import { Health } from '../observability/health.ts';
import { startHttpServer, type RunningHttpServer } from '../observability/http-server.ts';
import { Metrics } from '../observability/metrics.ts';
import { CacheBudget } from '../state/cache.ts';
import { MemoryStateStore } from '../state/memory-store.ts';
import { assertNoEviction } from '../state/redis/redis-check.ts';
import { RedisClient } from '../state/redis/redis-client.ts';
import { RedisStateStore } from '../state/redis/redis-store.ts';
import type { StateStore } from '../state/store.ts';
import { pauseFor } from '../transport/kafka/backoff.ts';
import type { KafkaClient } from '../transport/kafka/client.ts';
import { KafkaConsumer } from '../transport/kafka/consumer.ts';
import { ProcessMark } from '../transport/kafka/process-mark.ts';
import { createTopics } from '../transport/kafka/topics.ts';
import type { CommandContext } from './command.ts';
import { kafkaClientOf, redisSettingsOf, registryOf } from './connections.ts';
import { RunGroup, type GroupPorts } from './run-group.ts';
import { checkCatalogue } from './run-catalogue.ts';
import { groupOf, RunKafka } from './run-kafka.ts';
import { RunObserver } from './run-observer.ts';
import { openSnapshots, StateSnapshots } from './state-snapshots.ts';
import { Watchdog } from './run-watchdog.ts';

const CACHE_BYTES = 67_108_864;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 5_000;
/** brokers forget offsets after 7 days and producer ids after 1 day without use, unless told otherwise */
const KEEP_ALIVE_MS = 43_200_000;
/** a member learns by its heartbeat that another one has left: how fast partitions change hands hangs on it */
const HEARTBEATS_PER_SESSION = 12;

/**
 * `fraudstream run`: decides the payments of a Kafka topic until it is told to stop. Kafka, Redis or the registry being
 * away is waited for, at start and later; wrong settings or a wrong model end it at once.
 */
export async function run(context: CommandContext): Promise<number> {
  const { settings, log, clock, signal, version } = context;
  const brain = await loadBrain(settings);
  const health = new Health({ stallTimeoutMs: settings['health.stall-timeout'] });
  health.set('model', true);
  const metrics = new Metrics({ process: true });
  metrics.gauge('build_info', version, brain.scorer.modelVersion, brain.policy.version).set(1);
  metrics.gauge('start_time_seconds').set(clock.nowMs() / 1_000);
  const http = await startHttp(settings, health, metrics, context);
  try {
    return await serve(context, brain, health, metrics);
  } finally {
    await http?.close();
    await brain.scorer.close();
    log.info('stopped', { signal: signal.aborted ? String(signal.reason) : '' });
  }
}

async function serve(context: CommandContext, brain: Brain, health: Health, metrics: Metrics): Promise<number> {
  const { settings, log, clock, signal } = context;
  checkCatalogue(brain.plan, log);
  const kafka = kafkaClientOf(settings, log);
  const { store, check } = openStore(context, brain, health, metrics);
  const registry = registryOf(settings);
  const ports = new RunKafka(kafka, settings, registry, clock);
  try {
    const started = await patiently(context, health, async () => {
      if (settings['topics.create']) await createMissingTopics(kafka, context);
      await ports.prepare();
      await check();
      return registry === null ? { schemaIds: null } : { schemaIds: await registerOutputs(registry, settings) };
    });
    if (started === null) return 0;
    health.set('kafka', true);
    const snapshots = openStateSnapshots(context, brain);
    const options = { recordBytesMax: settings['record.max-bytes'], cardNumberGuard: settings['guard.card-numbers'] };
    const encoder = createDecisionEncoder(started.schemaIds);
    const group: RunGroup = new RunGroup(
      {
        engine: () =>
          makeEngine(brain, settings, {
            decoder:
              registry === null
                ? createAvroTransactionDecoder(options)
                : createConfluentTransactionDecoder(registry, options),
            encoder,
            clock,
          }),
        store,
        budget: new CacheBudget(settings['state.cache-bytes'] ?? CACHE_BYTES),
        app: settings['app.id'],
        processId: randomUUID(),
        inputOf: (assigned) => ports.inputOf(assigned),
        publisherOf: (topic, partition) => ports.publisherOf(topic, partition),
        ledger: ports.ledger,
        outputLog: ports.outputLog,
        pause: pauseFor,
        partitionCount: () => consumer.partitionCount(settings['topics.transactions']),
        ...(snapshots ? { restore: restoreFrom(snapshots) } : {}),
        clock,
        log,
        observer: new RunObserver(metrics, health, clock),
        onAssignment: (partitions) => {
          metrics.counter('rebalances_total').inc(1);
          metrics.gauge('assigned_partitions').set(partitions.length);
          log.info('partitions assigned', { partitions: partitions.join(',') });
        },
      },
      {
        delivery: settings.delivery,
        startPolicy: settings['kafka.from'],
        futureSkewMs: settings['event.future-skew'],
        keepAliveMs: KEEP_ALIVE_MS,
        partitioner: settings['kafka.partitioner'],
        onUnavailable: settings['state.on-unavailable'],
        flushIntervalMs: settings['state.flush-interval'],
        flushRecordsMax: settings['state.flush-records-max'],
        flushBytesMax: settings['state.flush-bytes-max'],
      },
    );
    const consumer: KafkaConsumer = new KafkaConsumer(
      kafka,
      {
        groupId: groupOf(settings),
        topics: [settings['topics.transactions']],
        waitMsMax: settings['kafka.fetch-max-wait'],
        bytesMax: settings['kafka.fetch-max-bytes'],
        partitionBytesMax: settings['kafka.fetch-partition-bytes'],
        batchRecordsMax: settings['batch.records-max'],
        batchValueBytesMax: settings['batch.bytes-max'],
        sessionTimeoutMs: settings['kafka.session-timeout'],
        ...(settings['kafka.partitions'] === null ? {} : { partitionsMax: settings['kafka.partitions'] }),
        heartbeatMs: Math.ceil(settings['kafka.session-timeout'] / HEARTBEATS_PER_SESSION),
        mark: ProcessMark.own(settings['kafka.instance-id']),
      },
      group,
    );
    consumer.start();
    const watchdog = new Watchdog({
      consumer,
      group,
      health,
      metrics,
      store,
      clock,
      log,
      onTick: () => snapshots?.tick(group.stores),
      giveUpWithinMs: 10 * settings['health.stall-timeout'],
    });
    const exitCode = await watchdog.watch(signal);
    health.stopping();
    await drain(consumer, context);
    await snapshots?.settled();
    return exitCode;
  } finally {
    await Promise.allSettled([ports.close(), store.close()]);
  }
}

/** Finishes the batches in hand, commits, flushes, leaves the group: within the deadline. */
async function drain(consumer: KafkaConsumer, { settings, log, clock }: CommandContext): Promise<void> {
  const startMs = clock.monotonicMs();
  const expired = new AbortController();
  const timeout = pauseFor(settings['shutdown.deadline'], expired.signal).then(() => 'late' as const);
  const stopped = consumer.stop().then(() => 'stopped' as const);
  const outcome = await Promise.race([stopped, timeout]);
  expired.abort();
  const durationMs = Math.round(clock.monotonicMs() - startMs);
  if (outcome === 'late')
    log.warn('shutdown deadline passed; what is not flushed is folded again', { duration_ms: durationMs });
  else log.info('drained', { duration_ms: durationMs });
}

/** A store, and whether it may be used for state: throws FS_CONFIG_INVALID when it forgets by itself. */
interface OpenStore {
  readonly store: StateStore;
  readonly check: () => Promise<void>;
}

function openStore({ settings, log }: CommandContext, brain: Brain, health: Health, metrics: Metrics): OpenStore {
  if (settings['state.store'] === 'memory') {
    health.set('store', true);
    return { store: new MemoryStateStore(), check: async () => undefined };
  }
  const client = new RedisClient(redisSettingsOf(settings), ({ kind, url, message }) => {
    if (kind === 'ready') {
      health.set('store', true);
      log.info('Redis connected', { url });
    } else if (kind === 'error') {
      health.set('store', false, message);
      metrics.counter('redis_errors_total', 'connection').inc(1);
      log.warn('Redis', { url, reason: message });
    }
  });
  const store = new RedisStateStore(client, {
    app: settings['app.id'],
    ttlMs: brain.plan.layout.horizonMs + settings['state.ttl-slack'],
  });
  return { store, check: () => assertNoEviction(client) };
}

function openStateSnapshots({ settings, clock, log }: CommandContext, brain: Brain): StateSnapshots | null {
  const folder = settings['state.snapshot-dir'];
  if (folder === null) return null;
  const target = openSnapshots(folder, settings['app.id'], log);
  const fingerprint = brain.plan.layout.fingerprint;
  return new StateSnapshots({ target, fingerprint, clock, log }, settings['state.snapshot-interval']);
}

function restoreFrom(snapshots: StateSnapshots): NonNullable<GroupPorts['restore']> {
  return async (store, input, { offset }) =>
    snapshots.restore({ topic: input.topic, partition: input.partition }, store, await input.identity(), offset);
}

async function startHttp(
  settings: Settings,
  health: Health,
  metrics: Metrics,
  { clock, log }: CommandContext,
): Promise<RunningHttpServer | null> {
  if (!settings['http.enabled']) return null;
  const server = await startHttpServer({
    host: settings['http.host'],
    port: settings['http.port'],
    live: () => health.live(clock.monotonicMs()),
    ready: () => health.ready(),
    metrics: () => metrics.exposition(),
    metricsContentType: metrics.contentType,
  });
  log.info('serving /metrics, /healthz, /readyz', { host: server.host, port: server.port });
  return server;
}

async function createMissingTopics(kafka: KafkaClient, { settings, log }: CommandContext): Promise<void> {
  const shape = { partitions: settings['topics.partitions'], replication: settings['topics.replication'] };
  const names = ['transactions', 'labels', 'decisions', 'flagged', 'dead-letter'] as const;
  const created = await createTopics(
    kafka,
    names.map((name) => ({ name: settings[`topics.${name}`], ...shape })),
  );
  if (created.length > 0) log.info('topics created', { topics: created.join(',') });
}

function registerOutputs(registry: SchemaRegistry, settings: Settings): ReturnType<typeof registerOutputSchemas> {
  return registerOutputSchemas(registry, {
    decisions: settings['topics.decisions'],
    flagged: settings['topics.flagged'],
  });
}

/** Waits for who is away. @returns null when told to stop meanwhile. Throws what waiting does not mend. */
async function patiently<T>(
  { log, signal }: CommandContext,
  health: Health,
  attempt: () => Promise<T>,
): Promise<T | null> {
  for (let waitMs = RETRY_MS_MIN; !signal.aborted; waitMs = Math.min(RETRY_MS_MAX, waitMs * 2)) {
    try {
      return await attempt();
    } catch (thrown) {
      const error = toFraudstreamError(thrown);
      if (!error.retriable) throw error;
      health.set('kafka', false, error.message);
      log.warn('waiting to start', { code: error.code, reason: error.message, retry_in_ms: waitMs });
      await pauseFor(waitMs, signal);
    }
  }
  return null;
}
