// Child of the chaos scenarios: payments in an open loop, whatever the answers do, by a plain KafkaJS producer. SIGTERM ends
// the load: every user pays once more, so that every history is read again, and it ends when all is written.
//   node scripts/chaos-load.mjs '{"brokers","topic","partitions","rate","users","seed","plain"}'
// Prints {"sent","lateMsMax"} now and then, and {"sent","done":true} at the end.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import avro from 'avsc';
import kafkajs from 'kafkajs';
import { paymentMaker } from '../bench/lib/payments.mjs';

const { brokers, topic, partitions, rate, users, seed, plain = false } = JSON.parse(process.argv[2]);
const TICK_MS = 5;
const REPORT_MS = 200;
/** a client that is behind sends no more than this at once */
const BATCH_MAX = 2_000;
const RECENT = 1_000;
const HOUR_MS = 3_600_000;

const schema = readFileSync(join(import.meta.dirname, '../schemas/transaction.avsc'), 'utf8');
const transaction = avro.Type.forSchema(JSON.parse(schema));
const kafka = new kafkajs.Kafka({
  clientId: 'chaos-load',
  brokers: brokers.split(','),
  logLevel: kafkajs.logLevel.NOTHING,
  requestTimeout: 10_000,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 1_000 },
});
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
const partitionOf = partitioner();
const make = paymentMaker({ users, seed });
let state = seed | 0;
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return (state >>> 0) / 2 ** 32;
};

const waiting = Array.from({ length: partitions }, () => []);
const busy = waiting.map(() => false);
const recent = [];
let made = 0;
let sent = 0;
let failed = 0;
let lateMsMax = 0;
let stopping = false;

/** Where the producer's own partitioner puts a key (Java's murmur2). */
function partitioner() {
  const of = kafkajs.Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({ partitionId, leader: 0 }));
  return (key) => of({ topic, partitionMetadata, message: { key, value: null } });
}

/** One payment in a hundred is odd: repeated, its id reused, late, too late, ahead, or no payment at all. */
function messageOf(number, nowMs) {
  const odd = plain ? 1 : random();
  if (odd < 0.004 && recent.length > 0) return recent[Math.floor(random() * recent.length)];
  const payment = make(number, Math.floor(nowMs));
  if (odd < 0.005 && recent.length > 0) {
    payment.transaction_id = recent[Math.floor(random() * recent.length)].id;
  } else if (odd < 0.008) payment.event_time -= Math.floor(random() * HOUR_MS);
  else if (odd < 0.009) payment.event_time -= 48 * HOUR_MS;
  else if (odd < 0.0095) payment.event_time += 2 * HOUR_MS;
  const garbage = odd >= 0.0095 && odd < 0.01;
  const value = garbage ? Buffer.from([0xff, number & 0xff, 1]) : transaction.toBuffer(payment);
  return { id: payment.transaction_id, key: Buffer.from(payment.user_id), value };
}

function enqueue(message, dueMs) {
  if (recent.length < RECENT) recent.push(message);
  else recent[made % RECENT] = message;
  // a CloudEvents attribute: the processor carries it to the decision
  waiting[partitionOf(message.key)].push({
    key: message.key,
    value: message.value,
    headers: { ce_due: dueMs.toFixed(3) },
  });
}

async function drain(partition) {
  if (busy[partition]) return;
  busy[partition] = true;
  while (waiting[partition].length > 0) {
    const due = waiting[partition].splice(0, BATCH_MAX);
    const messages = due.map((one) => ({ ...one, partition }));
    try {
      await producer.send({ topic, messages, acks: -1, timeout: 10_000 });
      sent += messages.length;
    } catch (error) {
      failed++;
      process.stderr.write(`${error.message}\n`);
      waiting[partition].unshift(...due);
      await new Promise((done) => setTimeout(done, 100));
    }
  }
  busy[partition] = false;
}

const now = () => performance.timeOrigin + performance.now();
const report = (more = {}) =>
  process.stdout.write(`${JSON.stringify({ sent, failed, lateMsMax: Math.round(lateMsMax), ...more })}\n`);
process.once('SIGTERM', () => (stopping = true));

await producer.connect();
report();
const startMs = now();
let reportedMs = startMs;
await new Promise((done) => {
  const timer = setInterval(() => {
    const nowMs = now();
    for (; !stopping; made++) {
      const dueMs = startMs + (made / rate) * 1_000;
      if (dueMs > nowMs) break;
      lateMsMax = Math.max(lateMsMax, nowMs - dueMs);
      enqueue(messageOf(made, dueMs), dueMs);
    }
    for (let p = 0; p < partitions; p++) void drain(p);
    if (nowMs - reportedMs > REPORT_MS) {
      reportedMs = nowMs;
      report();
    }
    if (!stopping) return;
    clearInterval(timer);
    done();
  }, TICK_MS);
});
for (let user = 0; user < users; user++, made++) {
  const payment = { ...make(made, Math.floor(now())), user_id: `u_${user}` };
  enqueue(
    { id: payment.transaction_id, key: Buffer.from(payment.user_id), value: transaction.toBuffer(payment) },
    now(),
  );
}
for (let p = 0; p < partitions; p++) void drain(p);
const drained = () => waiting.every((list) => list.length === 0) && !busy.includes(true);
while (!drained()) {
  await new Promise((done) => setTimeout(done, 20));
  for (let p = 0; p < partitions; p++) void drain(p);
}
await producer.disconnect();
report({ done: true });
process.exit(0);
