#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dispatch, type Loaders } from './commands/dispatch.ts';

/** Each command loads only what it uses: `--help` starts no native library. */
const LOADERS: Loaders = {
  run: () => import('./commands/run.ts'),
  replay: () => import('./commands/replay.ts'),
  demo: () => import('./commands/demo.ts'),
  simulate: () => import('./commands/simulate-command.ts'),
  'export-features': () => import('./commands/export-features.ts'),
  validate: () => import('./commands/validate.ts'),
  flagged: () => import('./commands/flagged.ts'),
  doctor: () => import('./commands/doctor.ts'),
  dlq: () => import('./commands/dlq.ts'),
  model: () => import('./commands/model.ts'),
  state: () => import('./commands/state.ts'),
  help: () => import('./commands/help.ts'),
};

const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

const packageRoot = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const stop = new AbortController();
for (const [signal, exitCode] of Object.entries(SIGNAL_EXIT_CODES)) {
  process.on(signal, () => {
    // the first asks, the second insists
    if (stop.signal.aborted) process.exit(exitCode);
    stop.abort(signal);
  });
}

for (const stream of [process.stdout, process.stderr]) {
  // `fraudstream flagged | head` closes the pipe: no error of ours
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

process.exitCode = await dispatch(
  {
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    packageRoot,
    version,
    stdout: process.stdout,
    stderr: process.stderr,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    signal: stop.signal,
    readFile: (path) => readFileSync(path, 'utf8'),
  },
  LOADERS,
);

// a handle that a library leaves open must not keep a finished process; stdout has had its time to drain
setTimeout(() => process.exit(), 2_000).unref();
