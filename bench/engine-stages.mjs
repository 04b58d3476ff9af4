// Cost of the embedded pipeline per event and stage, without files: simulated payments, the default catalogue, the
// memory store. `node bench/engine-stages.mjs [users] [payments]`
import { createAvroTransactionDecoder } from '../dist/codec/transaction-decoder.js';
import { createDecisionEncoder } from '../dist/codec/decision-encoder.js';
import { createTransactionEncoder } from '../dist/codec/transaction-encoder.js';
import { makePolicy } from '../dist/decision/policy.js';
import { parseCatalogue } from '../dist/features/parse.js';
import { compilePlan } from '../dist/features/plan.js';
import { Engine } from '../dist/pipeline/engine.js';
import { STAGES } from '../dist/pipeline/report.js';
import { simulate } from '../dist/simulate/simulate.js';
import { CacheBudget } from '../dist/state/cache.js';
import { MemoryStateStore } from '../dist/state/memory-store.js';
import { PartitionHistories } from '../dist/state/partition-histories.js';
import { readFileSync } from 'node:fs';

const users = Number(process.argv[2] ?? 50_000);
const payments = Number(process.argv[3] ?? 200_000);
const plan = compilePlan(parseCatalogue(readFileSync('config/features.yaml', 'utf8'), 'features.yaml'), 86_400_000);
let scorer;
try {
  const { loadScorer } = await import('../dist/model/onnx-scorer.js');
  scorer = await loadScorer('models/default', plan.names);
} catch (error) {
  console.log(`no model (${error.code ?? error.message}): scores are zero`);
  scorer = {
    modelVersion: 'none',
    featureNames: plan.names,
    columns: Int32Array.from(plan.names, (_, k) => k),
    thresholds: { flag: 0.5, block: 0.9 },
    async score(rows, count, out) {
      out.fill(0, 0, count);
    },
    async close() {},
  };
}
const clock = { nowMs: () => 1_800_000_000_000, monotonicMs: () => performance.now() };
const engine = new Engine(
  plan,
  {
    decoder: createAvroTransactionDecoder(),
    encoder: createDecisionEncoder(),
    scorer,
    policy: makePolicy(scorer.thresholds, { flag: null, block: null, version: null }),
    clock,
  },
  { futureSkewMs: 300_000 },
);
const encoder = createTransactionEncoder();
const records = [];
for (const event of simulate({ seed: 3, users, days: Math.max(1, Math.ceil(payments / (users * 4))) })) {
  const offset = records.length;
  if (offset >= payments) break;
  const value = encoder.encode(event.transaction);
  records.push({ topic: 'transactions', partition: 0, offset, timestampMs: -1, key: null, value, headers: null });
}
const store = await new MemoryStateStore().open({ topic: 'transactions', partition: 0 });
const histories = new PartitionHistories(plan.layout, store, new CacheBudget(256 * 1024 * 1024));
histories.restart(null);
const total = new Float64Array(STAGES.length);
let flushMs = 0;
const began = performance.now();
const cpu = process.cpuUsage();
for (let at = 0; at < records.length; at += 1000) {
  const batch = { topic: 'transactions', partition: 0, records: records.slice(at, at + 1000), highWatermark: -1 };
  const { report } = await engine.decide(batch, histories);
  report.stageMs.forEach((ms, k) => (total[k] += ms));
  if (at % 20_000 === 0) {
    const before = performance.now();
    await histories.flush();
    histories.trim();
    flushMs += performance.now() - before;
  }
}
const wall = performance.now() - began;
const used = process.cpuUsage(cpu);
console.log(`${plan.names.length} features, ${records.length} payments, ${users} users`);
STAGES.forEach((stage, k) => console.log(stage.padEnd(10), ((total[k] * 1000) / records.length).toFixed(2), 'µs'));
console.log('flush     ', ((flushMs * 1000) / records.length).toFixed(2), 'µs');
console.log(
  'wall',
  ((wall * 1000) / records.length).toFixed(2),
  'µs; cpu',
  ((used.user + used.system) / records.length).toFixed(2),
  'µs',
);
