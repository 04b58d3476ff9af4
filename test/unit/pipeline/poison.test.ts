import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { Attempts } from '../../../src/pipeline/attempts.ts';
import { ScriptedStore } from '../../support/pipeline-store.ts';
import { recordOf, settle, World } from '../../support/pipeline-world.ts';

/** One life of a process: begins at an offset; `null` in `trying` = it ended with whole batches in hand. */
async function life(store: ScriptedStore, processId: string, offset: number, trying: number | null = null) {
  const attempts = new Attempts(store, processId, SILENT_LOGGER);
  const poison = await attempts.begin(offset);
  if (trying !== null) await attempts.trying(trying, offset);
  return { attempts, poison };
}

describe('attempts', () => {
  it('after two deaths at one position records are taken singly, and the third names the record', async () => {
    const store = await ScriptedStore.open();
    expect((await life(store, 'p1', 10)).attempts.singly).toBe(false);
    expect((await life(store, 'p2', 10)).attempts.singly).toBe(false);
    const third = await life(store, 'p3', 10, 12);
    expect(third).toMatchObject({ poison: -1, attempts: { singly: true } });
    const fourth = await life(store, 'p4', 10);
    expect(fourth.poison).toBe(12);
  });

  it('a death of whole batches never names a record', async () => {
    const store = await ScriptedStore.open();
    for (let k = 0; k < 9; k++) expect((await life(store, `p${k}`, 10)).poison).toBe(-1);
  });

  it('beginning again in the same process is no death', async () => {
    const store = await ScriptedStore.open();
    for (let k = 0; k < 5; k++) {
      expect(await life(store, 'p1', 10, 10)).toMatchObject({ poison: -1, attempts: { singly: false } });
    }
    await life(store, 'p2', 10);
    for (let k = 0; k < 5; k++) {
      expect(await life(store, 'p3', 10, 10)).toMatchObject({ poison: -1, attempts: { singly: true } });
    }
  });

  it('a process that comes back has not ended: its name is taken out', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10);
    await life(store, 'p2', 10);
    // p1 had only lost the partition: p2 alone may have ended.
    expect(await life(store, 'p1', 10, 10)).toMatchObject({ poison: -1, attempts: { singly: false } });
    // p1 again, after p2: two may have ended, p1 not being one that this process can vouch for.
    expect(await life(store, 'p3', 10, 11)).toMatchObject({ poison: -1, attempts: { singly: true } });
    // p2 was alive all the time: p1 and p3 are two, and the record in hand of the third death is not there yet.
    expect(await life(store, 'p2', 10)).toMatchObject({ poison: -1, attempts: { singly: true } });
  });

  it('a position that moved forgets what was', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10);
    await life(store, 'p2', 10);
    await life(store, 'p3', 10, 10);
    expect(await life(store, 'p4', 11)).toMatchObject({ poison: -1, attempts: { singly: false } });
  });

  it('goes with the position while records are taken singly', async () => {
    const store = await ScriptedStore.open();
    await life(store, 'p1', 10);
    await life(store, 'p2', 10);
    const { attempts } = await life(store, 'p3', 10, 10);
    attempts.survived();
    expect(attempts.singly).toBe(true);
    await attempts.trying(11, 11);
    expect((await life(store, 'p4', 11)).poison).toBe(11);
  });

  it('ends with a step of whole batches, and with the last of many single ones', async () => {
    const store = await ScriptedStore.open();
    (await life(store, 'p1', 10)).attempts.survived();
    await settle();
    expect(await store.readAttempt()).toBeNull();
    await life(store, 'p1', 10);
    await life(store, 'p2', 10);
    const { attempts } = await life(store, 'p3', 10);
    for (let record = 10; record < 2_009; record++) await attempts.trying(record, record);
    attempts.survived();
    expect(attempts.singly).toBe(true);
    await attempts.trying(2_009, 2_009);
    attempts.survived();
    expect(attempts.singly).toBe(false);
    await settle();
    expect(await store.readAttempt()).toBeNull();
  });

  it.each(['', 'x', 'null', '7', '{}', '{"offset":10,"deaths":"9","trying":10}'])(
    'begins anew after a note like %j',
    async (text) => {
      const store = await ScriptedStore.open();
      await store.writeAttempt(text);
      expect(await life(store, 'p1', 10)).toMatchObject({ poison: -1, attempts: { singly: false } });
    },
  );

  it('a store that is away fails the acquisition', async () => {
    const store = await ScriptedStore.open();
    store.fail('readAttempt', 'before');
    await expect(life(store, 'p1', 10)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
    store.fail('writeAttempt', 'before');
    await expect(life(store, 'p1', 10)).rejects.toMatchObject({ code: 'FS_STATE_UNAVAILABLE' });
  });
});

