import { broker, brokers, cut, lostAnswers } from './brokers.ts';
import { comingAndGoing, kill, zombie } from './processors.ts';
import type { Stage } from './stage.ts';
import { redisCluster, redisEmptied, redisFrozen, redisKilled } from './stores.ts';
import type { Outcome } from './world.ts';

/** All scenarios by the name that `npm run chaos -- --only` takes. */
export const SCENARIOS: Readonly<Record<string, (stage: Stage) => Promise<Outcome>>> = {
  kill,
  'coming-and-going': comingAndGoing,
  zombie,
  broker,
  brokers,
  cut,
  'lost-answers': lostAnswers,
  'redis-killed': redisKilled,
  'redis-emptied': redisEmptied,
  'redis-frozen': redisFrozen,
  'redis-cluster': redisCluster,
};
