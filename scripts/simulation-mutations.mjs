// npm run test:mutations [-- --seeds 1000 --only 'TEXT;TEXT' --write]
// Applies each deliberate error to a copy of the compiled sources and runs seeds until one catches it. With --write the
// table goes into docs/delivery.md, between its markers.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, compile, ROOT } from './simulation-build.mjs';
import { MUTATIONS } from './simulation-mutations-list.mjs';
import { cell, writeBetween } from './simulation-page.mjs';
import { runSeeds } from './simulation-run.mjs';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    workers: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
});

const texts = values.only.split(';');
const wanted = MUTATIONS.filter(({ name }) => texts.some((text) => name.includes(text)));
const changes = wanted.map((mutation) => ({ mutation, files: apply(mutation) }));
const original = build();
const seeds = Number(values.seeds);
const healthy = new Map();
const results = [];
let next = 0;
await Promise.all(Array.from({ length: Number(values.workers) }, (_, k) => work(k)));
results.sort((a, b) => a.order - b.order);
const missed = results.filter(({ seed }) => seed === null);
process.stdout.write(
  `${results.length - missed.length} of ${results.length} caught; not: ${missed.map(({ name }) => name).join('; ') || 'none'}\n`,
);
if (values.write) writeTable();
process.exit(missed.length === 0 ? 0 : 1);

/** The compiled text of each changed file. Throws when a search text does not stand exactly once. */
function apply({ name, patches }) {
  const texts = new Map();
  for (const { file, search, replace } of patches) {
    const text = texts.get(file) ?? readFileSync(join(ROOT, file), 'utf8');
    const found = text.split(search).length - 1;
    if (found !== 1) throw new Error(`mutation "${name}": its text stands ${found} times in ${file}: ${search}`);
    texts.set(
      file,
      text.replace(search, () => replace),
    );
  }
  return [...texts].map(([file, text]) => [file.replace(/\.ts$/, '.js'), compile(text, file)]);
}

async function work(worker) {
  const folder = join(ROOT, `.dist-mutation-${process.pid}-${worker}`);
  rmSync(folder, { recursive: true, force: true });
  cpSync(original, folder, { recursive: true });
  try {
    while (next < changes.length) {
      const order = next++;
      const { mutation, files } = changes[order];
      for (const [file, text] of files) writeFileSync(join(folder, file), text);
      const caught = await firstCatch(folder);
      for (const [file] of files) cpSync(join(original, file), join(folder, file));
      results.push({ order, name: mutation.name, ...caught });
      const how = caught.seed === null ? `NOT CAUGHT by ${seeds} seeds` : `seed ${caught.seed}: ${caught.fault}`;
      process.stdout.write(`${mutation.name}\n    ${how}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A seed that fails without the mutation catches nothing. */
async function firstCatch(folder) {
  for (let from = 1; from <= seeds;) {
    let fault = '';
    const failed = await runSeeds({
      folder,
      from,
      seeds: seeds - from + 1,
      workers: 1,
      failuresMax: 1,
      silenceMs: 40_000,
      onResult: (result) => {
        if (fault === '' && result.faults.length > 0) fault = result.faults[0].split('\n')[0];
      },
    });
    if (failed.length === 0) break;
    if (await isHealthy(failed[0])) return { seed: failed[0], fault };
    from = failed[0] + 1;
  }
  return { seed: null, fault: '' };
}

async function isHealthy(seed) {
  if (!healthy.has(seed)) {
    const failed = await runSeeds({
      folder: original,
      from: seed,
      seeds: 1,
      workers: 1,
      failuresMax: 1,
      onResult() {},
    });
    healthy.set(seed, failed.length === 0);
  }
  return healthy.get(seed);
}

function writeTable() {
  writeBetween('mutations', [
    '| deliberate error | first seed that catches it | what the oracle says |',
    '| --- | --: | --- |',
    ...results.map(({ name, seed, fault }) => `| ${cell(name)} | ${seed ?? '–'} | ${cell(fault.slice(0, 120))} |`),
  ]);
}
