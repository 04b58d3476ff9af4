import { describe, expect, it } from 'vitest';
import { Health, READY_CHECKS } from '../../../src/observability/health.ts';

const STALL = 60_000;

function healthy(partitions: number[] = [0, 1]): Health {
  const health = new Health({ stallTimeoutMs: STALL });
  for (const name of READY_CHECKS) health.set(name, true);
  health.assigned(partitions, 0);
  return health;
}

const failing = (report: { checks: readonly { name: string; ok: boolean }[] }): string[] =>
  report.checks.filter((check) => !check.ok).map((check) => check.name);

describe('ready', () => {
  it('needs model, store, Kafka and an assignment', () => {
    const health = new Health({ stallTimeoutMs: STALL });
    expect(failing(health.ready())).toEqual(['model', 'store', 'kafka', 'assignment']);
    health.set('model', true);
    health.set('store', true);
    health.set('kafka', true);
    expect(health.ready().ok).toBe(false);
    health.assigned([0], 0);
    expect(health.ready().ok).toBe(true);
  });

  it('is a member without partitions too', () => {
    const report = healthy([]).ready();
    expect(report.ok).toBe(true);
    expect(report.checks.map((check) => check.reason)).toContain('joined, no partitions for this member');
  });

  it('says why not', () => {
    const health = healthy();
    health.set('store', false, 'Redis does not answer');
    expect(health.ready().checks).toContainEqual({ name: 'store', ok: false, reason: 'Redis does not answer' });
    health.set('store', true);
    health.unassigned('rebalancing');
    expect(failing(health.ready())).toEqual(['assignment']);
  });

  it('ends with draining, while live goes on', () => {
    const health = healthy();
    health.stopping();
    expect(failing(health.ready())).toEqual(['stopping']);
    expect(health.live(0).ok).toBe(true);
  });

  it('names a halted partition, which is no stall', () => {
    const health = healthy();
    health.progress({ partition: 1, nextOffset: 5, lag: 9 }, 0);
    health.halted(1, 'the state is ahead of the log');
    expect(failing(health.ready())).toEqual(['partition-1']);
    expect(health.live(10 * STALL).ok).toBe(true);
    health.assigned([0], 0);
    expect(health.ready().ok).toBe(true);
  });
});

describe('live means progress', () => {
  it('fails when there is lag and no offset moved for the stall time', () => {
    const health = healthy();
    health.progress({ partition: 1, nextOffset: 10, lag: 5 }, 1_000);
    expect(health.live(1_000 + STALL - 1).ok).toBe(true);
    const report = health.live(1_000 + STALL);
    expect(failing(report)).toEqual(['progress']);
    expect(report.checks.find((check) => !check.ok)?.reason).toBe('partitions 1: lag, and no offset moved for 60 s');
    expect(health.stalled(1_000 + STALL)).toEqual([1]);
  });

  it('holds while offsets move, and recovers when they move again', () => {
    const health = healthy();
    health.progress({ partition: 0, nextOffset: 1, lag: 5 }, 0);
    health.progress({ partition: 0, nextOffset: 2, lag: 5 }, STALL - 1);
    expect(health.live(2 * STALL - 2).ok).toBe(true);
    expect(health.live(2 * STALL - 1).ok).toBe(false);
    health.progress({ partition: 0, nextOffset: 3, lag: 4 }, 2 * STALL);
    expect(health.live(2 * STALL).ok).toBe(true);
  });

  it('is not lost by seeing the same lag again and again', () => {
    const health = healthy();
    for (let now = 0; now <= STALL; now += 1_000) health.progress({ partition: 0, nextOffset: 1, lag: 5 }, now);
    expect(health.live(STALL).ok).toBe(false);
  });

  it('starts its clock when lag appears, not when the topic fell silent', () => {
    const health = healthy();
    health.progress({ partition: 0, nextOffset: 7, lag: 0 }, 0);
    health.progress({ partition: 0, nextOffset: 7, lag: 3 }, 100 * STALL);
    expect(health.live(100 * STALL + 1).ok).toBe(true);
    expect(health.live(101 * STALL).ok).toBe(false);
  });

  it('needs no traffic', () => {
    const health = healthy();
    expect(health.live(1_000 * STALL).ok).toBe(true);
  });

  it('looks at each partition: one that moves does not hide one that does not', () => {
    const health = healthy();
    health.progress({ partition: 0, nextOffset: 1, lag: 5 }, 0);
    health.progress({ partition: 1, nextOffset: 1, lag: 5 }, 0);
    health.progress({ partition: 0, nextOffset: 2, lag: 5 }, STALL);
    expect(health.stalled(STALL)).toEqual([1]);
  });

  it('forgets partitions that were taken away, and reports of them', () => {
    const health = healthy();
    health.progress({ partition: 1, nextOffset: 1, lag: 5 }, 0);
    health.assigned([0], 10);
    health.progress({ partition: 1, nextOffset: 1, lag: 5 }, 20);
    expect(health.live(10 * STALL).ok).toBe(true);
  });

  it('gives a restarted consumer its full time', () => {
    const health = healthy();
    health.progress({ partition: 0, nextOffset: 1, lag: 5 }, 0);
    health.forgive(STALL);
    expect(health.live(2 * STALL - 1).ok).toBe(true);
    expect(health.live(2 * STALL).ok).toBe(false);
  });

  it('ends with what only a new process can help', () => {
    const health = healthy();
    health.fatal('stalled after a restart');
    expect(failing(health.live(0))).toEqual(['process']);
    expect(failing(health.ready())).toEqual(['process']);
  });
});
