// How the cost of `fraudstream run` grows with users, features, partitions and processes: one drain of a backlog each,
// around the standard one, as a Markdown table.
//
//   node bench/growth-run.mjs [--events 200000] [--only users,features,partitions,processes]
import { parseArgs } from 'node:util';
import { startServers } from './lib/children.mjs';
import { writeCatalogue } from './lib/catalogue.mjs';
import { drain } from './lib/drain.mjs';

const { values: given } = parseArgs({
  options: {
    events: { type: 'string', default: '200000' },
    only: { type: 'string', default: 'users,features,partitions,processes' },
  },
});
const STANDARD = { users: 100_000, features: null, partitions: 6, processes: 1 };
const VARIED = {
  users: [10_000, 100_000, 1_000_000],
  features: [10, 20, 40, 80],
  partitions: [1, 3, 6, 12],
  processes: [1, 2],
};
const COLUMNS = ['users', 'features', 'partitions', 'processes'];
const events = Number(given.events);

process.stdout.write(
  `${events} events, Zipf 1.0, 24 h\n\n` +
    '| users | features | partitions | processes | events/s | events/s, warm | CPU µs/event, warm | peak MiB | bytes/history | load before |\n' +
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n',
);
for (const varied of given.only.split(',')) {
  for (const value of VARIED[varied]) {
    const point = { ...STANDARD, [varied]: value };
    // servers of its own: none pays for what another left behind
    const servers = await startServers();
    try {
      const env = point.features === null ? {} : (await writeCatalogue(point.features)).env;
      const {
        drain: whole,
        warmedUp,
        peakRssMiB,
        meanHistoryBytes,
        loadAverageBefore,
      } = await drain(servers, {
        ...point,
        events,
        exponent: 1,
        spanMs: 86_400_000,
        env,
      });
      const shown = COLUMNS.map((name) => point[name] ?? 'default (53)');
      const measured = [whole.eventsPerS, warmedUp.eventsPerS, warmedUp.cpuUsPerEvent, peakRssMiB.join(' + ')];
      process.stdout.write(`| ${[...shown, ...measured, meanHistoryBytes, loadAverageBefore].join(' | ')} |\n`);
    } finally {
      await servers.stop();
    }
  }
}
process.exit(0);
