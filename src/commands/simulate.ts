import { join } from 'node:path';
import { FraudstreamError } from '../domain/errors.ts';
import type { Label, Transaction } from '../domain/transaction.ts';
import type { SimulatedEvent } from '../simulate/event.ts';
import { type LabelMode, LabelScheduler } from '../simulate/labels.ts';
import { completeOptions, type SimulateOptions } from '../simulate/options.ts';
import { type PacingClock, paceEvents } from '../simulate/pace.ts';
import { simulate } from '../simulate/simulate.ts';
import { createLabelFile, createTransactionFile, type PaymentFileFormat } from '../transport/file/payment-files.ts';

export interface SimulateSettings {
  readonly seed: number;
  readonly users: number;
  /** may have a fraction */
  readonly days: number;
  readonly historyDays?: number;
  /** first event time, ms */
  readonly startMs: number;
  /** about how many in all, history included; null = by the habits of the users */
  readonly payments: number | null;
  readonly fraudShare?: number;
  readonly sink: 'file' | 'kafka';
  /** folder for `transactions.*` and `labels.*`; needed for files */
  readonly out: string | null;
  readonly format: PaymentFileFormat;
  /** Kafka only */
  readonly ratePerSecond: number;
  readonly labels: LabelMode | 'none';
}

/** Where paced payments go: the Kafka producer, seen from here. */
export interface PaymentProducer {
  /** Resolves when all are acknowledged. */
  send(payments: readonly Transaction[], labels: readonly Label[]): Promise<void>;
}

export interface SimulateDeps {
  readonly clock: PacingClock;
  /** needed for sink kafka */
  readonly producer?: PaymentProducer;
  /** @param fraction 0 … 1 */
  readonly onProgress?: (fraction: number, payments: number) => void;
  readonly signal?: AbortSignal;
}

export interface SimulateReport {
  /** events, resends included */
  readonly payments: number;
  readonly frauds: number;
  readonly labels: number;
  readonly files: readonly string[];
  /** stopped before its end by the signal */
  readonly stopped: boolean;
}

/** how often progress is told, payments */
const PROGRESS_EVERY = 2_000;
/** payments that are sent together at high rates */
const GROUP_MAX = 500;
/** a group is sent at the latest when its first payment is this old, ms */
const GROUP_AGE_MS = 5;

/** Simulates into files or to a producer. Throws FS_CONFIG_INVALID, FS_FILE_INVALID, and what the producer throws. */
export async function runSimulate(settings: SimulateSettings, deps: SimulateDeps): Promise<SimulateReport> {
  const options = simulationOptions(settings);
  return settings.sink === 'file' ? toFiles(settings, options, deps) : toProducer(settings, options, deps);
}

function simulationOptions(settings: SimulateSettings): SimulateOptions {
  const historyDays = settings.historyDays ?? 0;
  return completeOptions({
    seed: settings.seed,
    users: settings.users,
    days: settings.days,
    historyDays,
    startMs: settings.startMs,
    ...(settings.payments === null ? {} : { paymentsPerDay: settings.payments / (settings.days + historyDays) }),
    ...(settings.fraudShare === undefined ? {} : { fraudShare: settings.fraudShare }),
  });
}

async function toFiles(
  settings: SimulateSettings,
  options: SimulateOptions,
  deps: SimulateDeps,
): Promise<SimulateReport> {
  const folder = settings.out;
  if (folder === null) throw new FraudstreamError('FS_CONFIG_INVALID', 'simulate to files needs a folder: give --out');
  const labelMode = settings.labels;
  const paymentPath = join(folder, `transactions.${settings.format}`);
  const labelPath = join(folder, `labels.${settings.format}`);
  const tally = new Tally(options, deps);
  const payments = await createTransactionFile(paymentPath, settings.format);
  let labels: Awaited<ReturnType<typeof createLabelFile>> | null = null;
  try {
    labels = labelMode === 'none' ? null : await createLabelFile(labelPath, settings.format);
    const scheduler = labelMode === 'none' ? null : new LabelScheduler(labelMode, settings.seed);
    for (const event of simulate(options)) {
      if (deps.signal?.aborted === true) {
        tally.stopped = true;
        break;
      }
      scheduler?.observe(event);
      const written = payments.append(event.transaction);
      if (written !== null) await written;
      if (tally.add(event)) await nextTurn();
    }
    for (
      let label = scheduler?.takeDue(Infinity) ?? null;
      label !== null;
      label = scheduler?.takeDue(Infinity) ?? null
    ) {
      tally.labels++;
      const written = labels?.append(label) ?? null;
      if (written !== null) await written;
    }
    await payments.close();
    await labels?.close();
  } catch (error) {
    await payments.abandon();
    await labels?.abandon();
    throw error;
  }
  return tally.report(labels === null ? [paymentPath] : [paymentPath, labelPath]);
}

