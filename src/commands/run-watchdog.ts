import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { Health } from '../observability/health.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { StateStore } from '../state/store.ts';
import { pauseFor, settlesWithin } from '../transport/kafka/backoff.ts';
import type { KafkaConsumer } from '../transport/kafka/consumer.ts';
import type { RunGroup } from './run-group.ts';

const TICK_MS = 250;
const PING_EVERY_MS = 2_000;
const RESTART_MS_MAX = 30_000;
/** exit code of FS_STALLED */
const STALLED = 3;

export interface WatchdogPorts {
  readonly consumer: KafkaConsumer;
  readonly group: RunGroup;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** a second stall so soon after a restart ends the process, ms */
  readonly giveUpWithinMs: number;
  /** a few times a second */
  readonly onTick: () => void;
}

/**
 * Live means progress. Looks at the consumer a few times a second; when there is lag and nothing moves it restarts the
 * consumer once, and when that does not help it ends the process: a fresh one may find what this one has lost.
 */
export class Watchdog {
  private readonly ports: WatchdogPorts;
  private restartedAtMs = -Infinity;
  private pingedAtMs = -Infinity;
  private pinging = false;
  private storeIsThere = true;
  private shown: readonly number[] = [];

  constructor(ports: WatchdogPorts) {
    this.ports = ports;
  }

  /** @returns the exit code: 0 when told to stop */
  async watch(signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
      await pauseFor(TICK_MS, signal);
      if (signal.aborted) break;
      this.look();
      if (await this.restartOrGiveUp()) return STALLED;
    }
    return 0;
  }

  private look(): void {
    const { consumer, group, health, metrics, clock } = this.ports;
    const nowMs = clock.monotonicMs();
    group.tick();
    this.ports.onTick();
    const progress = consumer.progress();
    if (progress.state === 'joined') {
      health.assigned(
        progress.partitions.map(({ partition }) => partition),
        nowMs,
      );
      health.set('kafka', true);
    } else {
      health.unassigned(progress.state);
      if (progress.error) health.set('kafka', false, progress.error.message);
    }
    for (const { partition, position, lag, stableLag, state, error } of progress.partitions) {
      health.progress({ partition, nextOffset: position, lag }, nowMs);
      if (state === 'halted') health.halted(partition, error?.message ?? 'halted');
      if (lag >= 0) metrics.gauge('lag_records', String(partition)).set(lag);
      if (stableLag >= 0) metrics.gauge('unstable_records', String(partition)).set(stableLag);
    }
    this.forgetGone(progress.partitions.map(({ partition }) => partition));
    metrics.gauge('live').set(health.live(nowMs).ok ? 1 : 0);
    metrics.gauge('ready').set(health.ready().ok ? 1 : 0);
    void this.pingStore(nowMs);
  }

  /** What other members own now must not be shown as ours. */
  private forgetGone(partitions: readonly number[]): void {
    for (const gone of this.shown.filter((partition) => !partitions.includes(partition))) {
      this.ports.metrics.remove('lag_records', String(gone));
      this.ports.metrics.remove('next_offset', String(gone));
      this.ports.metrics.remove('unstable_records', String(gone));
    }
    this.shown = partitions;
  }

  private async pingStore(nowMs: number): Promise<void> {
    if (this.pinging || nowMs - this.pingedAtMs < PING_EVERY_MS) return;
    this.pinging = true;
    this.pingedAtMs = nowMs;
    try {
      await this.ports.store.ping();
      this.ports.health.set('store', true);
      this.storeIsThere = true;
    } catch (error) {
      this.storeIsThere = false;
      this.ports.health.set('store', false, error instanceof Error ? error.message : String(error));
    } finally {
      this.pinging = false;
    }
  }

  private async restartOrGiveUp(): Promise<boolean> {
    const { consumer, health, metrics, clock, log } = this.ports;
    const nowMs = clock.monotonicMs();
    if (!this.storeIsThere) {
      // Why nothing moves is known, and a restart does not help: when the store is back, the full time begins again.
      health.forgive(nowMs);
      return false;
    }
    const stalled = health.stalled(nowMs);
    if (stalled.length === 0) return false;
    const reason = health.live(clock.monotonicMs()).checks.find((check) => !check.ok)?.reason ?? '';
    if (nowMs - this.restartedAtMs < this.ports.giveUpWithinMs) {
      health.fatal(reason);
      log.error('stalled again after a restart of the consumer: this process ends', { code: 'FS_STALLED', reason });
      return true;
    }
    log.error('stalled: the consumer is restarted', { code: 'FS_STALLED', reason, partitions: stalled.join(',') });
    metrics.counter('consumer_restarts_total', 'stalled').inc(1);
    this.restartedAtMs = clock.monotonicMs();
    const restarted = await settlesWithin(consumer.restart(), RESTART_MS_MAX);
    health.forgive(clock.monotonicMs());
    return !restarted;
  }
}
