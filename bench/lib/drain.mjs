// One drain of a backlog: payments that wait in Kafka, `fraudstream run` started on them, its cost per event.
import { join } from 'node:path';
import { runNode, startProcessor } from './children.mjs';
import { batchFacts, readMetrics, stageUs } from './metrics.mjs';
import { cpuUs, loadAverage, peakRssMiB } from './process-stat.mjs';
import { createTopicsOf, environmentOf, openDecidedCount, openKafka, recordCount, topicsOf } from './topics.mjs';

const POLL_MS = 40;
const TIMEOUT_MS = 600_000;
/** the compiler has seen everything by then */
const WARM_UP_SHARE = 0.25;
const SAMPLE_KEYS = 20_000;

/**
 * @param servers { brokers, redis }
 * @param options events, users, exponent, partitions, processes, spanMs, env (further settings), nodeArgs
 */
export async function drain(servers, options) {
  const { events, users, exponent, partitions, processes, spanMs, env = {}, nodeArgs = [] } = options;
  const run = `bench-${Date.now()}`;
  const client = await openKafka(servers.brokers);
  const admin = client.admin();
  await admin.connect();
  await createTopicsOf(client, run, partitions);
  const { transactions, 'dead-letter': deadLetter } = topicsOf(run);
  const decided = await openDecidedCount(client, run, transactions, partitions);
  const compression = options.compression ?? 'none';
  const backlog = { brokers: servers.brokers, topic: transactions, partitions, events, users, exponent, spanMs };
  const produced = await runNode([
    join(import.meta.dirname, 'produce-backlog.mjs'),
    JSON.stringify({ ...backlog, compression }),
  ]);
  const load = loadAverage();

  const startedMs = performance.now();
  const settings = { ...environmentOf(run, servers), ...env };
  const running = [];
  for (let k = 0; k < processes; k++) running.push(await startProcessor({ env: settings, nodeArgs }));
  const cpu = () => running.reduce((sum, { pid }) => sum + cpuUs(pid), 0);
  const sample = async () => ({ cpuUs: cpu(), done: await decided(), ms: performance.now() });

  let first = null;
  let warm = null;
  let last;
  do {
    await new Promise((done) => setTimeout(done, POLL_MS));
    last = await sample();
    if (last.done > 0) first ??= last;
    if (last.done >= events * WARM_UP_SHARE) warm ??= last;
    if (last.ms - startedMs > TIMEOUT_MS)
      throw new Error(`only ${last.done} of ${events} decisions in ${TIMEOUT_MS} ms\n${running[0].stderrTail()}`);
  } while (last.done < events);
  const dead = await recordCount(admin, deadLetter);
  const metrics = await Promise.all(running.map(({ port }) => readMetrics(port)));
  const rssMiB = running.map(({ pid }) => peakRssMiB(pid));
  const beforeStopUs = cpu();
  await Promise.all(running.map(({ stop }) => stop()));
  const histories = await historyBytes(servers.redis, run);
  await admin.deleteTopics({ topics: Object.values(topicsOf(run)) });
  await admin.disconnect();

  const between = (from, to) => ({
    eventsPerS: Math.round(((to.done - from.done) * 1_000) / (to.ms - from.ms)),
    cpuUsPerEvent: Number(((to.cpuUs - from.cpuUs) / (to.done - from.done)).toFixed(1)),
  });
  return {
    events,
    users,
    partitions,
    processes,
    ...JSON.parse(produced),
    loadAverageBefore: load,
    /** first to last committed decision, a cold start of the compiler, the cache and Redis */
    drain: between(first, last),
    warmedUp: between(warm, last),
    /** from the start of the processor, its imports, the group's join and the first batches included */
    wholeCpuUsPerEvent: Number((beforeStopUs / events).toFixed(1)),
    secondsToFirstDecision: Number(((first.ms - startedMs) / 1_000).toFixed(2)),
    peakRssMiB: rssMiB,
    deadLetters: dead,
    stageUsPerEvent: stageUs(metrics),
    ...batchFacts(metrics),
    ...histories,
  };
}

/** What one user's history takes in Redis, from a sample of the keys of this run. */
async function historyBytes(url, app) {
  const { default: Redis } = await import('ioredis');
  const redis = new Redis(url);
  try {
    let cursor = '0';
    let keys = 0;
    let bytes = 0;
    do {
      const [next, found] = await redis.scan(cursor, 'MATCH', `{${app}:*:u:*`, 'COUNT', 2_000);
      cursor = next;
      keys += found.length;
      for (const length of await Promise.all(found.map((key) => redis.strlen(key)))) bytes += length;
    } while (cursor !== '0' && keys < SAMPLE_KEYS);
    return { meanHistoryBytes: Math.round(bytes / Math.max(1, keys)), sampledHistories: keys };
  } finally {
    redis.disconnect();
  }
}
