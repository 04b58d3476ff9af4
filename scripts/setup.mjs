// Makes a fresh clone ready: the locked dependencies, then dist/. Runs before `npm start` and `npm test`, needs
// nothing but Node and npm, says one line per thing that it does, and nothing when there is nothing to do.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
const readJson = (...parts) => JSON.parse(readFileSync(at(...parts), 'utf8'));

checkNode();
if (!dependenciesAreInstalled()) install();
const sources = hashOfSources();
if (!existsSync(at('dist', 'main.js')) || stampOf('dist') !== sources) build(sources);

function checkNode() {
  const wanted = /(\d+)\.(\d+)/.exec(readJson('package.json').engines.node).slice(1).map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > wanted[0] || (major === wanted[0] && minor >= wanted[1])) return;
  fail(`fraudstream needs Node ${wanted.join('.')} or newer; this is ${process.version}. See https://nodejs.org/`);
}

/** npm leaves a list of what it has installed: compared with the lock file it needs no stamp of our own. */
function dependenciesAreInstalled() {
  if (!existsSync(at('node_modules', '.package-lock.json'))) return false;
  const locked = readJson('package-lock.json').packages;
  const installed = readJson('node_modules', '.package-lock.json').packages;
  return (
    Object.entries(installed).every(([path, { version }]) => locked[path]?.version === version) &&
    // an optional package is one for another platform
    Object.entries(locked).every(([path, entry]) => path === '' || isOptional(entry) || path in installed)
  );
}

function isOptional(entry) {
  return entry.optional === true || entry.devOptional === true || entry.peer === true;
}

function install() {
  say('Installing the locked dependencies (npm ci)');
  // also when NODE_ENV=production: the compiler is a development dependency
  const args = ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath ?? '';
  const done = basename(npm) === 'npm-cli.js' ? run(process.execPath, [npm, ...args]) : run('npm', args);
  if (!done.ok) fail(`npm ci failed:\n${done.output}`);
}

function hashOfSources() {
  const hash = createHash('sha256');
  const files = readdirSync(at('src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  files.push(...['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) => at(name)));
  for (const file of files.sort()) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file));
  return hash.digest('hex');
}

function stampOf(folder) {
  const path = at(folder, '.stamp');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** Into a folder beside dist/, then swapped: a failed build, or one that another process also does, leaves dist/ whole. */
function build(stamp) {
  say('Building dist/ (tsc)');
  const next = `.dist-${process.pid}`;
  const tsc = at('node_modules', 'typescript', 'bin', 'tsc');
  const done = run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', next, '--noEmitOnError']);
  if (done.ok) {
    writeFileSync(at(next, '.stamp'), stamp);
    swap(next);
  } else {
    rmSync(at(next), { recursive: true, force: true });
    fail(`the build failed:\n${done.output}`);
  }
}

function swap(next) {
  const old = `${next}-old`;
  if (existsSync(at('dist'))) renameSync(at('dist'), at(old));
  try {
    renameSync(at(next), at('dist'));
  } catch (error) {
    // another build put its dist/ there in between: the same sources, so the same code
    if (!existsSync(at('dist'))) throw error;
    rmSync(at(next), { recursive: true, force: true });
  }
  rmSync(at(old), { recursive: true, force: true });
}

function run(command, args) {
  // on Windows npm is a .cmd file, which only a shell starts
  const shell = process.platform === 'win32' && command === 'npm';
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', shell });
  return { ok: status === 0, output: error ? error.message : `${stdout}${stderr}`.trim() };
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(text) {
  say(`setup: ${text}`);
  process.exit(1);
}