async function toProducer(
  settings: SimulateSettings,
  options: SimulateOptions,
  deps: SimulateDeps,
): Promise<SimulateReport> {
  const producer = deps.producer;
  if (producer === undefined) throw new FraudstreamError('FS_INTERNAL', 'simulate to Kafka without a producer');
  const scheduler = settings.labels === 'none' ? null : new LabelScheduler(settings.labels, settings.seed);
  const tally = new Tally(options, deps);
  let payments: Transaction[] = [];
  let labels: Label[] = [];
  let firstDueMs = 0;
  const flush = async (): Promise<void> => {
    if (payments.length === 0 && labels.length === 0) return;
    const group = { payments, labels };
    payments = [];
    labels = [];
    await producer.send(group.payments, group.labels);
  };
  // A group ends before the pacer sleeps: payments never wait for others that are not due.
  const clock: PacingClock = {
    nowMs: () => deps.clock.nowMs(),
    monotonicMs: () => deps.clock.monotonicMs(),
    sleep: async (ms) => {
      const before = deps.clock.monotonicMs();
      await flush();
      const left = ms - (deps.clock.monotonicMs() - before);
      if (left > 0) await deps.clock.sleep(left);
    },
  };
  for await (const paced of paceEvents(simulate(options), { ratePerSecond: settings.ratePerSecond, clock })) {
    if (deps.signal?.aborted === true) {
      tally.stopped = true;
      break;
    }
    if (payments.length === 0) firstDueMs = paced.dueMs;
    payments.push(paced.transaction);
    tally.add(paced.event);
    if (scheduler !== null) {
      // A verdict comes when simulated time has reached it, and speaks of the payment as it was sent.
      for (
        let due = scheduler.takeDue(paced.event.arrivalMs);
        due !== null;
        due = scheduler.takeDue(paced.event.arrivalMs)
      ) {
        labels.push({ ...due, labelled_at: Math.round(paced.dueMs) });
        tally.labels++;
      }
      scheduler.observe(paced.event, paced.transaction);
    }
    if (payments.length >= GROUP_MAX || paced.dueMs - firstDueMs >= GROUP_AGE_MS) await flush();
  }
  await flush();
  return tally.report([]);
}

class Tally {
  payments = 0;
  frauds = 0;
  labels = 0;
  stopped = false;
  private readonly onProgress: ((fraction: number, payments: number) => void) | undefined;
  private readonly fromMs: number;
  private readonly spanMs: number;

  constructor(options: SimulateOptions, deps: SimulateDeps) {
    this.onProgress = deps.onProgress;
    this.fromMs = options.startMs - options.historyDays * 86_400_000;
    this.spanMs = (options.historyDays + options.days) * 86_400_000;
  }

  /** Counts, and returns whether it is time to let others run. */
  add(event: SimulatedEvent): boolean {
    this.payments++;
    if (event.isFraud && !event.isResend) this.frauds++;
    if (this.payments % PROGRESS_EVERY !== 0) return false;
    this.onProgress?.(Math.min(1, (event.arrivalMs - this.fromMs) / this.spanMs), this.payments);
    return true;
  }

  report(files: readonly string[]): SimulateReport {
    this.onProgress?.(1, this.payments);
    return { payments: this.payments, frauds: this.frauds, labels: this.labels, files, stopped: this.stopped };
  }
}

/** Generation never waits by itself: signals and the progress bar need a turn of the event loop. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
