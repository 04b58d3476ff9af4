import { describe, expect, it } from 'vitest';
import { METRIC_PREFIX, METRICS, PROCESS_METRICS, type MetricSpec } from '../../../src/observability/metric-table.ts';
import { Metrics } from '../../../src/observability/metrics.ts';

describe('metrics', () => {
  it('are exposed in the Prometheus text format', async () => {
    const metrics = new Metrics({ process: false });
    metrics.counter('decisions_total', 'BLOCK', 'true').inc(3);
    metrics.counter('decisions_total', 'ALLOW', 'false').inc(1_997);
    metrics.counter('dead_letters_total', 'FS_AVRO_TRUNCATED').inc(1);
    metrics.histogram('stage_seconds', 'score').observe(0.004);
    metrics.gauge('lag_records', '5').set(42);
    const text = await metrics.exposition();
    expect(text).toContain('fraudstream_decisions_total{decision="BLOCK",flagged="true"} 3');
    expect(text).toContain('fraudstream_decisions_total{decision="ALLOW",flagged="false"} 1997');
    expect(text).toContain('fraudstream_dead_letters_total{code="FS_AVRO_TRUNCATED"} 1');
    expect(text).toContain('fraudstream_stage_seconds_bucket{le="0.005",stage="score"} 1');
    expect(text).toContain('fraudstream_stage_seconds_bucket{le="0.002",stage="score"} 0');
    expect(text).toContain('fraudstream_stage_seconds_count{stage="score"} 1');
    expect(text).toContain('fraudstream_lag_records{partition="5"} 42');
    expect(text).toContain('# TYPE fraudstream_events_total counter');
    expect(metrics.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  it('look a child up once', () => {
    const metrics = new Metrics({ process: false });
    const child = metrics.counter('dead_letters_total', 'FS_INTERNAL');
    expect(metrics.counter('dead_letters_total', 'FS_INTERNAL')).toBe(child);
    expect(metrics.counter('dead_letters_total', 'FS_AVRO_LIMIT')).not.toBe(child);
    expect(metrics.counter('events_total')).not.toBe(metrics.counter('cache_hits_total'));
  });

  it('forget a partition that is no longer ours, and know it again', async () => {
    const metrics = new Metrics({ process: false });
    metrics.gauge('lag_records', '5').set(42);
    metrics.remove('lag_records', '5');
    expect(await metrics.exposition()).not.toContain('partition="5"');
    metrics.gauge('lag_records', '5').set(7);
    expect(await metrics.exposition()).toContain('fraudstream_lag_records{partition="5"} 7');
  });

  it('refuse label values without end', () => {
    const metrics = new Metrics({ process: false });
    const flood = (): void => {
      for (let i = 0; i < 30_000; i++) metrics.counter('kafka_errors_total', `code-${i}`);
    };
    expect(flood).toThrow(/too many label values/);
  });

  it('of two pipelines in one process do not meet', async () => {
    const [one, other] = [new Metrics({ process: false }), new Metrics({ process: false })];
    one.counter('events_total').inc(5);
    expect(await other.exposition()).toContain('fraudstream_events_total 0');
  });

  it('of the process are those that the table documents', async () => {
    const text = await new Metrics({ process: true }).exposition();
    for (const [name] of PROCESS_METRICS) expect(text).toContain(`# HELP ${name} `);
  });
});

describe('the metric table', () => {
  it('follows the naming rules, with no label that says who', () => {
    for (const [name, spec] of Object.entries(METRICS) as [string, MetricSpec][]) {
      expect(METRIC_PREFIX + name).toMatch(/^fraudstream_[a-z]+(_[a-z]+)*$/);
      expect([name, spec.type === 'counter']).toEqual([name, name.endsWith('_total')]);
      expect([name, spec.type === 'histogram']).toEqual([name, spec.buckets !== undefined]);
      expect([...(spec.buckets ?? [])].sort((a, b) => a - b)).toEqual([...(spec.buckets ?? [])]);
      for (const label of spec.labels) expect(label).not.toMatch(/user|card|transaction|merchant|device|ip|terminal/);
    }
  });
});
