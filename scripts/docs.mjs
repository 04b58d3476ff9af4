// Writes the reference pages of docs/ from the tables of the code: npm run build && node scripts/docs.mjs
import { writeFileSync } from 'node:fs';

const { referencePages } = await import('../dist/commands/reference-pages.js');

for (const [name, text] of Object.entries(referencePages())) {
  writeFileSync(new URL(`../docs/${name}`, import.meta.url), text);
  console.log(`docs/${name}`);
}
