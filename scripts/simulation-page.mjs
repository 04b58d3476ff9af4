// Puts text between the markers `<!-- name -->` and `<!-- /name -->` of docs/delivery.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './simulation-build.mjs';

const PAGE = join(ROOT, 'docs/delivery.md');

export function writeBetween(name, lines) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const page = readFileSync(PAGE, 'utf8');
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`docs/delivery.md needs the lines ${begin} and ${end}`);
  writeFileSync(PAGE, `${before}${begin}\n\n${lines.join('\n')}\n\n${end}${after}`);
}

export function cell(text) {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
