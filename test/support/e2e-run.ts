import { Program } from './e2e-process.ts';
import type { Topics } from './e2e-topics.ts';

export type Settings = Readonly<Record<string, string | number | boolean>>;

export interface Place {
  readonly kafka: string;
  readonly redis: string;
  readonly topics: Topics & { readonly app: string };
}

/** Settings that every command of a test shares. */
export function settingsOf({ kafka, redis, topics }: Place, more: Settings = {}): Settings {
  return {
    'app.id': topics.app,
    'kafka.brokers': kafka,
    'redis.url': redis,
    'topics.transactions': topics.transactions,
    'topics.labels': topics.labels,
    'topics.decisions': topics.decisions,
    'topics.flagged': topics.flagged,
    'topics.dead-letter': topics.deadLetter,
    'http.port': 0,
    'log.pretty': 'never',
    ...more,
  };
}

/** Every payment is flagged, so that all features can be recounted; state is written often. */
export const REVEALING: Settings = { 'policy.flag-threshold': 0, 'state.flush-interval': '250ms' };

export function startRun(place: Place, more: Settings = {}): Program {
  return new Program(['run'], settingsOf(place, more));
}
