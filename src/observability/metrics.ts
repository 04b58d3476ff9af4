import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { METRIC_PREFIX, METRICS, type MetricName, type MetricSpec } from './metric-table.ts';

type OfType<T extends MetricSpec['type']> = {
  [N in MetricName]: (typeof METRICS)[N]['type'] extends T ? N : never;
}[MetricName];
type StringsLike<T extends readonly string[]> = { [K in keyof T]: string };
/** one string per label of the metric, in table order */
export type LabelValues<N extends MetricName> = StringsLike<(typeof METRICS)[N]['labels']>;

export type CounterName = OfType<'counter'>;
export type GaugeName = OfType<'gauge'>;
export type HistogramName = OfType<'histogram'>;

export interface CounterChild {
  inc(count: number): void;
}
export interface GaugeChild {
  set(value: number): void;
}
export interface HistogramChild {
  observe(value: number): void;
}

/** Beyond it the values of labels are not few and known: a bug that would eat memory. */
const CHILDREN_MAX = 20_000;

/**
 * The metrics of one process. A child (metric + label values) is looked up once and kept by the caller, who then adds
 * per batch: `const hits = metrics.counter('cache_hits_total'); … hits.inc(n)`.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #metrics = new Map<string, Counter | Gauge | Histogram>();
  readonly #children = new Map<string, CounterChild | GaugeChild | HistogramChild>();

  /** @param process collect Node's own metrics too (once per process; it keeps a timer-free observer) */
  constructor(options: { readonly process: boolean }) {
    for (const [name, spec] of Object.entries(METRICS) as [MetricName, MetricSpec][]) {
      const base = { name: METRIC_PREFIX + name, help: spec.help, registers: [this.#registry] };
      const labelNames = [...spec.labels];
      if (spec.type === 'counter') this.#metrics.set(name, new Counter({ ...base, labelNames }));
      else if (spec.type === 'gauge') this.#metrics.set(name, new Gauge({ ...base, labelNames }));
      else this.#metrics.set(name, new Histogram({ ...base, labelNames, buckets: [...(spec.buckets ?? [])] }));
    }
    if (options.process) collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 20 });
  }

  counter<N extends CounterName>(name: N, ...labels: LabelValues<N>): CounterChild {
    return this.#child(name, labels) as CounterChild;
  }

  gauge<N extends GaugeName>(name: N, ...labels: LabelValues<N>): GaugeChild {
    return this.#child(name, labels) as GaugeChild;
  }

  histogram<N extends HistogramName>(name: N, ...labels: LabelValues<N>): HistogramChild {
    return this.#child(name, labels) as HistogramChild;
  }

  /** Forgets one child: the lag of a partition that another process owns now must not be shown any more. */
  remove<N extends GaugeName>(name: N, ...labels: LabelValues<N>): void {
    this.#children.delete(keyOf(name, labels));
    this.#metrics.get(name)?.remove(...(labels as readonly string[]));
  }

  /** Prometheus text format 0.0.4. */
  exposition(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #child(name: MetricName, labels: readonly string[]): CounterChild | GaugeChild | HistogramChild {
    const key = keyOf(name, labels);
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    if (this.#children.size >= CHILDREN_MAX) throw new RangeError(`too many label values: ${METRIC_PREFIX}${name}`);
    const metric = this.#metrics.get(name);
    if (metric === undefined) throw new RangeError(`no metric ${name}`);
    const child = metric.labels(...labels);
    this.#children.set(key, child);
    return child;
  }
}

function keyOf(name: string, labels: readonly string[]): string {
  return labels.length === 0 ? name : `${name}\u0000${labels.join('\u0000')}`;
}
