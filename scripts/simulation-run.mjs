// Shares seeds out to worker processes.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './simulation-build.mjs';

const CHUNK = 10;
/** a seed takes a fraction of a second: silence for so long is a hang */
const SILENCE_MS = 120_000;

/** @returns the seeds that failed, ascending */
export async function runSeeds({ folder, from, seeds, workers, failuresMax, onResult, silenceMs = SILENCE_MS }) {
  const failed = [];
  let next = from;
  const end = from + seeds;
  const worker = () =>
    new Promise((resolve, reject) => {
      const child = fork(join(ROOT, 'scripts/simulation-worker.mjs'), [folder], {
        execArgv: ['--max-old-space-size=1500'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      let given = [];
      let ready = false;
      const silence = () =>
        setTimeout(() => {
          const seed = given[0] ?? -1;
          onResult({ seed, faults: ['hangs'], events: 0, steps: 0, injected: [], ms: 0 });
          failed.push(seed);
          given = [];
          child.kill('SIGKILL');
        }, silenceMs);
      let watch = silence();
      child.on('message', (message) => {
        clearTimeout(watch);
        watch = silence();
        ready = true;
        if (message === 'more') {
          if (next >= end || failed.length >= failuresMax) {
            clearTimeout(watch);
            child.disconnect();
            return;
          }
          given = Array.from({ length: Math.min(CHUNK, end - next) }, (_, k) => next + k);
          next += given.length;
          child.send(given);
          return;
        }
        given = given.filter((seed) => seed !== message.seed);
        if (message.faults.length > 0) failed.push(message.seed);
        onResult(message);
      });
      child.on('exit', (code) => {
        clearTimeout(watch);
        if (!ready) reject(new Error(`a worker did not start: ${code}`));
        if (given.length > 0 && code !== 0) {
          failed.push(given[0]);
          onResult({
            seed: given[0],
            faults: [`the process ended with ${code}`],
            events: 0,
            steps: 0,
            injected: [],
            ms: 0,
          });
        }
        resolve();
      });
    });
  await Promise.all(Array.from({ length: workers }, worker));
  return failed.sort((a, b) => a - b);
}