const DEADLY = 6;

/** The log up to `to` in batches; the process dies with the deadly record in hand: its transaction never ends. */
async function untilDeath(world: World, to: number): Promise<void> {
  const worker = world.worker();
  for (let at = await worker.acquire(); at < to; at += 5) {
    const batch = world.batch(at, Math.min(to, at + 5));
    const gate = handleDeadly(world);
    const died = new Promise<'died'>((resolve) => (gate.died = () => resolve('died')));
    const outcome = await Promise.race([worker.handle(batch, Math.min(to, at + 5)).then(() => 'alive' as const), died]);
    gate.off();
    if (outcome === 'died') return;
  }
}

/** A produce that holds the decision of the deadly record is never answered. */
function handleDeadly(world: World): { died: () => void; off: () => void } {
  const { broker } = world;
  const original = broker.produce.bind(broker);
  const gate = { died: (): void => {}, off: (): void => void (broker.produce = original) };
  broker.produce = (transaction, batches) => {
    const decisions = batches.filter(({ topic }) => topic === 'decisions').flatMap(({ records }) => records);
    if (!decisions.some(({ value }) => String(value).includes(`t_${DEADLY}`))) return original(transaction, batches);
    gate.died();
    return new Promise(() => undefined);
  };
  return gate;
}

describe('a record that ends the process again and again', () => {
  it('is put aside alone after three deaths from where they began, and stays put aside', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 4; k++) await untilDeath(world, 10);
    // The first death is not noted: its process had moved on since it began. Two of whole batches, then singly.
    expect(world.committedAt).toBe(DEADLY);
    expect(world.sink.of('dead-letter')).toEqual([]);
    await untilDeath(world, 10);
    expect(world.errors).toEqual(['a record has ended the process again and again: it is put aside']);
    expect(world.committedAt).toBe(10);
    const letters = world.sink.of('dead-letter');
    expect(letters).toHaveLength(1);
    expect(String(letters[0]!.headers!['fraudstream.error.code'])).toBe('FS_INPUT_POISON');
    expect(String(letters[0]!.headers!['__connect.errors.offset'])).toBe(String(DEADLY));
    expect(letters[0]!.value!.equals(recordOf(DEADLY).value!)).toBe(true);
    expect(world.sink.of('decisions')).toHaveLength(9);
    expect(world.position).toMatchObject({ poison: [DEADLY], offset: 10, lastDecision: 9 });
  });

  it('is left out also when the state is folded anew', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 5; k++) await untilDeath(world, 10);
    expect(world.committedAt).toBe(10);
    await world.store.lose();
    const worker = world.worker();
    expect(await worker.acquire()).toBe(0);
    await world.handle(worker, 0, 10);
    const [entry] = await world.histories.load(['u_0']);
    // 0, 3 and 9 are in it, 6 is not
    expect(entry!.history.rows.length).toBe(3);
    expect(world.position).toMatchObject({ poison: [DEADLY] });
  });

  it('is not forgotten when the acquisition that puts it aside fails', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 4; k++) await untilDeath(world, 10);
    const worker = world.worker();
    world.broker.fail('end', 'before');
    await expect(worker.acquire()).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    await worker.acquire();
    expect(world.position).toMatchObject({ poison: [DEADLY] });
  });

  it('is not forgotten when the process that puts it aside dies before it has said so', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 4; k++) await untilDeath(world, 10);
    world.broker.fail('end', 'before');
    await expect(world.worker().acquire()).rejects.toMatchObject({ code: 'FS_KAFKA_UNAVAILABLE' });
    await world.worker().acquire();
    expect(world.position).toMatchObject({ poison: [DEADLY] });
  });

  it('given back in order, a partition has no deaths', async () => {
    const world = await World.of(10);
    for (let k = 0; k < 5; k++) {
      const worker = world.worker();
      await worker.acquire();
      await worker.release(true);
    }
    await settle();
    expect(await world.store.readAttempt()).toBeNull();
    expect(world.warnings).toEqual([]);
  });
});
