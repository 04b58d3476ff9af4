import { createTransactionEncoder } from '../../src/codec/transaction-encoder.ts';
import type { Transaction } from '../../src/domain/transaction.ts';
import { partitionOf } from '../../src/transport/kafka/murmur2.ts';
import type { RecordToProduce } from '../../src/transport/transactions.ts';
import { transaction } from '../support/transaction.ts';
import type { Random } from './random.ts';

const DAY_MS = 86_400_000;
const encoder = createTransactionEncoder();

export type PaymentKind = 'normal' | 'late' | 'future' | 'duplicate' | 'reused' | 'malformed';

/** What is not normal, and how often. */
const SHARES: readonly (readonly [PaymentKind, number])[] = [
  ['late', 0.04],
  ['future', 0.03],
  ['duplicate', 0.06],
  ['reused', 0.04],
  ['malformed', 0.06],
];

/** Payments of a few users whose histories show in each later score: what is forgotten or counted twice is seen. */
export class Payments {
  /** how many of each kind were made */
  readonly counts: Record<PaymentKind, number> = {
    normal: 0,
    late: 0,
    future: 0,
    duplicate: 0,
    reused: 0,
    malformed: 0,
  };
  private readonly random: Random;
  private readonly users: readonly (readonly string[])[];
  private readonly recent = new Map<string, Transaction[]>();
  private serial = 0;
  private timeMs = Date.UTC(2026, 0, 15, 12);

  constructor(random: Random, partitions: number) {
    this.random = random;
    this.users = usersOf(random, partitions);
  }

  next(partition: number): RecordToProduce {
    const users = this.users[partition] as readonly string[];
    // The first is the hot one.
    const user = this.random.chance(0.4) ? (users[0] as string) : this.random.pick(users);
    this.timeMs += this.random.int(1, 60_000);
    const kind = this.kind(user);
    const payment = this.payment(kind, user);
    this.counts[kind]++;
    const timestampMs = kind === 'future' ? payment.event_time - DAY_MS : this.timeMs;
    const key = Buffer.from(payment.user_id);
    const headers = this.random.chance(0.1) ? { traceparent: Buffer.from(`00-${this.serial}`) } : null;
    const value = kind === 'malformed' ? this.spoil(payment) : encoder.encode(payment);
    if (kind === 'normal') this.remember(payment);
    return { key, value, headers, timestampMs };
  }

  private kind(user: string): PaymentKind {
    let unit = this.random.unit();
    for (const [kind, share] of SHARES) {
      unit -= share;
      const needsEarlier = kind === 'duplicate' || kind === 'reused';
      if (unit < 0) return needsEarlier && !this.recent.has(user) ? 'normal' : kind;
    }
    return 'normal';
  }

  private payment(kind: PaymentKind, user: string): Transaction {
    const { random } = this;
    const earlier = this.recent.get(user);
    if (kind === 'duplicate') return random.pick(earlier as Transaction[]);
    const fresh = transaction({
      transaction_id: `t_${this.serial++}`,
      user_id: user,
      event_time: this.timeMs - (random.chance(0.15) ? random.int(0, 3_600_000) : 0),
      // In hundreds, so that the score of the model tells how many payments lie behind.
      amount_minor: random.int(1, 90) * 100 + random.int(0, 9),
      merchant_id: `m_${random.int(0, 5)}`,
      country: random.pick(['DE', 'FR', 'PL']),
    });
    if (kind === 'late') return { ...fresh, event_time: this.timeMs - random.int(4, 9) * DAY_MS };
    if (kind === 'future') return { ...fresh, event_time: this.timeMs + random.int(2, 5) * DAY_MS };
    if (kind === 'reused') return { ...fresh, transaction_id: random.pick(earlier as Transaction[]).transaction_id };
    return fresh;
  }

  private remember(payment: Transaction): void {
    const list = this.recent.get(payment.user_id) ?? [];
    list.push(payment);
    if (list.length > 8) list.shift();
    this.recent.set(payment.user_id, list);
  }

  private spoil(payment: Transaction): Buffer | null {
    const good = encoder.encode(payment);
    switch (this.random.int(0, 6)) {
      case 0:
        return null;
      case 1:
        return Buffer.alloc(0);
      case 2:
        return good.subarray(0, this.random.int(1, good.length - 1));
      case 3:
        return Buffer.concat([good, Buffer.from([0])]);
      case 4:
        return encoder.encode({ ...payment, amount_minor: -5 });
      case 5:
        return encoder.encode({ ...payment, card_id: '4111111111111111' });
      default:
        return encoder.encode({ ...payment, currency: 'nope' });
    }
  }
}

/** Ids that Kafka's partitioner puts where we want them. */
function usersOf(random: Random, partitions: number): string[][] {
  const users: string[][] = Array.from({ length: partitions }, () => []);
  const wanted = random.int(3, 6);
  for (let k = 0; users.some((list) => list.length < wanted); k++) {
    const user = `u_${k}`;
    const list = users[partitionOf(Buffer.from(user), partitions)] as string[];
    if (list.length < wanted) list.push(user);
  }
  return users;
}
