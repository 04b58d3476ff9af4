// Embedded replay on one core: files in, the whole pipeline with state in memory, files out.
//
//   node bench/replay.mjs [--sets 50000x4,10000x20] [--runs 1] [--profile FOLDER] [--goals]
//
// A set is USERSxDAYS of simulated payments, about 4 per user and day, made once in out/bench/. --goals: exit code 1
// below 80,000 payments/s.
import { parseArgs } from 'node:util';
import { replay, simulated } from './lib/replay-run.mjs';

const { values: given } = parseArgs({
  options: {
    sets: { type: 'string', default: '50000x4,10000x20' },
    runs: { type: 'string', default: '1' },
    profile: { type: 'string' },
    goals: { type: 'boolean', default: false },
  },
});
const GOAL_PAYMENTS_PER_S = 80_000;
const nodeArgs = given.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${given.profile}`];
let reached = true;
for (const set of given.sets.split(',')) {
  const [users, days] = set.split('x').map(Number);
  const file = await simulated({ users, days });
  for (let k = 0; k < Number(given.runs); k++) {
    const result = await replay(file, { nodeArgs });
    process.stdout.write(`${JSON.stringify({ users, days, ...result }, null, 2)}\n`);
    if (result.paymentsPerS < GOAL_PAYMENTS_PER_S) reached = false;
  }
}
process.exit(given.goals && !reached ? 1 : 0);
