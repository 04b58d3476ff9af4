import type { StartPolicy } from '../delivery/acquisition.ts';
import type { Position } from '../delivery/position.ts';
import type { Publisher } from '../delivery/publisher.ts';
import type { Clock } from '../domain/clock.ts';
import type { FraudstreamError } from '../domain/errors.ts';
import type { Delivery } from '../domain/log-mark.ts';
import type { Logger } from '../domain/logger.ts';
import type { PartitionHistories } from '../state/partition-histories.ts';
import type { PartitionStore } from '../state/store.ts';
import type { Ledger } from '../transport/ledger.ts';
import type { OutputLog } from '../transport/output-log.ts';
import type { CheckpointOptions } from './checkpoint.ts';
import type { Engine } from './engine.ts';
import type { Observer } from './report.ts';
import type { Turns } from './turns.ts';

export interface WorkerOptions extends CheckpointOptions {
  readonly delivery: Delivery;
  readonly startPolicy: StartPolicy;
  /** what to do while the store is away */
  readonly onUnavailable: 'stop' | 'decide-without-history';
  readonly futureSkewMs: number;
  /** an idle partition commits its position again: brokers forget offsets and producer ids that are not used */
  readonly keepAliveMs: number;
}

export interface WorkerPorts {
  readonly app: string;
  /** another one for every life of the process */
  readonly processId: string;
  readonly engine: Engine;
  readonly histories: PartitionHistories;
  readonly store: PartitionStore;
  /** shared by all partitions of the process; without it, this one has the process for itself */
  readonly turns?: Turns;
  readonly publisher: Publisher;
  readonly ledger: Ledger;
  readonly outputLog: OutputLog;
  /** puts saved state into an empty store; resolves true when it did */
  readonly restore?: (position: Position) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer: Observer;
  /** asks for `acquire` when no batch comes whose failure would */
  readonly beginAnew: (error: FraudstreamError) => void;
  /** resolves after the time, or early when the signal is aborted */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}
