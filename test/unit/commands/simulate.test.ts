import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PaymentProducer, runSimulate, type SimulateSettings } from '../../../src/commands/simulate.ts';
import type { Label, Transaction } from '../../../src/domain/transaction.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'simulate-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Sleeping moves time: no test waits. */
function manualClock() {
  let nowMs = 1_800_000_000_000;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    async sleep(ms: number) {
      nowMs += ms;
    },
  };
}

const settings = (more: Partial<SimulateSettings>): SimulateSettings => ({
  seed: 2,
  users: 500,
  days: 2,
  startMs: Date.UTC(2026, 0, 5),
  payments: null,
  sink: 'file',
  out: folder,
  format: 'avro',
  ratePerSecond: 2_000,
  labels: 'all',
  ...more,
});

describe('runSimulate', () => {
  it('writes equal files for equal settings', async () => {
    const fractions: number[] = [];
    const deps = { clock: manualClock(), onProgress: (fraction: number) => fractions.push(fraction) };
    const a = await runSimulate(settings({ out: join(folder, 'a') }), deps);
    await runSimulate(settings({ out: join(folder, 'b') }), deps);
    expect((await readdir(join(folder, 'a'))).sort()).toEqual(['labels.avro', 'transactions.avro']);
    for (const name of ['labels.avro', 'transactions.avro']) {
      expect((await readFile(join(folder, 'a', name))).equals(await readFile(join(folder, 'b', name)))).toBe(true);
    }
    expect(a.payments).toBeGreaterThan(3_000);
    expect(a.labels).toBe(a.frauds);
    expect(fractions.at(-1)).toBe(1);
  });

  it('aims at the asked number, and leaves labels out', async () => {
    const report = await runSimulate(settings({ payments: 8_000, labels: 'none', format: 'jsonl' }), {
      clock: manualClock(),
    });
    expect(await readdir(folder)).toEqual(['transactions.jsonl']);
    expect(report.payments).toBeGreaterThan(6_800);
    expect(report.payments).toBeLessThan(9_200);
    await expect(runSimulate(settings({ out: null }), { clock: manualClock() })).rejects.toMatchObject({
      code: 'FS_CONFIG_INVALID',
    });
  });

  it('sends all payments in order to a producer, labels behind them, and stops on a signal', async () => {
    const payments: Transaction[] = [];
    const labels: Label[] = [];
    const stop = new AbortController();
    let stopAt = Infinity;
    const producer: PaymentProducer = {
      async send(some, verdicts) {
        payments.push(...some);
        labels.push(...verdicts);
        if (payments.length >= stopAt) stop.abort('SIGTERM');
      },
    };
    const deps = { clock: manualClock(), producer, signal: stop.signal };
    const report = await runSimulate(settings({ sink: 'kafka', users: 1_000, days: 5, labels: 'delayed' }), deps);
    expect(payments).toHaveLength(report.payments);
    expect(labels).toHaveLength(report.labels);
    expect(labels.length).toBeGreaterThan(10);
    const times = new Map(payments.map((payment) => [payment.transaction_id, payment.event_time]));
    for (const label of labels) expect(label.event_time).toBe(times.get(label.transaction_id));
    stopAt = payments.length + 100;
    const stopped = await runSimulate(settings({ sink: 'kafka' }), deps);
    expect(stopped.stopped).toBe(true);
    expect(stopped.payments).toBeLessThan(1_000);
  });
});
