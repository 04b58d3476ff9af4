// Child of latency.mjs: from when a payment was due to when its decision is here. Prints {"ready":true}, then the result.
//   node bench/lib/consume-latencies.mjs '{"brokers","topic","expected","warmUp","timeoutMs"}'
import { load } from './build.mjs';
import { openKafka } from './topics.mjs';

const { brokers, topic, expected, warmUp, timeoutMs } = JSON.parse(process.argv[2]);
const { readTopic } = await load('transport/kafka/read-topic');
const client = await openKafka(brokers);
const now = () => performance.timeOrigin + performance.now();
const latencyMs = new Float64Array(expected);
let received = 0;
let firstDueMs = Infinity;
let repeated = 0;
const due = new Float64Array(expected);
const seen = new Set();
const stop = new AbortController();
const timer = setTimeout(() => stop.abort(), timeoutMs);
process.stdout.write('{"ready":true}\n');
// Committed records of all partitions, each fetch answered as soon as there is one.
const options = { topic, partition: null, offset: null, sinceMs: null, follow: true, signal: stop.signal };
for await (const records of readTopic(client, { ...options, onUnreadable: (error) => stop.abort(error) })) {
  const nowMs = now();
  for (const { headers } of records) {
    const dueMs = Number(headers.ce_due);
    // No two payments are due at the same time. After a rebalance equal decisions may come again: the first counts.
    if (seen.has(dueMs)) {
      repeated++;
      continue;
    }
    seen.add(dueMs);
    due[received] = dueMs;
    latencyMs[received++] = nowMs - dueMs;
    if (dueMs < firstDueMs) firstDueMs = dueMs;
  }
  if (received >= expected) break;
}
clearTimeout(timer);
if (received < expected) throw new Error(`only ${received} of ${expected} decisions came`);
const measured = latencyMs
  .subarray(0, received)
  .filter((_, k) => due[k] >= firstDueMs + warmUp * 1_000)
  .sort();
const at = (share) => Number(measured[Math.min(measured.length - 1, Math.floor(share * measured.length))].toFixed(2));
process.stdout.write(
  `${JSON.stringify({ received, repeated, measured: measured.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) })}\n`,
);
process.exit(0);
