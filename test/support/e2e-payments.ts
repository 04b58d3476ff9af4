import type { Message } from 'kafkajs';
import { sleep } from '../servers/process.ts';
import { TRANSACTION, type Payment, type TestKafka } from './e2e-topics.ts';
import { seeded } from './random.ts';

/** Seeded payments of a few users at fixed event times, each user in one partition. Plain avsc. */

export const FIRST_EVENT_MS = Date.UTC(2026, 5, 1, 8);
const MERCHANTS = 40;
const COUNTRIES = ['DE', 'FR', 'NL', 'PL'] as const;

export type Sent = Message & { readonly partition: number; readonly value: Buffer };

export class Payments {
  private readonly random: () => number;
  private readonly users: number;
  private readonly partitions: number;
  private made = 0;
  private timeMs = FIRST_EVENT_MS;

  constructor({ seed, users, partitions }: { seed: number; users: number; partitions: number }) {
    this.random = seeded(seed);
    this.users = users;
    this.partitions = partitions;
  }

  next(change: Partial<Payment> = {}): Payment {
    const user = this.pick(this.users);
    this.timeMs += this.pick(2_000);
    const ecom = this.random() < 0.3;
    return {
      transaction_id: `t_${++this.made}`,
      user_id: `u_${user}`,
      // somewhat out of order
      event_time: this.timeMs - (this.random() < 0.1 ? this.pick(30_000) : 0),
      amount_minor: 100 + this.pick(20_000),
      currency: 'EUR',
      card_id: `c_${user}`,
      merchant_id: `m_${this.pick(MERCHANTS)}`,
      mcc: this.random() < 0.5 ? '5411' : '5812',
      terminal_id: ecom ? null : `term_${this.pick(MERCHANTS)}`,
      device_id: ecom ? `d_${user}` : null,
      ip: ecom ? `203.0.113.${user % 250}` : null,
      country: COUNTRIES[this.random() < 0.9 ? 0 : this.pick(COUNTRIES.length)] ?? 'DE',
      channel: ecom ? 'ECOM' : 'POS',
      lat: ecom ? null : 52.5,
      lon: ecom ? null : 13.4,
      attributes: {},
      ...change,
    };
  }

  many(count: number): Payment[] {
    return Array.from({ length: count }, () => this.next());
  }

  /** One more payment of each user, so that every history is read once more. */
  probes(): Payment[] {
    return Array.from({ length: this.users }, (_, user) => this.next({ user_id: `u_${user}`, card_id: `c_${user}` }));
  }

  message(payment: Payment, extra: Omit<Partial<Message>, 'value'> & { value?: Buffer } = {}): Sent {
    return {
      key: payment.user_id,
      value: TRANSACTION.toBuffer(payment),
      partition: Number(payment.user_id.slice(2)) % this.partitions,
      timestamp: String(payment.event_time),
      ...extra,
    };
  }

  private pick(count: number): number {
    return Math.floor(this.random() * count);
  }
}

export interface Load {
  /** payments that were written so far */
  sent: number;
  /** what the test has written besides */
  extra?: number;
  stop(): void;
  /** settles when all is written */
  readonly done: Promise<void>;
}

/** Writes payments at a pace in the background; Kafka being away is waited for by the client. */
export function paced(
  kafka: TestKafka,
  topic: string,
  payments: Payments,
  { count, perSecond }: { count: number; perSecond: number },
): Load {
  const group = Math.max(1, Math.round(perSecond / 20));
  let stopped = false;
  const load = { sent: 0, stop: () => void (stopped = true) };
  const run = async (): Promise<void> => {
    const startMs = Date.now();
    while (load.sent < count && !stopped) {
      const messages = payments.many(Math.min(group, count - load.sent)).map((one) => payments.message(one));
      await kafka.send(topic, messages);
      load.sent += messages.length;
      const aheadMs = startMs + (load.sent / perSecond) * 1_000 - Date.now();
      if (aheadMs > 0) await sleep(aheadMs);
    }
  };
  return Object.assign(load, { done: run() });
}
