// Child of end-to-end.mjs: writes a backlog and ends.
//   node bench/lib/produce-backlog.mjs '{"brokers","topic","partitions","events","users","exponent","spanMs"}'
import { load } from './build.mjs';
import { paymentMaker } from './payments.mjs';
import { openKafka } from './topics.mjs';

const { brokers, topic, partitions, events, users, exponent, spanMs, compression } = JSON.parse(process.argv[2]);
const { KafkaProducer } = await load('transport/kafka/producer');
const { partitionOf } = await load('transport/kafka/murmur2');
const { createTransactionEncoder } = await load('codec/transaction-encoder');
const producer = new KafkaProducer(await openKafka(brokers), { compression });
const encoder = createTransactionEncoder();
const make = paymentMaker({ users, exponent });
const startMs = Date.now() - spanMs;
const SEND = 10_000;
let bytes = 0;
for (let from = 0; from < events; from += SEND) {
  const records = [];
  for (let k = from; k < Math.min(events, from + SEND); k++) {
    const timeMs = startMs + Math.floor((k / events) * spanMs);
    const payment = make(k, timeMs);
    const key = Buffer.from(payment.user_id);
    const value = encoder.encode(payment);
    bytes += value.length;
    records.push({ topic, partition: partitionOf(key, partitions), key, value, headers: null, timestampMs: timeMs });
  }
  await producer.send(records);
}
await producer.close();
process.stdout.write(`${JSON.stringify({ bytesPerEvent: Math.round(bytes / events) })}\n`);
process.exit(0);
