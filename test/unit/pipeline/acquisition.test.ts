import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { planAcquisition, type Acquisition, type StartPolicy } from '../../../src/pipeline/acquisition.ts';
import { ScriptedStore } from '../../support/pipeline-store.ts';
import { World } from '../../support/pipeline-world.ts';
import { smallPlan } from '../../support/pipeline-engine.ts';

const FINGERPRINT = 'layout-1';

interface Situation {
  readonly committed: number | null;
  readonly watermark?: number;
  readonly fingerprint?: string;
  readonly start?: number;
  readonly end?: number;
  readonly policy?: StartPolicy;
}

async function storeAt(watermark: number | undefined, fingerprint = FINGERPRINT): Promise<ScriptedStore> {
  const store = await ScriptedStore.open();
  if (watermark === undefined) return store;
  await store.flush({ expectedWatermark: null, watermark, fingerprint, keys: ['u_1'], blobs: [Buffer.from([1])] });
  return store;
}

async function plan(situation: Situation, store?: ScriptedStore): Promise<{ plan: Acquisition; store: ScriptedStore }> {
  const { committed, start = 0, end = 100, policy = 'earliest' } = situation;
  const used = store ?? (await storeAt(situation.watermark, situation.fingerprint));
  const input = {
    topic: 'transactions',
    partition: 3,
    signal: new AbortController().signal,
    committed: () => Promise.resolve(committed),
    range: () => Promise.resolve({ start, end }),
    commit: () => Promise.resolve(),
  };
  return {
    plan: await planAcquisition(input, used, FINGERPRINT, { startPolicy: policy, log: SILENT_LOGGER }),
    store: used,
  };
}

const at = (watermark: number | null, readFrom: number, decideFrom: number): Acquisition => ({
  watermark,
  readFrom,
  decideFrom,
});

describe('nothing committed, nothing stored', () => {
  it('begins at the first record', async () => {
    expect((await plan({ committed: null, start: 7 })).plan).toEqual(at(null, 7, 7));
  });

  it('begins at the end, and folds nothing before it', async () => {
    expect((await plan({ committed: null, start: 7, policy: 'latest' })).plan).toEqual(at(null, 100, 100));
  });

  it('refuses when it must not choose, and says what to do', async () => {
    await expect(plan({ committed: null, policy: 'fail' })).rejects.toMatchObject({
      code: 'FS_OFFSET_OUT_OF_RANGE',
      message: expect.stringMatching(/transactions\/3 has no committed offset.*earliest or latest/) as string,
      place: { topic: 'transactions', partition: 3 },
    });
  });
});

describe('what is committed is decided from there, whatever the policy is', () => {
  it.each(['earliest', 'latest', 'fail'] as const)('%s', async (policy) => {
    expect((await plan({ committed: 40, watermark: 40, policy })).plan).toEqual(at(40, 40, 40));
  });

  it('the stored watermark stands in for a commit that the group has lost', async () => {
    expect((await plan({ committed: null, watermark: 40, policy: 'latest' })).plan).toEqual(at(40, 40, 40));
  });
});

describe('the state against the commit', () => {
  it('behind it: the records between are folded', async () => {
    const { plan: found, store } = await plan({ committed: 60, watermark: 40, start: 10 });
    expect(found).toEqual(at(40, 40, 60));
    expect(store.count('drop')).toBe(0);
  });

  it('ahead of it: rebuilt from the first record of the log', async () => {
    const { plan: found, store } = await plan({ committed: 40, watermark: 41, start: 10 });
    expect(found).toEqual(at(null, 10, 40));
    expect(await store.readState()).toEqual({ watermark: null, fingerprint: null });
  });

  it('of another layout: rebuilt from the first record of the log', async () => {
    const { plan: found, store } = await plan({ committed: 40, watermark: 40, fingerprint: 'layout-0', start: 10 });
    expect(found).toEqual(at(null, 10, 40));
    expect(await store.readState()).toEqual({ watermark: null, fingerprint: null });
  });

  it('of another layout and nothing committed: rebuilt up to its watermark, not decided again', async () => {
    const { plan: found } = await plan({ committed: null, watermark: 40, fingerprint: 'layout-0', start: 10 });
    expect(found).toEqual(at(null, 10, 40));
  });

  it('none: rebuilt from the first record of the log', async () => {
    expect((await plan({ committed: 40, start: 10 })).plan).toEqual(at(null, 10, 40));
  });

  it('before what retention left: folded from there', async () => {
    expect((await plan({ committed: 60, watermark: 40, start: 50 })).plan).toEqual(at(40, 50, 60));
  });
});

