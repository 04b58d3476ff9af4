// For CI, under a minute: fails when the embedded pipeline has become several times slower than it is. The floors are far
// below what two idle cores reach, so that a busy machine does not fail them.
//
//   node bench/smoke.mjs
import { join } from 'node:path';
import { runNode } from './lib/children.mjs';
import { replay, simulated } from './lib/replay-run.mjs';

const FLOOR_PAYMENTS_PER_S = 15_000;
const CEILING_ENGINE_CPU_US = 80;
const CEILING_RSS_MIB = 700;

const problems = [];
const expect = (ok, text) => {
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${text}\n`);
  if (!ok) problems.push(text);
};

const result = await replay(await simulated({ users: 20_000, days: 2 }), { oneCore: false });
process.stdout.write(`${JSON.stringify(result)}\n`);
expect(result.payments > 100_000, `replay decided ${result.payments} payments (more than 100,000 simulated)`);
expect(
  result.paymentsPerS >= FLOOR_PAYMENTS_PER_S,
  `replay ${result.paymentsPerS} payments/s (at least ${FLOOR_PAYMENTS_PER_S})`,
);
expect(result.peakRssMiB <= CEILING_RSS_MIB, `replay used ${result.peakRssMiB} MiB (at most ${CEILING_RSS_MIB})`);

const stages = await runNode([join(import.meta.dirname, 'engine-stages.mjs'), '20000', '60000']);
process.stdout.write(stages);
const engineCpuUs = Number(/cpu ([\d.]+)/.exec(stages)?.[1] ?? NaN);
expect(
  engineCpuUs <= CEILING_ENGINE_CPU_US,
  `engine alone ${engineCpuUs} µs CPU per payment (at most ${CEILING_ENGINE_CPU_US})`,
);
process.exit(problems.length === 0 ? 0 : 1);
