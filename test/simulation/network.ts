import type { Life } from './life.ts';
import { ModelKafkaError, noAnswer } from './model-kafka-errors.ts';
import type { ModelNetwork, RequestKind } from './model-kafka-network.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** How a request fares. Of `lost`, `answer lost` and `late` the client hears nothing in time. */
export type RequestFate = 'well' | 'slow' | 'lost' | 'answer lost' | 'late' | 'twice' | 'refused';

export interface NetworkOptions {
  /** what the client waits for an answer; below the transaction time-out, ms */
  readonly timeoutMs: number;
  readonly delayMsMax: number;
}

/** What the group's coordinator may hold back by itself: answers come when all members are there. */
const WAITS_MS: Partial<Record<RequestKind, number>> = { JoinGroup: 60_000, SyncGroup: 60_000 };

/** The network between one life of a process and the brokers. */
export class SimulatedNetwork implements ModelNetwork {
  private readonly life: Life;
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly options: NetworkOptions;
  private readonly fateOf: (kind: RequestKind, life: Life) => RequestFate;

  constructor(
    life: Life,
    scheduler: Scheduler,
    random: Random,
    options: NetworkOptions,
    /** asked for each request; the faults of a history decide here */
    fateOf: (kind: RequestKind, life: Life) => RequestFate,
  ) {
    this.life = life;
    this.scheduler = scheduler;
    this.random = random;
    this.options = options;
    this.fateOf = fateOf;
  }

  call<T>(kind: RequestKind, execute: () => T | Promise<T>): Promise<T> {
    const { life, scheduler, random, options } = this;
    // What a killed process has still on its stack asks for nothing any more.
    if (life.dead) return new Promise<T>(() => {});
    if (life.frozen) return new Promise<T>((resolve) => life.hear(() => resolve(this.call(kind, execute))));
    const fate = this.fateOf(kind, life);
    // Asked before the request leaves: that may have been what ended the process.
    if (life.dead) return new Promise<T>(() => {});
    const name = `${life.name} ${kind}`;
    if (fate !== 'well') scheduler.note(`${name}: ${fate}`);
    return new Promise<T>((resolve, reject) => {
      const waitMs = options.timeoutMs + (WAITS_MS[kind] ?? 0);
      const unanswered = life.after(waitMs, `${kind} times out`, () => reject(noAnswer(kind)));
      const answer = (settle: () => void): void => {
        scheduler.schedule(random.skewed(options.delayMsMax), `${name} answered`, () => {
          life.hear(() => {
            unanswered();
            settle();
          });
        });
      };
      const arrive = (answers: boolean): void => {
        if (fate === 'refused') {
          answer(() => reject(new ModelKafkaError('NOT_COORDINATOR', `${kind} came to a broker that is not ready`)));
          return;
        }
        attempt(execute).then(
          (value) => answers && answer(() => resolve(value)),
          (error: unknown) => answers && answer(() => reject(error as Error)),
        );
      };
      if (fate === 'lost') return;
      const late = fate === 'late' ? random.int(options.timeoutMs, options.timeoutMs * 6) : 0;
      const slow = fate === 'slow' ? random.int(options.delayMsMax, options.timeoutMs - options.delayMsMax) : 0;
      const delayMs = late + slow + random.skewed(options.delayMsMax);
      scheduler.schedule(delayMs, `${name} arrives`, () => arrive(late === 0 && fate !== 'answer lost'));
      if (fate === 'twice') {
        scheduler.schedule(delayMs + random.int(1, 500), `${name} arrives again`, () => arrive(false));
      }
    });
  }
}

async function attempt<T>(execute: () => T | Promise<T>): Promise<T> {
  return execute();
}
