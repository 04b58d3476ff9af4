import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { CONFIG_ENV, envName, OPTION_NAMES } from '../src/config/options.ts';
import { ERRORS } from '../src/domain/errors.ts';

/** What the structure of the project promises, checked on the files themselves. Each check lists its offenders. */
const ROOT = resolve(import.meta.dirname, '..');
const NOT_OURS = /^(\.git|\.cache|node_modules|dist|\.dist-.*|out|coverage|\.venv|__pycache__|\.pytest_cache|target)$/;

/** At most five, each with its reason. */
const LONG_FILES_ALLOWED: Record<string, string> = {};
const LINES_MAX = 300;

interface Layer {
  path: string;
  mayImport: string[];
  pure: boolean;
}

interface Layers {
  layers: Layer[];
  wiring: string[];
  clients: Record<string, string>;
  pureModules: string[];
}

const { layers, wiring, clients, pureModules } = JSON.parse(read('scripts/ci/layers.json')) as Layers;
const files = walk(ROOT);
const sources = files.filter((file) => file.startsWith('src/') && file.endsWith('.ts'));
const tests = files.filter((file) => file.startsWith('test/') && file.endsWith('.ts'));
const trees = new Map([...sources, ...tests].map((file) => [file, parse(file, read(file))]));

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (NOT_OURS.test(entry.name)) return [];
    if (entry.isDirectory()) return walk(path);
    return entry.isFile() ? [relative(ROOT, path).split(sep).join('/')] : [];
  });
}

function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
}

