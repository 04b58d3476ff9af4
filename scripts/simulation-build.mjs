// Compiles src/ and the simulation to JavaScript, file by file and without checking types (`npm run typecheck` does that),
// so that a changed copy of one file is a matter of milliseconds.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDERS = ['src', 'test/simulation', 'test/support', 'test/regressions'];
const OPTIONS = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
  inlineSourceMap: true,
  inlineSources: false,
};

/** Source files by their path from the root. */
export function sourceFiles() {
  return FOLDERS.filter((folder) => existsSync(join(ROOT, folder))).flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(ROOT.length + 1)),
  );
}

export function compile(text, fileName) {
  return ts.transpileModule(text, { compilerOptions: OPTIONS, fileName }).outputText;
}

/** @returns the folder, up to date; what has not changed is not compiled again */
export function build(folder = '.dist-simulation') {
  const out = join(ROOT, folder);
  const stampFile = join(out, '.stamps.json');
  const stamps = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};
  const next = {};
  for (const file of sourceFiles()) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const target = join(out, file.replace(/\.ts$/, '.js'));
    next[file] = createHash('sha256').update(ts.version).update(text).digest('hex');
    if (stamps[file] === next[file] && existsSync(target)) continue;
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, compile(text, file));
  }
  for (const file of Object.keys(stamps)) {
    if (!(file in next)) rmSync(join(out, file.replace(/\.ts$/, '.js')), { force: true });
  }
  cpSync(join(ROOT, 'schemas'), join(out, 'schemas'), { recursive: true });
  writeFileSync(stampFile, JSON.stringify(next));
  return out;
}
