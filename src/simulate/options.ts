import { FraudstreamError } from '../domain/errors.ts';

export interface SimulateOptions {
  /** non-negative integer; equal options give equal events */
  readonly seed: number;
  readonly users: number;
  /** days of payments from `startMs` on; may have a fraction */
  readonly days: number;
  /** days before `startMs` that are simulated too, so that users have a history */
  readonly historyDays: number;
  /** first event time, ms */
  readonly startMs: number;
  /** all users together, average over a week */
  readonly paymentsPerDay: number;
  /** share of payments that are fraud, 0 … 0.05 */
  readonly fraudShare: number;
}

/** A Monday. Fixed: the same command gives the same bytes on every day. */
const DEFAULT_START_MS = Date.UTC(2026, 2, 2);
const PAYMENTS_PER_USER = 4;

const DEFAULT_SIMULATION: SimulateOptions = {
  seed: 1,
  users: 50_000,
  days: 1,
  historyDays: 0,
  startMs: DEFAULT_START_MS,
  paymentsPerDay: 50_000 * PAYMENTS_PER_USER,
  fraudShare: 0.0045,
};

/** Fills in the defaults; payments per day follow the number of users. Throws FS_CONFIG_INVALID. */
export function completeOptions(partial: Partial<SimulateOptions>): SimulateOptions {
  const users = partial.users ?? DEFAULT_SIMULATION.users;
  const options = { ...DEFAULT_SIMULATION, paymentsPerDay: users * PAYMENTS_PER_USER, ...partial };
  const { seed, days, historyDays, startMs, paymentsPerDay, fraudShare } = options;
  check(Number.isSafeInteger(seed) && seed >= 0, 'seed', 'must be a whole number from 0 to 2^53 - 1');
  check(Number.isSafeInteger(users) && users >= 1 && users <= 10_000_000, 'users', 'must be 1 to 10,000,000');
  check(days >= 0.01 && days <= 3_660, 'days', 'must be 0.01 to 3,660');
  check(
    Number.isSafeInteger(historyDays) && historyDays >= 0 && historyDays <= 3_650,
    'historyDays',
    'must be 0 to 3,650',
  );
  check(
    Number.isSafeInteger(startMs) && startMs >= (historyDays + 1) * 86_400_000 && startMs < 4_102_444_800_000,
    'start',
    'must be a time from 1970 (plus history) to 2100',
  );
  check(
    paymentsPerDay > 0 && paymentsPerDay <= Math.min(users * 100, 25_000_000),
    'paymentsPerDay',
    'must be above 0, at most 100 per user and 25,000,000',
  );
  check(fraudShare >= 0 && fraudShare <= 0.05, 'fraudShare', 'must be 0 to 0.05');
  return options;
}

function check(ok: boolean, name: string, rule: string): void {
  if (!ok) throw new FraudstreamError('FS_CONFIG_INVALID', `simulation option ${name} ${rule}`);
}
