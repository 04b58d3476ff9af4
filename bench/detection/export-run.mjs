// Features of the data, as a user would get them: `fraudstream export-features` with a mapping.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAIN } from '../lib/build.mjs';
import { runNode } from '../lib/children.mjs';

/** Exports into `folder`, with verdicts `delayDays` after the payment. @returns what the command printed */
export async function exportFeatures({ data, catalogue, delayDays, folder }) {
  mkdirSync(folder, { recursive: true });
  const mapping = join(folder, 'mapping.yaml');
  writeFileSync(mapping, mappingWithDelay(delayDays));
  const inputs = ['--in', data.join(','), '--mapping', mapping, '--catalogue-file', catalogue];
  return (await runNode([MAIN, 'export-features', ...inputs, '--out', folder])).trim();
}

/**
 * Verdicts are never there before the payment they are about: without a delay they come a millisecond after it, so that the
 * next second of the data is the first to know.
 */
function mappingWithDelay(days) {
  const text = readFileSync(join(import.meta.dirname, 'mapping.yaml'), 'utf8');
  const delay = days === 0 ? '1ms' : `${days}d`;
  const changed = text.replace('delay: 7d', `delay: ${delay}`);
  if (days !== 7 && changed === text) throw new Error('mapping.yaml has no "delay: 7d" to change');
  return changed;
}
