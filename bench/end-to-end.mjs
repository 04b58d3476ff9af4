// Drain of a backlog through Kafka and Redis: a separate process writes the payments first, then `fraudstream run` is
// started on them. Events/s from the first to the last committed decision (end offsets of the decisions topic), CPU of
// our process from /proc. Linux; starts servers of its own unless it is given some.
//
//   node bench/end-to-end.mjs [--events 500000] [--users 100000] [--zipf 1] [--partitions 6] [--processes 1]
//     [--features N] [--span-hours 24] [--runs 1] [--reference] [--profile FOLDER]
//     [--delivery exactly-once] [--brokers HOST:PORT --redis URL] [--goals]
//
// --features: a generated catalogue of N features instead of the default one. --reference: the bare loop of consuming and
// producing beside it. --goals: exit code 1 when 40,000 events/s or 30 µs CPU per event are missed.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runNode, startServers } from './lib/children.mjs';
import { writeCatalogue } from './lib/catalogue.mjs';
import { drain } from './lib/drain.mjs';

const { values: given } = parseArgs({
  options: {
    events: { type: 'string', default: '500000' },
    users: { type: 'string', default: '100000' },
    zipf: { type: 'string', default: '1' },
    partitions: { type: 'string', default: '6' },
    processes: { type: 'string', default: '1' },
    features: { type: 'string' },
    'span-hours': { type: 'string', default: '24' },
    runs: { type: 'string', default: '1' },
    reference: { type: 'boolean', default: false },
    profile: { type: 'string' },
    delivery: { type: 'string', default: 'exactly-once' },
    brokers: { type: 'string' },
    redis: { type: 'string' },
    goals: { type: 'boolean', default: false },
  },
});
const GOAL_EVENTS_PER_S = 40_000;
const GOAL_CPU_US = 30;

const servers =
  given.brokers === undefined
    ? await startServers()
    : { brokers: given.brokers, redis: given.redis ?? 'redis://127.0.0.1:6379', stop: async () => undefined };
const results = [];
try {
  const catalogue = given.features === undefined ? null : await writeCatalogue(Number(given.features));
  for (let k = 0; k < Number(given.runs); k++) {
    const result = await drain(servers, {
      events: Number(given.events),
      users: Number(given.users),
      exponent: Number(given.zipf),
      partitions: Number(given.partitions),
      processes: Number(given.processes),
      spanMs: Number(given['span-hours']) * 3_600_000,
      env: { FRAUDSTREAM_DELIVERY: given.delivery, ...(catalogue?.env ?? {}) },
      nodeArgs: given.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${given.profile}`],
    });
    results.push(result);
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  }
  if (given.reference) {
    const copy = join(import.meta.dirname, 'kafka-copy.mjs');
    const args = ['--brokers', servers.brokers, '--partitions', given.partitions, '--messages', '300000'];
    process.stdout.write(`consuming and producing alone:\n${await runNode([copy, ...args])}`);
  }
} finally {
  await servers.stop();
}
const reached = ({ drain: { eventsPerS, cpuUsPerEvent } }) =>
  eventsPerS >= GOAL_EVENTS_PER_S && cpuUsPerEvent <= GOAL_CPU_US;
process.exit(given.goals && !results.every(reached) ? 1 : 0);
