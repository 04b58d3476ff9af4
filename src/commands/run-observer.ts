import type { Clock } from '../domain/clock.ts';
import { ERRORS, type ErrorCode } from '../domain/errors.ts';
import type { Health } from '../observability/health.ts';
import type { Metrics } from '../observability/metrics.ts';
import { STAGES, type BatchReport, type Observer, type PublishReport } from '../pipeline/report.ts';

/** From what the pipeline tells once per batch to metrics and health. Children are looked up once. */
export class RunObserver implements Observer {
  private readonly metrics: Metrics;
  private readonly health: Health;
  private readonly clock: Clock;
  private readonly stages;
  private readonly publishStage;
  private readonly counters;
  private readonly decisions;
  private readonly fenced;

  constructor(metrics: Metrics, health: Health, clock: Clock) {
    this.metrics = metrics;
    this.health = health;
    this.clock = clock;
    this.stages = STAGES.map((stage) => metrics.histogram('stage_seconds', stage));
    this.fenced = metrics.counter('fenced_total');
    this.publishStage = metrics.histogram('stage_seconds', 'publish');
    this.counters = {
      events: metrics.counter('events_total'),
      late: metrics.counter('late_events_total'),
      future: metrics.counter('future_events_total'),
      repeated: metrics.counter('duplicate_events_total'),
      reused: metrics.counter('reused_ids_total'),
      inexact: metrics.counter('inexact_decisions_total'),
      degraded: metrics.counter('degraded_decisions_total'),
      folded: metrics.counter('folded_events_total'),
      misplaced: metrics.counter('misplaced_events_total'),
      hits: metrics.counter('cache_hits_total'),
      misses: metrics.counter('cache_misses_total'),
      records: metrics.histogram('batch_records'),
      latency: metrics.histogram('end_to_end_seconds'),
      flushed: metrics.counter('flushes_total', 'ok'),
      failedFlushes: metrics.counter('flushes_total', 'failed'),
      flushBytes: metrics.counter('flush_bytes_total'),
      flushRecords: metrics.counter('flush_records_total'),
      flushSeconds: metrics.histogram('flush_seconds'),
    };
    this.decisions = {
      allowed: metrics.counter('decisions_total', 'ALLOW', 'false'),
      flagged: metrics.counter('decisions_total', 'ALLOW', 'true'),
      blocked: metrics.counter('decisions_total', 'BLOCK', 'true'),
    };
  }

  batch(report: BatchReport): void {
    const { counters } = this;
    let dead = 0;
    for (const [code, count] of report.deadLetters) {
      dead += count;
      this.metrics.counter('dead_letters_total', code).inc(count);
    }
    counters.events.inc(report.records);
    counters.late.inc(report.late);
    counters.future.inc(report.future);
    counters.repeated.inc(report.repeated);
    counters.reused.inc(report.reused);
    counters.inexact.inc(report.inexact);
    counters.degraded.inc(report.degraded);
    counters.hits.inc(report.cacheHits);
    counters.misses.inc(report.cacheMisses);
    counters.records.observe(report.records);
    this.decisions.blocked.inc(report.blocked);
    this.decisions.flagged.inc(report.flagged - report.blocked);
    this.decisions.allowed.inc(report.records - dead - report.flagged);
    report.stageMs.forEach((ms, k) => this.stages[k]!.observe(ms / 1_000));
  }

  published(report: PublishReport): void {
    const nowMs = this.clock.nowMs();
    this.publishStage.observe(report.publishMs / 1_000);
    // One sample per batch and end of it: the slowest and the fastest record, not thousands alike.
    for (const recordMs of [report.oldestRecordMs, report.newestRecordMs]) {
      if (recordMs >= 0) this.counters.latency.observe(Math.max(0, nowMs - recordMs) / 1_000);
    }
    const partition = String(report.partition);
    this.metrics.gauge('lag_records', partition).set(Math.max(0, report.lag));
    this.metrics.gauge('next_offset', partition).set(report.nextOffset);
    this.health.set('store', true);
  }

  flushed({ users, bytes, flushMs }: { users: number; bytes: number; flushMs: number }): void {
    this.counters.flushed.inc(1);
    this.counters.flushBytes.inc(bytes);
    this.counters.flushRecords.inc(users);
    this.counters.flushSeconds.observe(flushMs / 1_000);
  }

  folded(records: number): void {
    this.counters.folded.inc(records);
  }

  misplaced(records: number): void {
    this.counters.misplaced.inc(records);
  }

  failed(code: ErrorCode): void {
    if (code.startsWith('FS_STATE')) {
      this.metrics.counter('redis_errors_total', code).inc(1);
      if (ERRORS[code].stage === 'flush') this.counters.failedFlushes.inc(1);
      if (code === 'FS_STATE_UNAVAILABLE') this.health.set('store', false, ERRORS[code].text);
    } else if (code === 'FS_REGISTRY_UNAVAILABLE') this.metrics.counter('registry_errors_total', code).inc(1);
    else {
      if (code === 'FS_KAFKA_FENCED') this.fenced.inc(1);
      this.metrics.counter('kafka_errors_total', code).inc(1);
    }
  }
}
