/**
 * Every metric, once: docs/metrics.md and the exposition come from this table. Full name: `fraudstream_` + name.
 * Labels have few, known values; no user, card or id is ever one.
 */
export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** of a histogram, upper bounds */
  readonly buckets?: readonly number[];
}

/** 10 µs … 10 s, three per decade: a batch's stages and one event's share of them */
const SECONDS = [
  0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10,
] as const;
const LATENCY_SECONDS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600,
] as const;
const RECORDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] as const;

export const METRICS = {
  events_total: { type: 'counter', help: 'input records handled, dead letters included', labels: [] },
  decisions_total: {
    type: 'counter',
    help: 'decisions written',
    labels: ['decision', 'flagged'],
  },
  dead_letters_total: { type: 'counter', help: 'records sent to the dead letter', labels: ['code'] },
  late_events_total: { type: 'counter', help: 'payments later than the allowed lateness', labels: [] },
  future_events_total: { type: 'counter', help: 'payments too far ahead of their record timestamp', labels: [] },
  duplicate_events_total: { type: 'counter', help: 'payments seen before with equal content', labels: [] },
  inexact_decisions_total: { type: 'counter', help: 'decisions from a window that is estimated', labels: [] },
  reused_ids_total: { type: 'counter', help: 'payments whose transaction id was used for another one', labels: [] },
  degraded_decisions_total: {
    type: 'counter',
    help: 'decisions with something in `degraded`: estimated windows, no history, no model',
    labels: [],
  },
  folded_events_total: { type: 'counter', help: 'records folded silently after a restart', labels: [] },
  misplaced_events_total: {
    type: 'counter',
    help: 'records that are not in the partition of their key (murmur2): users may be spread over partitions',
    labels: [],
  },
  fenced_total: {
    type: 'counter',
    help: 'times another owner has taken over a partition in the middle of our work; more than a few a minute: two groups fight',
    labels: [],
  },
  stage_seconds: {
    type: 'histogram',
    help: 'time of one batch in a stage; the rate of its _sum over that of events_total is the cost of one event',
    labels: ['stage'],
    buckets: SECONDS,
  },
  batch_records: { type: 'histogram', help: 'records in a batch', labels: [], buckets: RECORDS },
  end_to_end_seconds: {
    type: 'histogram',
    help: 'decision time minus record timestamp',
    labels: [],
    buckets: LATENCY_SECONDS,
  },
  lag_records: { type: 'gauge', help: 'records that wait in an assigned input partition', labels: ['partition'] },
  unstable_records: {
    type: 'gauge',
    help: 'records of an assigned input partition behind an open transaction of a producer: nobody may read them before it ends',
    labels: ['partition'],
  },
  next_offset: { type: 'gauge', help: 'next input offset to decide, by assigned partition', labels: ['partition'] },
  assigned_partitions: { type: 'gauge', help: 'input partitions that this process owns', labels: [] },
  cache_hits_total: { type: 'counter', help: 'histories found in the cache', labels: [] },
  cache_misses_total: { type: 'counter', help: 'histories loaded from the store', labels: [] },
  cache_evictions_total: { type: 'counter', help: 'histories dropped from the cache for room', labels: [] },
  cache_entries: { type: 'gauge', help: 'histories in the cache', labels: [] },
  cache_bytes: { type: 'gauge', help: 'size of the histories in the cache', labels: [] },
  flushes_total: { type: 'counter', help: 'state flushes', labels: ['outcome'] },
  flush_bytes_total: { type: 'counter', help: 'state bytes written', labels: [] },
  flush_records_total: { type: 'counter', help: 'histories written', labels: [] },
  flush_seconds: { type: 'histogram', help: 'time of one flush', labels: [], buckets: SECONDS },
  kafka_errors_total: { type: 'counter', help: 'errors of the Kafka client', labels: ['code'] },
  redis_errors_total: { type: 'counter', help: 'errors of the Redis client', labels: ['code'] },
  registry_errors_total: { type: 'counter', help: 'errors of the schema registry', labels: ['code'] },
  rebalances_total: { type: 'counter', help: 'changes of the assigned partitions', labels: [] },
  consumer_restarts_total: { type: 'counter', help: 'restarts of the consumer', labels: ['reason'] },
  live: { type: 'gauge', help: '1 while /healthz says ok', labels: [] },
  ready: { type: 'gauge', help: '1 while /readyz says ok', labels: [] },
  start_time_seconds: { type: 'gauge', help: 'when this process began, seconds since 1970', labels: [] },
  build_info: { type: 'gauge', help: 'always 1', labels: ['version', 'model_version', 'policy_version'] },
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof METRICS;
export const METRIC_PREFIX = 'fraudstream_';

/** What prom-client adds for the process and for Node. */
export const PROCESS_METRICS = [
  ['process_cpu_seconds_total', 'CPU time, user and system'],
  ['process_resident_memory_bytes', 'resident memory'],
  ['process_open_fds', 'open file descriptors (Linux)'],
  ['nodejs_eventloop_lag_seconds', 'event loop lag, and its _mean, _stddev, _p50, _p90, _p99'],
  ['nodejs_heap_size_used_bytes', 'JavaScript heap in use, by space as well'],
  ['nodejs_external_memory_bytes', 'memory of buffers and native objects'],
  ['nodejs_gc_duration_seconds', 'garbage collection, by kind'],
  ['nodejs_active_resources', 'open handles and requests, by type'],
] as const;