/** Nodes for which `wrong` names a fault, as `file:line fault`. */
function faults(tree: ts.SourceFile, wrong: (node: ts.Node) => string | null): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const fault = wrong(node);
    if (fault !== null) {
      found.push(`${tree.fileName}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1} ${fault}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function everyFault(names: readonly string[], wrong: (node: ts.Node, file: string) => string | null): string[] {
  return names.flatMap((file) => faults(trees.get(file) as ts.SourceFile, (node) => wrong(node, file)));
}

/** What a node imports: static, type-only, re-exported or dynamic. */
function importedBy(node: ts.Node): string | null {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
    return (node.moduleSpecifier as ts.StringLiteral).text;
  }
  const argument =
    ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && node.arguments[0];
  return argument && ts.isStringLiteralLike(argument) ? argument.text : null;
}

const isIn = (file: string, path: string): boolean => file === path || file.startsWith(`${path}/`);

/** The innermost layer that holds the file. */
function layerOf(file: string): Layer | null {
  const around = layers.filter((layer) => isIn(file, layer.path));
  return around.sort((a, b) => b.path.length - a.path.length)[0] ?? null;
}

function wrongImport(node: ts.Node, file: string): string | null {
  const name = importedBy(node);
  const from = layerOf(file);
  if (name === null || from === null || !name.startsWith('.')) return null;
  const target = join(dirname(file), name).split(sep).join('/');
  const to = layerOf(target);
  if (to === null) return `${from.path} may not import ${target}`;
  return to === from || from.mayImport.includes(to.path) ? null : `${from.path} may not import ${to.path} (${target})`;
}

function wrongClient(node: ts.Node, file: string): string | null {
  const name = importedBy(node);
  const home = name === null ? undefined : clients[name.split('/')[0] ?? ''];
  return home === undefined || isIn(file, home) ? null : `imports ${name}: only ${home} does`;
}

function impurity(node: ts.Node): string | null {
  const name = importedBy(node);
  if (name !== null && !name.startsWith('.') && !pureModules.includes(name)) return `imports ${name}`;
  if (ts.isPropertyAccessExpression(node) && /^(Date\.now|Math\.random)$/.test(node.getText())) return node.getText();
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) return 'new Date()';
  const isGlobal = ts.isIdentifier(node) && /^(process|performance)$/.test(node.text);
  return isGlobal && isReference(node) ? node.text : null;
}

/** Not the name of a member or of a declaration. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  return !('name' in parent && parent.name === node);
}

function loosened(node: ts.Node): string | null {
  return node.kind === ts.SyntaxKind.AnyKeyword ? 'any' : null;
}

const SWITCHED_OFF = /^(skip|only|todo|fails|skipIf|runIf)$/;

function switchedOff(node: ts.Node): string | null {
  if (ts.isIdentifier(node) && /^x(it|test|describe)$/.test(node.text)) return node.text;
  if (!ts.isPropertyAccessExpression(node) || !SWITCHED_OFF.test(node.name.text)) return null;
  return /^(it|test|describe)\b/.test(node.expression.getText()) ? node.getText() : null;
}

describe('layers', () => {
  it('every source file is in a layer or wires them', () => {
    const known = (file: string): boolean => layerOf(file) !== null || wiring.some((path) => isIn(file, path));
    expect(sources.filter((file) => !known(file))).toEqual([]);
    expect(sources.length).toBeGreaterThan(10);
  });

  it('a layer imports only the layers that it names', () => {
    expect(everyFault(sources, wrongImport)).toEqual([]);
  });

  it('a client library is known to one folder', () => {
    expect(everyFault(sources, wrongClient)).toEqual([]);
  });

  it('pure code has no clock, randomness, environment or I/O', () => {
    const pure = sources.filter((file) => layerOf(file)?.pure === true);
    expect(everyFault(pure, impurity)).toEqual([]);
  });
});

describe('files', () => {
  it(`hold at most ${LINES_MAX} lines`, () => {
    const lines = (file: string): number => read(file).split('\n').length - 1;
    const long = sources.filter((file) => lines(file) > LINES_MAX);
    expect(long.filter((file) => !(file in LONG_FILES_ALLOWED))).toEqual([]);
    expect(Object.keys(LONG_FILES_ALLOWED).filter((file) => !long.includes(file))).toEqual([]);
    expect(Object.keys(LONG_FILES_ALLOWED).length).toBeLessThanOrEqual(5);
  });

  it('are no barrels and have no default export', () => {
    const wrong = (node: ts.Node): string | null => {
      if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) return 'exports from another file';
      return ts.isExportAssignment(node) ? 'export default' : null;
    };
    expect(everyFault(sources, wrong)).toEqual([]);
  });

  it('have no any and no silenced checks', () => {
    const silenced = [...trees].filter(([, tree]) =>
      /@ts-(ignore|expect-error|nocheck)|eslint-disable/.test(tree.text),
    );
    expect(everyFault([...trees.keys()], loosened)).toEqual([]);
    expect(silenced.map(([file]) => file).filter((file) => file !== 'test/tidy.test.ts')).toEqual([]);
  });

  it('have no test that is switched off or runs alone', () => {
    expect(everyFault(tests, switchedOff)).toEqual([]);
    expect(tests.length).toBeGreaterThan(1);
  });

  it('name no place of one machine', () => {
    const text = files.filter(
      (file) =>
        statSync(join(ROOT, file)).size < 1_000_000 &&
        /\.(\w*sh|[cm]?[jt]s|json|md|ya?ml|py|txt|avsc)$|^\.|^[A-Z]\w+$/.test(file),
    );
    const place = new RegExp(
      `(^|[\\s"'\`(=:])(${['work', 'root', 'home/\\w+', 'Users/\\w+'].map((p) => `/${p}/`).join('|')})`,
      'm',
    );
    expect(text.filter((file) => place.test(read(file)))).toEqual([]);
  });

  it('lock the dependencies to exact versions of the public registry', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { resolved?: string }> };
    const elsewhere = Object.values(packages).map(({ resolved }) => resolved ?? 'https://registry.npmjs.org/');
    expect(elsewhere.filter((url) => !url.startsWith('https://registry.npmjs.org/'))).toEqual([]);
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const versions = Object.entries({ ...dependencies, ...devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});

describe('documentation', () => {
  it('lists every error code, and only those', () => {
    const documented = new Set(read('docs/errors.md').match(/\bFS_[A-Z0-9_]+\b/g));
    expect([...documented].sort()).toEqual(Object.keys(ERRORS).sort());
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const pages = files.filter((file) => file.endsWith('.md'));
    const named = pages.flatMap((file) =>
      [...read(file).matchAll(/\bnpm (?:run )?(start|test|(?<=run )[\w:-]+)/g)].map((match) => `${file}: ${match[1]}`),
    );
    expect(named.filter((entry) => !((entry.split(': ')[1] ?? '') in scripts))).toEqual([]);
    expect(named).toContain('README.md: start');
  });

  it('names only environment variables that exist', () => {
    const known = new Set<string | null>([CONFIG_ENV, ...OPTION_NAMES.map(envName)]);
    const pages = files.filter((file) => file.endsWith('.md') || /^(docker-compose\.yml|Dockerfile)$/.test(file));
    const named = pages.flatMap((file) =>
      [...read(file).matchAll(/\bFRAUDSTREAM_\w+/g)].map(([name]) => ({ file, name })),
    );
    expect(named.filter(({ name }) => !known.has(name.replace(/_FILE$/, '')) && !known.has(name))).toEqual([]);
    expect(named.length).toBeGreaterThan(3);
  });

  it('links only to files that exist', () => {
    const broken = files.filter((file) => file.endsWith('.md')).flatMap((file) => brokenLinks(file, read(file)));
    expect(broken).toEqual([]);
  });
});

function brokenLinks(file: string, text: string): string[] {
  const targets = [...text.matchAll(/\]\((?!\w+:|#)([^)\s#]+)/g)].map((match) => match[1] ?? '');
  const exists = (target: string): boolean => {
    const path = join(dirname(file), target).split(sep).join('/').replace(/\/$/, '');
    return files.some((other) => isIn(other, path));
  };
  return targets.filter((target) => !exists(target)).map((target) => `${file} → ${target}`);
}

describe('these checks themselves', () => {
  const faultsOf = (text: string, wrong: (node: ts.Node, file: string) => string | null, file = 'src/domain/x.ts') =>
    faults(parse(file, text), (node) => wrong(node, file)).map((fault) => fault.replace(/^\S+ /, ''));

  it('see a wrong import', () => {
    expect(faultsOf("import type { A } from '../state/store.ts';", wrongImport)).toEqual([
      'src/domain may not import src/state/store.ts (src/state/store.ts)',
    ]);
    expect(faultsOf("await import('../app.ts');", wrongImport)).toEqual(['src/domain may not import src/app.ts']);
    expect(faultsOf("import { a } from './limits.ts';", wrongImport)).toEqual([]);
  });

  it('see a client library outside its folder', () => {
    expect(faultsOf("import { Kafka } from 'kafkajs';", wrongClient)).toEqual([
      'imports kafkajs: only src/transport/kafka does',
    ]);
    expect(faultsOf("import x from 'kafkajs/src/y.js';", wrongClient, 'src/transport/kafka/x.ts')).toEqual([]);
  });

  it('see impurity, not its names', () => {
    const text =
      "import 'node:fs'; Date.now(); new Date(); Math.random(); process.env; x.process; ({ process: 1 }); new Date(0);";
    expect(faultsOf(text, impurity)).toEqual(['imports node:fs', 'Date.now', 'new Date()', 'Math.random', 'process']);
  });

  it('see any, and tests that are switched off', () => {
    expect(faultsOf('let x: any; let any = 1;', loosened)).toEqual(['any']);
    expect(faultsOf("it.skip('a'); describe.each([]).only('b'); xit('c'); options.only;", switchedOff)).toEqual([
      'it.skip',
      'describe.each([]).only',
      'xit',
    ]);
  });

  it('see a broken link', () => {
    expect(brokenLinks('docs/x.md', '[a](../package.json) [b](no.md#x) [c](https://example.org/x)')).toEqual([
      'docs/x.md → no.md',
    ]);
  });
});
