// Bytes of a user's stored history after 30 payments each: as the simulator makes them, and with more values that are
// new (every merchant, terminal, address and place drawn at random).
//
//   node bench/state-size.mjs [--users=50000] [--payments-per-user=30]      (the goal is stated for --users=1000000)
//
// Exit code 1 when the mean of the simulator's users is above 1,024 bytes.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Extractor } from '../dist/features/extract.js';
import { parseCatalogue } from '../dist/features/parse.js';
import { compilePlan } from '../dist/features/plan.js';
import { simulate } from '../dist/simulate/simulate.js';
import { decodeHistory } from '../dist/state/blob-decode.js';
import { encodeHistory } from '../dist/state/blob-encode.js';
import { EventView } from '../dist/state/event-view.js';
import { UserHistory } from '../dist/state/history.js';

const { values: given } = parseArgs({
  options: { users: { type: 'string', default: '50000' }, 'payments-per-user': { type: 'string', default: '30' } },
});
const users = Number(given.users);
const each = Number(given['payments-per-user']);
const plan = compilePlan(parseCatalogue(readFileSync('config/features.yaml', 'utf8'), 'features.yaml'), 86_400_000);
const extractor = new Extractor(plan);
const view = new EventView(plan.layout);
const scratch = new EventView(plan.layout);

const GROUP = 50_000;

/** Users are made in groups, so that memory stays small; a user's blob is taken when the payments are complete. */
function sizes(payments) {
  const open = new Map();
  const bytes = [];
  let offset = 0;
  for (const payment of payments) {
    offset++;
    const known = open.get(payment.user_id);
    if (known === 'done') continue;
    const history = known ? decodeHistory(known.blob, plan.layout, scratch) : new UserHistory(plan.layout);
    // Offsets leap as far as they do among a million users in one partition.
    extractor.extract(payment, Math.floor((offset * 1_000_000) / Math.min(users, GROUP)), view);
    if (history.isLate(view.timeMs) || history.findRepeat(view) >= 0) continue;
    history.fold(view);
    const blob = encodeHistory(history);
    const count = (known?.count ?? 0) + 1;
    if (count < each) open.set(payment.user_id, { blob, count });
    else {
      bytes.push(blob.length);
      open.set(payment.user_id, 'done');
    }
  }
  return bytes;
}

function report(name, bytes) {
  bytes.sort((a, b) => a - b);
  const mean = bytes.reduce((sum, one) => sum + one, 0) / bytes.length;
  const at = (share) => bytes[Math.min(bytes.length - 1, Math.floor(bytes.length * share))];
  console.log(
    `${name}: ${bytes.length} users with ${each} payments: mean ${mean.toFixed(0)} B, p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, largest ${bytes.at(-1)}`,
  );
  return mean;
}

let simulated = [];
for (let done = 0; done < users; done += GROUP) {
  const group = Math.min(GROUP, users - done);
  const days = Math.ceil((each / 4) * 2.5);
  const events = simulate({ seed: 1 + done, users: group, days });
  simulated = simulated.concat(
    sizes(
      (function* () {
        for (const event of events) yield event.transaction;
      })(),
    ),
  );
}
const mean = report('simulator', simulated);

function* random() {
  let state = 5;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const of = (most) => Math.floor(next() * most);
  for (let user = 0; user < users / 5; user++) {
    let now = Date.UTC(2026, 0, 1);
    for (let k = 0; k < each; k++) {
      now += of(172_800_000);
      yield {
        transaction_id: `t_${user}_${k}`,
        user_id: `u_${user}`,
        event_time: now,
        amount_minor: of(100_000),
        currency: 'EUR',
        card_id: `c_${user}`,
        merchant_id: `m_${of(1e6)}`,
        mcc: String(1_000 + of(500)),
        terminal_id: `p_${of(1e6)}`,
        device_id: `d_${of(3)}`,
        ip: `10.0.${of(250)}.${of(250)}`,
        country: ['DE', 'FR', 'US'][of(3)],
        channel: ['POS', 'ECOM'][of(2)],
        lat: next() * 180 - 90,
        lon: next() * 360 - 180,
        attributes: { auth_result: of(20) === 0 ? 'declined' : 'approved' },
      };
    }
  }
}
report('all at random', sizes(random()));
process.exitCode = mean <= 1_024 ? 0 : 1;
