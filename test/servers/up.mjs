#!/usr/bin/env node
// Starts servers by hand: `node test/servers/up.mjs [kafka] [redis] [registry]` prints one line of JSON with their
// addresses and runs until SIGTERM or SIGINT. The typed sources are compiled first, so that Node 20 can run them too.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const here = import.meta.dirname;
const out = join(here, '../../.cache/servers/up');
mkdirSync(out, { recursive: true });
for (const name of readdirSync(here).filter((file) => file.endsWith('.ts') && file !== 'global-setup.ts')) {
  const { outputText } = ts.transpileModule(readFileSync(join(here, name), 'utf8'), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  writeFileSync(join(out, name.replace(/\.ts$/, '.js')), outputText);
}

const known = ['kafka', 'redis', 'registry'];
const names = process.argv.slice(2);
const wrong = names.find((name) => !known.includes(name));
if (wrong !== undefined) {
  process.stderr.write(`usage: node test/servers/up.mjs [${known.join('] [')}]  (no server is called ${wrong})\n`);
  process.exit(2);
}
const { startServers } = await import(pathToFileURL(join(out, 'all.js')).href);
const servers = await startServers(names.length === 0 ? known : names);
process.stdout.write(`${JSON.stringify({ kafka: servers.kafka, redis: servers.redis, registry: servers.registry })}\n`);
const timer = setInterval(() => undefined, 1_000_000);
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    clearInterval(timer);
    void servers.stop().then(() => process.exit(0));
  });
}
