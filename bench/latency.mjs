// Latency at a steady rate, open loop: a producer that never waits for answers says in each payment when it was due, a
// separate consumer measures until the decision is there. What is late for whatever reason counts as late.
//
//   node bench/latency.mjs [--rate 2000] [--seconds 60] [--warm-up 10] [--users 100000] [--zipf 1] [--partitions 6]
//     [--runs 1] [--delivery exactly-once] [--brokers HOST:PORT --redis URL] [--goals]
//
// The first --warm-up seconds are sent but not counted. --goals: exit code 1 when p99 is 30 ms or more, or the peak
// memory of our process 400 MiB or more.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startChild, startProcessor, startServers } from './lib/children.mjs';
import { batchFacts, readMetrics, stageUs } from './lib/metrics.mjs';
import { cpuUs, loadAverage, peakRssMiB } from './lib/process-stat.mjs';
import { createTopicsOf, environmentOf, openKafka, topicsOf } from './lib/topics.mjs';

const { values: given } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '60' },
    'warm-up': { type: 'string', default: '10' },
    users: { type: 'string', default: '100000' },
    zipf: { type: 'string', default: '1' },
    partitions: { type: 'string', default: '6' },
    runs: { type: 'string', default: '1' },
    profile: { type: 'string' },
    delivery: { type: 'string', default: 'exactly-once' },
    brokers: { type: 'string' },
    redis: { type: 'string' },
    goals: { type: 'boolean', default: false },
  },
});
const GOAL_P99_MS = 30;
const GOAL_RSS_MIB = 400;
const rate = Number(given.rate);
const warmUp = Number(given['warm-up']);
const seconds = Number(given.seconds) + warmUp;
const partitions = Number(given.partitions);

const servers =
  given.brokers === undefined
    ? await startServers()
    : { brokers: given.brokers, redis: given.redis ?? 'redis://127.0.0.1:6379', stop: async () => undefined };
const results = [];
try {
  for (let k = 0; k < Number(given.runs); k++) {
    const result = await once();
    results.push(result);
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  }
} finally {
  await servers.stop();
}
const reached = ({ latencyMs, peakRssMiB: peak }) => latencyMs.p99 < GOAL_P99_MS && peak < GOAL_RSS_MIB;
process.exit(given.goals && !results.every(reached) ? 1 : 0);

async function once() {
  const load = loadAverage();
  const run = `bench-${Date.now()}`;
  const client = await openKafka(servers.brokers);
  await createTopicsOf(client, run, partitions);
  const topics = topicsOf(run);
  const nodeArgs = given.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${given.profile}`];
  const processor = await startProcessor({
    env: { ...environmentOf(run, servers), FRAUDSTREAM_DELIVERY: given.delivery },
    nodeArgs,
  });
  // by then the topics have leaders
  await assigned(processor.port, partitions);
  const { brokers } = servers;
  const consumer = child('consume-latencies.mjs', {
    brokers,
    topic: topics.decisions,
    expected: rate * seconds,
    warmUp,
    timeoutMs: (seconds + 60) * 1_000,
  });
  await consumer.ready;
  const cpuBefore = cpuUs(processor.pid);
  const producer = child('produce-open-loop.mjs', {
    brokers,
    topic: topics.transactions,
    partitions,
    rate,
    seconds,
    users: Number(given.users),
    exponent: Number(given.zipf),
  });
  const sent = await producer.result;
  const { received, repeated, measured, ...latencyMs } = await consumer.result;
  const cpu = cpuUs(processor.pid) - cpuBefore;
  const metrics = [await readMetrics(processor.port)];
  const peak = peakRssMiB(processor.pid);
  await processor.stop();
  const admin = client.admin();
  await admin.connect();
  await admin.deleteTopics({ topics: Object.values(topics) });
  await admin.disconnect();
  if (received !== sent.sent) throw new Error(`${sent.sent} payments sent, ${received} decisions received`);
  return {
    rate,
    warmUpSeconds: warmUp,
    loadAverageBefore: load,
    ...sent,
    repeated,
    measured,
    latencyMs,
    peakRssMiB: peak,
    cpuUsPerEvent: Number((cpu / received).toFixed(1)),
    cpuShareOfOneCore: Number((cpu / (seconds * 1e6)).toFixed(2)),
    stageUsPerEvent: stageUs(metrics),
    ...batchFacts(metrics),
  };
}

/** A child that prints JSON: `ready` after its first {"ready":true}, `result` is its last line. */
function child(name, options) {
  let last;
  let isReady;
  const ready = new Promise((done) => (isReady = done));
  const started = startChild(process.execPath, [join(import.meta.dirname, 'lib', name), JSON.stringify(options)], {
    onLine: (line) => {
      if (line === '{"ready":true}') isReady();
      else last = line;
    },
  });
  const result = started.ended.then((code) => {
    if (code !== 0 || last === undefined) throw new Error(`${name} ended with ${code}\n${started.stderrTail()}`);
    return JSON.parse(last);
  });
  return { ready: Promise.race([ready, result]), result };
}

async function assigned(port, count) {
  for (let tries = 0; tries < 200; tries++) {
    const values = await readMetrics(port);
    if (values.get('fraudstream_assigned_partitions') === count) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the processor did not get its ${count} partitions within 20 s`);
}
