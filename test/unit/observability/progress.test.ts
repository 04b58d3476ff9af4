import { describe, expect, it } from 'vitest';
import { grouped, Progress } from '../../../src/observability/progress.ts';

function shown(isTTY: boolean, columns = 80): { progress: Progress; written: string[]; clock: { ms: number } } {
  const written: string[] = [];
  const clock = { ms: 0 };
  const output = { write: (text: string) => written.push(text), isTTY, columns };
  const progress = new Progress({ label: 'replay', unit: 'payments', output, monotonicMs: () => clock.ms });
  return { progress, written, clock };
}

describe('progress', () => {
  it('is a bar that redraws itself on a terminal', () => {
    const { progress, written, clock } = shown(true);
    progress.update(0.1, 10);
    clock.ms = 1_000;
    progress.update(0.5, 5_000);
    clock.ms = 1_050;
    progress.update(0.51, 5_100);
    clock.ms = 2_000;
    progress.done(10_000);
    expect(written).toEqual([
      '\rreplay [============            ]  50 % 5,000 payments, 5,000/s, 1 s left\u001b[K',
      '\rreplay [========================] 100 % 10,000 payments, 5,000/s\u001b[K',
      '\n',
    ]);
  });

  it('never wraps the line', () => {
    const { progress, written, clock } = shown(true, 30);
    clock.ms = 1_000;
    progress.update(0.5, 5_000);
    expect(written[0]?.replace('\r', '').replace('\u001b[K', '')).toHaveLength(29);
  });

  it('is a plain line every few seconds elsewhere', () => {
    const { progress, written, clock } = shown(false);
    for (clock.ms = 0; clock.ms < 11_000; clock.ms += 100) progress.update(clock.ms / 20_000, clock.ms);
    progress.done(20_000);
    expect(written).toEqual([
      'replay  25 % 5,000 payments, 1,000/s, 15 s left\n',
      'replay  50 % 10,000 payments, 1,000/s, 10 s left\n',
      'replay 100 % 20,000 payments, 1,818/s\n',
    ]);
  });

  it('groups digits', () => {
    expect([0, 999, 1_000, 1_234_567].map(grouped)).toEqual(['0', '999', '1,000', '1,234,567']);
  });
});
