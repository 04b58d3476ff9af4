import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { openSnapshots, StateSnapshots } from '../../src/commands/state-snapshots.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { ManualClock } from '../support/pipeline-engine.ts';
import { inspected, StateWorld } from './state-commands-world.ts';

/** A copy of what is in Redis, made while the partition goes on, and back again. */
it('a snapshot brings back a state that Redis has lost, and the tail is folded onto it', async () => {
  const world = new StateWorld('snapshot', { kafka: inject('kafka'), redis: inject('redis') });
  const folder = await mkdtemp(join(tmpdir(), 'fs-snapshots-'));
  const clock = new ManualClock();
  try {
    await world.open(1);
    await world.pay(1_500);
    await world.decideAll();
    const { session } = await world.session('inspect');
    const { identity, topic, plan } = session;
    const target = openSnapshots(folder, world.topics.app, SILENT_LOGGER);
    const { fingerprint } = plan.layout;
    const snapshots = new StateSnapshots({ target, fingerprint, clock, log: SILENT_LOGGER }, 1_000);
    const store = await session.storeOf(0);
    const owned = [{ topic, partition: 0, store }];
    snapshots.tick(owned);
    clock.advance(1_000);
    snapshots.tick(owned);
    await snapshots.settled();
    expect(await target.list(owned[0]!)).toMatchObject([{ watermark: 1_500, reach: 1_500, users: 60 }]);

    await world.pay(200);
    await world.decideAll();
    await store.drop();
    expect(await snapshots.restore(owned[0]!, store, identity, 1_400)).toBe(false);
    expect(await snapshots.restore(owned[0]!, store, identity, 1_700)).toBe(true);
    const [restored] = await inspected(world);
    expect(restored).toMatchObject({ tail: 200, verdict: { ok: true, rebuilt: '' } });
    await session.close();
    await world.decideAll();
    await world.pay(10);
    await world.decideAll();
    const verified = await world.state('verify');
    expect(verified.exitCode, verified.stdout).toBe(0);
    expect((await world.decisions()).length).toBe(1_710);
  } finally {
    await rm(folder, { recursive: true });
    await world.close();
  }
});
