// Child of latency.mjs: sends by schedule, whatever the answers do, and says in a header when each payment was due.
//   node bench/lib/produce-open-loop.mjs '{"brokers","topic","partitions","rate","seconds","users","exponent"}'
import { load } from './build.mjs';
import { paymentMaker } from './payments.mjs';
import { openKafka } from './topics.mjs';

const { brokers, topic, partitions, rate, seconds, users, exponent } = JSON.parse(process.argv[2]);
const { KafkaProducer } = await load('transport/kafka/producer');
const { partitionOf } = await load('transport/kafka/murmur2');
const { createTransactionEncoder } = await load('codec/transaction-encoder');
const producer = new KafkaProducer(await openKafka(brokers), {});
await producer.partitionCount(topic);
const encoder = createTransactionEncoder();
const make = paymentMaker({ users, exponent });
const total = rate * seconds;
const now = () => performance.timeOrigin + performance.now();
const startMs = now() + 500;
let next = 0;
let failed = 0;
let sendLateMsMax = 0;
// What is due waits here while a request of its partition is under way, and then goes together, as in any client's
// producer: the time it waits counts.
const waiting = Array.from({ length: partitions }, () => []);
const inFlight = waiting.map(() => Promise.resolve());
const busy = waiting.map(() => false);

async function sendAll(partition) {
  busy[partition] = true;
  while (waiting[partition].length > 0) {
    const records = waiting[partition];
    waiting[partition] = [];
    await producer.send(records).catch((error) => {
      failed += records.length;
      process.stderr.write(`${error.message}\n`);
    });
  }
  busy[partition] = false;
}

await new Promise((done) => {
  const timer = setInterval(() => {
    const nowMs = now();
    for (; next < total; next++) {
      const dueMs = startMs + (next / rate) * 1_000;
      if (dueMs > nowMs) break;
      sendLateMsMax = Math.max(sendLateMsMax, nowMs - dueMs);
      const payment = make(next, Math.floor(dueMs));
      const key = Buffer.from(payment.user_id);
      // a CloudEvents attribute: the processor carries it to the decision
      const headers = { ce_due: Buffer.from(dueMs.toFixed(3)) };
      const value = encoder.encode(payment);
      const partition = partitionOf(key, partitions);
      waiting[partition].push({ topic, partition, key, value, headers, timestampMs: -1 });
    }
    for (let p = 0; p < partitions; p++) {
      if (!busy[p] && waiting[p].length > 0) inFlight[p] = sendAll(p);
    }
    if (next >= total) {
      clearInterval(timer);
      done();
    }
  }, 1);
});
await Promise.all(inFlight);
await producer.close();
process.stdout.write(`${JSON.stringify({ sent: next, failed, sendLateMsMax: Number(sendLateMsMax.toFixed(1)) })}\n`);
process.exit(0);
