// Reads the Prometheus text that `run` serves.

/** Name with labels → value, as in `fraudstream_stage_seconds_sum{stage="decode"}`. */
export async function readMetrics(port) {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5_000) });
  const values = new Map();
  for (const line of (await response.text()).split('\n')) {
    const match = /^([^#\s]+(?:\{.*\})?) (\S+)/.exec(line);
    if (match) values.set(match[1], Number(match[2]));
  }
  return values;
}

const STAGES = ['decode', 'load', 'features', 'score', 'decide', 'publish'];

/**
 * Wall time per event and stage, µs. The partitions take turns on one thread: what a stage waits for (Redis in load,
 * Kafka in publish) overlaps with the work of the others, so the sum is more than the time that an event took.
 */
export function stageUs(metricsOfAll) {
  const total = (name) => metricsOfAll.reduce((sum, values) => sum + (values.get(name) ?? 0), 0);
  const events = Math.max(1, total('fraudstream_events_total'));
  const us = (name) => Number(((total(name) * 1e6) / events).toFixed(2));
  const stages = STAGES.map((stage) => [stage, us(`fraudstream_stage_seconds_sum{stage="${stage}"}`)]);
  return { ...Object.fromEntries(stages), flush: us('fraudstream_flush_seconds_sum') };
}

/** Records per batch on average, and histories found in the cache as a share. */
export function batchFacts(metricsOfAll) {
  const total = (name) => metricsOfAll.reduce((sum, values) => sum + (values.get(name) ?? 0), 0);
  const hits = total('fraudstream_cache_hits_total');
  const misses = total('fraudstream_cache_misses_total');
  return {
    recordsPerBatch: Math.round(
      total('fraudstream_batch_records_sum') / Math.max(1, total('fraudstream_batch_records_count')),
    ),
    cacheHitShare: Number((hits / Math.max(1, hits + misses)).toFixed(3)),
    flagged:
      total('fraudstream_decisions_total{decision="ALLOW",flagged="true"}') +
      total('fraudstream_decisions_total{decision="BLOCK",flagged="true"}'),
    inexact: total('fraudstream_inexact_decisions_total'),
  };
}
