// Embedded replays: simulated files, `fraudstream replay` as a user types it, pinned to one core where it can be.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MAIN, ROOT } from './build.mjs';
import { runNode, startChild } from './children.mjs';
import { cpuUs, loadAverage, peakRssMiB } from './process-stat.mjs';

const FOLDER = join(ROOT, 'out', 'bench');

/** Simulated once, then taken from out/bench. @returns path of the file */
export async function simulated({ users, days, historyDays = 0 }) {
  const folder = join(FOLDER, `sim-${users}x${days}+${historyDays}`);
  const file = join(folder, 'transactions.avro');
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const numbers = ['--users', users, '--days', days, '--history-days', historyDays].map(String);
    await runNode([MAIN, 'simulate', ...numbers, '--labels', 'none', '--out', folder]);
  }
  return file;
}

const hasTaskset = () => spawnSync('taskset', ['-c', '0', 'true']).status === 0;

/** @returns payments/s by the replay's own clock (start of the process left out), µs per stage, CPU and memory */
export async function replay(file, { oneCore = true, nodeArgs = [] } = {}) {
  const out = join(FOLDER, `replay-${process.pid}`);
  const pinned = oneCore && hasTaskset();
  const node = [process.execPath, ...nodeArgs, MAIN, 'replay', '--in', file, '--out', out];
  const [command, ...args] = pinned ? ['taskset', '-c', '0', ...node] : node;
  const load = loadAverage();
  const lines = [];
  const startedMs = performance.now();
  const child = startChild(command, args, { onLine: (line) => lines.push(line) });
  let cpu = 0;
  let peak = 0;
  // the last sample is at most this old when the process ends
  const timer = setInterval(() => {
    try {
      cpu = cpuUs(child.pid);
      peak = peakRssMiB(child.pid);
    } catch {
      // it has ended between two samples
    }
  }, 20);
  const code = await child.ended;
  clearInterval(timer);
  if (code !== 0) throw new Error(`replay ended with ${code}\n${child.stderrTail()}`);
  const wholeS = (performance.now() - startedMs) / 1_000;
  const [, payments, seconds, perS] = /^([\d, ]+) payments decided in ([\d.]+) s: ([\d, ]+) payments/u
    .exec(lines.find((line) => line.includes('payments decided')))
    .map((text) => Number(text.replace(/[^\d.]/g, '')));
  const stages = lines.find((line) => line.includes('by stage'));
  const outBytes = statSync(join(out, 'decisions.avro')).size;
  rmSync(out, { recursive: true, force: true });
  return {
    payments,
    inputBytesPerPayment: Math.round(statSync(file).size / payments),
    outputBytesPerPayment: Math.round(outBytes / payments),
    oneCore: pinned,
    loadAverageBefore: load,
    paymentsPerS: perS,
    seconds,
    wholeSeconds: Number(wholeS.toFixed(2)),
    cpuUsPerPayment: Number((cpu / payments).toFixed(2)),
    peakRssMiB: peak,
    stageUsPerPayment: Object.fromEntries(
      [...stages.split(': ')[1].matchAll(/(\w+) ([\d.]+)/g)].map(([, stage, us]) => [stage, Number(us)]),
    ),
    counts: lines.filter((line) => /^(blocked|late) /.test(line)).join('; '),
  };
}
