// A made-up file of payments as another system might export them, for docs/your-data.md:
//
//   node scripts/example-payments.mjs FOLDER
//
// Simulates payments into FOLDER unless transactions.jsonl and labels.jsonl are there, and writes FOLDER/payments.csv:
// sorted by time, amounts in major units, categories in words, the verdict in a column.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CATEGORIES = {
  4111: 'commuter_transport',
  4511: 'airline',
  4829: 'money_transfer',
  5200: 'home_improvement',
  5311: 'department_store',
  5411: 'grocery',
  5499: 'vending',
  5541: 'gas_transport',
  5651: 'clothing',
  5732: 'electronics',
  5812: 'restaurant',
  5813: 'bar',
  5814: 'fast_food',
  5816: 'digital_games',
  5912: 'pharmacy',
  5944: 'jewellery',
  5968: 'subscription',
  6011: 'cash',
  7011: 'hotel',
  7832: 'cinema',
  7995: 'betting',
  8398: 'charity',
};
const NO_DECIMALS = new Set(['JPY', 'KRW', 'CLP', 'ISK', 'VND']);
const COLUMNS =
  'trans_num,trans_time,account,card,merchant,category,amount,currency,country,entry,terminal,lat,long,is_fraud';

const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: node scripts/example-payments.mjs FOLDER');
  process.exit(2);
}
if (!existsSync(join(folder, 'transactions.jsonl'))) {
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  const simulate = [
    'simulate',
    '--users',
    '2000',
    '--days',
    '30',
    '--labels',
    'all',
    '--format',
    'jsonl',
    '--out',
    folder,
  ];
  const { status } = spawnSync(process.execPath, [main, ...simulate], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const lines = (name) =>
  readFileSync(join(folder, name), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const frauds = new Set();
for (const label of lines('labels.jsonl')) if (label.is_fraud) frauds.add(label.transaction_id);
// Each payment once: the simulator also sends some again, as producers do.
const payments = new Map(lines('transactions.jsonl').map((payment) => [payment.transaction_id, payment]));
const sorted = [...payments.values()].sort((a, b) => a.event_time - b.event_time);
const rows = sorted.map((payment) => {
  const time = new Date(payment.event_time).toISOString().slice(0, 19).replace('T', ' ');
  const minor = String(payment.amount_minor).padStart(3, '0');
  const amount = NO_DECIMALS.has(payment.currency) ? payment.amount_minor : `${minor.slice(0, -2)}.${minor.slice(-2)}`;
  return [
    payment.transaction_id,
    time,
    payment.user_id,
    payment.card_id,
    payment.merchant_id,
    CATEGORIES[payment.mcc] ?? `mcc ${payment.mcc}`,
    amount,
    payment.currency,
    payment.country,
    payment.channel === 'ECOM' ? 'online' : payment.channel.toLowerCase(),
    payment.terminal_id ?? '',
    payment.lat ?? '',
    payment.lon ?? '',
    frauds.has(payment.transaction_id) ? 1 : 0,
  ].join(',');
});
writeFileSync(join(folder, 'payments.csv'), `${[COLUMNS, ...rows].join('\n')}\n`);
console.log(`${rows.length} payments in ${join(folder, 'payments.csv')}`);
