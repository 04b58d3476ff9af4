// Child of latency.mjs: from when a payment was due to when its decision is here. Prints {"ready":true}, then the result.
//   node bench/lib/consume-latencies.mjs '{"brokers","topic","expected","warmUp","timeoutMs"}'
import kafkajs from 'kafkajs';

const { brokers, topic, expected, warmUp, timeoutMs } = JSON.parse(process.argv[2]);
const kafka = new kafkajs.Kafka({ brokers: brokers.split(','), clientId: 'bench-consumer', logLevel: 1 });
// One fetch at a time per broker, answered as soon as there is a record.
const consumer = kafka.consumer({ groupId: `${topic}-bench`, maxWaitTimeInMs: 100, minBytes: 1 });
const now = () => performance.timeOrigin + performance.now();
const latencyMs = new Float64Array(expected);
let received = 0;
let firstDueMs = Infinity;
let finish;
const finished = new Promise((done) => (finish = done));
const due = new Float64Array(expected);
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  autoCommit: false,
  partitionsConsumedConcurrently: 16,
  eachBatch: async ({ batch }) => {
    const nowMs = now();
    for (const { headers } of batch.messages) {
      if (received >= expected) break;
      const dueMs = Number(headers.ce_due);
      due[received] = dueMs;
      latencyMs[received++] = nowMs - dueMs;
      if (dueMs < firstDueMs) firstDueMs = dueMs;
    }
    if (received >= expected) finish();
  },
});
consumer.on(consumer.events.GROUP_JOIN, () => process.stdout.write('{"ready":true}\n'));
const timer = setTimeout(finish, timeoutMs);
await finished;
clearTimeout(timer);
const measured = latencyMs
  .subarray(0, received)
  .filter((_, k) => due[k] >= firstDueMs + warmUp * 1_000)
  .sort();
const at = (share) => Number(measured[Math.min(measured.length - 1, Math.floor(share * measured.length))].toFixed(2));
process.stdout.write(
  `${JSON.stringify({ received, measured: measured.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) })}\n`,
);
await consumer.disconnect();
process.exit(0);