describe('a position that the log does not have', () => {
  it('deleted before it was decided: names the records', async () => {
    await expect(plan({ committed: 40, watermark: 40, start: 50 })).rejects.toMatchObject({
      code: 'FS_OFFSET_OUT_OF_RANGE',
      message: expect.stringMatching(/committed at 40, the log has 50 to 100: records 40 to 49 were deleted/) as string,
      place: { topic: 'transactions', partition: 3, offset: 40 },
    });
  });

  it('beyond the end: names the range', async () => {
    await expect(plan({ committed: 101, watermark: 90 })).rejects.toMatchObject({
      code: 'FS_OFFSET_OUT_OF_RANGE',
      message: expect.stringMatching(
        /committed at 101, the log has 0 to 100: the topic was truncated or made anew/,
      ) as string,
    });
  });

  it('the edges are still in it', async () => {
    expect((await plan({ committed: 100, watermark: 100 })).plan).toEqual(at(100, 100, 100));
    expect((await plan({ committed: 50, watermark: 50, start: 50 })).plan).toEqual(at(50, 50, 50));
  });

  it('leaves the state as it is', async () => {
    const store = await storeAt(90);
    await expect(plan({ committed: 40, start: 50 }, store)).rejects.toThrow();
    expect(await store.readState()).toEqual({ watermark: 90, fingerprint: FINGERPRINT });
  });
});

describe('a removal that was cut short', () => {
  it.each([
    ['in the middle of the log', { committed: 40, start: 10 }],
    ['at the first record, to which the group was set back', { committed: 10, start: 10 }],
    ['with nothing committed', { committed: null, start: 10 }],
    ['with nothing committed, at the end', { committed: null, policy: 'latest' as const }],
  ])('is finished before anything is folded: %s', async (_, situation) => {
    const store = await storeAt(90);
    await store.halfDrop();
    expect((await store.load(['u_1'])).blobs[0]).not.toBeNull();
    const { plan: found } = await plan(situation, store);
    expect(found.watermark).toBeNull();
    expect((await store.load(['u_1'])).blobs[0]).toBeNull();
  });

  it('fails the acquisition when it fails again', async () => {
    const store = await storeAt(90);
    store.fail('drop', 'before');
    await expect(plan({ committed: 40 }, store)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
  });
});

describe('through a worker', () => {
  it('folds silently what was decided: no output, no commit', async () => {
    const world = await World.of(20);
    const first = world.worker();
    await world.run(first, 10);
    await first.release(true);
    await world.run(world.worker(), 20);
    const outputs = world.sink.records.length;
    const commits = world.commits.length;
    // the state is of offset 10, the group at 20
    expect(await world.run(world.worker(), 20)).toBe(10);
    expect(world.sink.records).toHaveLength(outputs);
    expect(world.commits).toHaveLength(commits);
    expect(world.folded).toEqual([5, 5]);
  });

  it('a group that was set back is decided again with the very same outcome', async () => {
    const world = await World.of(20);
    const first = world.worker();
    await world.run(first, 20);
    await first.release(true);
    const before = world.sink
      .of('decisions')
      .slice(8)
      .map(({ value }) => value!.toString('hex'));
    world.committedAt = 8;
    world.sink.records.length = 0;
    expect(await world.run(world.worker(), 20)).toBe(0);
    expect(world.sink.of('decisions').map(({ value }) => value!.toString('hex'))).toEqual(before);
  });

  it('another catalogue whose fields differ rebuilds the state and decides only what is new', async () => {
    const world = await World.of(20);
    const first = world.worker();
    await world.run(first, 15);
    await first.release(true);
    world.sink.records.length = 0;
    Object.assign(world, {
      plan: smallPlan('  - { name: devices_1d, aggregate: distinct, of: device_id, window: 1d }\n'),
    });
    expect(await world.run(world.worker(), 20)).toBe(0);
    expect(world.folded).toEqual([5, 5, 5]);
    expect(world.sink.of('decisions')).toHaveLength(5);
    expect(world.warnings).toContain('state is rebuilt from the log');
  });
});
