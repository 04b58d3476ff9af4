// `npm run chaos`: the long form of the chaos scenarios, on servers of its own. The typed sources of the tests are compiled
// first, so that Node 20 can run them too; what they import of src/ is dist/.
//   npm run chaos -- --list | --only NAME … | --short | --minutes N | --seed N | --rate N | --write-docs
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// one folder per process: two runs may differ in their sources
const out = join(root, '.cache', `chaos-${process.pid}`);
process.once('exit', () => rmSync(out, { recursive: true, force: true }));
for (const folder of ['test/chaos', 'test/servers', 'test/support']) {
  mkdirSync(join(out, folder), { recursive: true });
  const sources = readdirSync(join(root, folder), { recursive: true }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file !== 'global-setup.ts',
  );
  for (const file of sources) {
    const target = join(out, folder, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    const { outputText } = ts.transpileModule(readFileSync(join(root, folder, file), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    writeFileSync(target, outputText);
  }
}
if (!existsSync(join(root, 'dist', 'main.js'))) throw new Error('dist/ is missing: node scripts/setup.mjs');
symlinkSync(join(root, 'dist'), join(out, 'src'));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
const { main } = await import(pathToFileURL(join(out, 'test/chaos/main.js')).href);
process.exit(await main(process.argv.slice(2)));
